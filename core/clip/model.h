/* model.h - a CLIP model ready to run: one mmapped .pixm file, immutable and shared by all threads.
 *
 * Opening is an mmap and a check of the header; pages are read when first used, so a text query
 * never touches the vision tower.  The fingerprint is the SHA-256 of the configuration and the
 * float32 tensors in name order: it identifies embeddings, whatever file or layout the weights came
 * in. */
#ifndef PIX_CLIP_MODEL_H
#define PIX_CLIP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/sha256.h"
#include "core/clip/precision.h"
#include "core/clip/tensor_list.h"
#include "core/tensor/panels.h"
#include "core/text/tokenizer.h"

typedef struct pix_model pix_model;

typedef struct pix_import_report {
    pix_clip_config config;
    char format[64];
    int files;         /* that the weights were in */
    char weights[256]; /* name of that file, or of the index of several */
    char others[256];  /* names of other weights in the folder, "a, b", or ""; all known ones fit */
    char dtypes[128];  /* of the tensors in the files: "F16 201, F32 101" */
    int64_t ignored;   /* tensors in the files that are none of the model's */
    bool gelu_known;   /* as of pix_checkpoint_gelu_known */
    char gelu_source[192];
    pix_precision precision;
    pix_fidelity fidelity; /* of int8 */
    char source_sha256[PIX_SHA256_HEX];
    char fingerprint[PIX_SHA256_HEX];
    int64_t parameters;
    int64_t file_bytes;
    char vocabulary[4096];    /* path of the vocabulary used, or "" */
    char no_vocabulary[1024]; /* why there is none, or "" */
    bool misfit;              /* for the one named, or beside the weights, does not fit */
} pix_import_report;

typedef enum pix_gelu { PIX_GELU_AS_FOUND, PIX_GELU_QUICK, PIX_GELU_EXACT } pix_gelu;

typedef struct pix_import_options {
    const char *vocabulary; /* NULL: looked for beside the weights and among the installed ones */
    pix_gelu gelu;          /* whatever the files say */
    const pix_precision *precision; /* what the model runs in unless told otherwise; NULL: int8 when
                                       that is near enough to float32 (fidelity.h), else that */
    bool bundle;                    /* a file to be given to others */
    void (*progress)(void *context, double done); /* called with 0..1; may be NULL */
    void *context;
} pix_import_options;

/* Turns a checkpoint (any that pix_checkpoint_open takes) into a .pixm at `pixm_path`, which
 * appears complete or not at all.  `name` is kept inside; a different model that is already there
 * whole is not replaced (PIX_EINVALID). A vocabulary that does not fit is left out and reported,
 * named or found; a named one that cannot be read is an error.  `options` NULL: all are zero.
 *
 * A bundle remembers `source` as it is written, so the same weights give the same bytes wherever
 * they lie; give it relative, then it means nobody's file and is never looked at.  No vocabulary is
 * looked for, and of what may be at `pixm_path`, only the same model is replaced. */
pix_status pix_model_import(const char *source, const char *name, const char *pixm_path,
                            const pix_import_options *options, pix_import_report *report,
                            pix_error *error);

pix_status pix_model_open(const char *pixm_path, pix_model **out, pix_error *error);
void pix_model_close(pix_model *model);

const char *pix_model_name(const pix_model *model);
const char *pix_model_path(const pix_model *model);
/* The absolute path it was imported from; of a bundled model, the relative one at its making. */
const char *pix_model_source(const pix_model *model);
const char *pix_model_source_sha256(const pix_model *model); /* 64 hexadecimal digits */
const char *pix_model_fingerprint(const pix_model *model);   /* 64 hexadecimal digits */
const pix_clip_config *pix_model_config(const pix_model *model);

/* What it runs in unless told otherwise. */
pix_precision pix_model_precision(const pix_model *model);

/* How near int8 comes to float32. */
const pix_fidelity *pix_model_fidelity(const pix_model *model);

/* False: text cannot be encoded, and *why (optional) says so in one sentence with the remedy. */
bool pix_model_has_text(const pix_model *model, const char **why);

/* The model's tokenizer, built on first use and owned by the model.  Thread-safe. */
pix_status pix_model_tokenizer(pix_model *model, const pix_tokenizer **out, pix_error *error);

/* Re-hashes the .pixm's contents: PIX_EFORMAT when they are not what import wrote. */
pix_status pix_model_verify_contents(const pix_model *model, pix_error *error);

/* As above, then each file of its source when that still exists (*source_checked says); fails
 * naming the file that differs. */
pix_status pix_model_verify(pix_model *model, bool *source_checked, pix_error *error);

/* A tensor of pix_clip_tensors that is not packed, float32 in C order, 64-byte aligned; asserts
 * that it exists with that many elements.  For the towers. */
const float *pix_model_tensor(const pix_model *model, const char *name, size_t elements);

/* The same of a part of one that is packed in `count` parts of [out, in]. */
pix_panels_f32 pix_model_panels(const pix_model *model, const char *name, int out, int in,
                                int count, int part);

/* The same of one that is packed for int8. */
pix_panels_int8 pix_model_panels_int8(const pix_model *model, const char *name, int out, int in,
                                      int count, int part);

/* Asks the kernel to read the tensors whose names begin with `prefix` ahead of their use. */
void pix_model_read_ahead(const pix_model *model, const char *prefix);

#endif
