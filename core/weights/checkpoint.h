/* checkpoint.h - named float tensors from any file, or files, CLIP weights are published in.
 *
 * Whatever the format, tensors appear under OpenAI's state-dict names and in OpenAI's shapes (a
 * Hugging Face model's q, k and v are joined and its projections transposed back).  The format is
 * found by content, never by name.  Every size and offset is checked before use and nothing in a
 * file can run. One thread at a time. */
#ifndef PIX_WEIGHTS_CHECKPOINT_H
#define PIX_WEIGHTS_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/sha256.h"

enum { PIX_TENSOR_MAX_RANK = 8 };

typedef struct pix_tensor_info {
    const char *name;  /* as in OpenAI's state dict: "visual.conv1.weight" */
    const char *dtype; /* as the file stores it: "F16" */
    int rank;
    int64_t shape[PIX_TENSOR_MAX_RANK];
} pix_tensor_info;

/* What a config file says of sizes that the tensors' shapes show: to be compared, not believed. */
typedef struct pix_checkpoint_sizes {
    int64_t embed_dim;
    int64_t image_size, patch_size, vision_width, vision_layers, vision_mlp_width;
    int64_t context_length, vocab_size, text_width, text_layers, text_mlp_width;
} pix_checkpoint_sizes;

/* What only a config file can say; OpenAI's files have none, and the defaults are theirs. */
typedef struct pix_checkpoint_hints {
    bool exact_gelu;            /* in both towers, instead of QuickGELU */
    int64_t vision_heads;       /* 0: width / 64 */
    int64_t text_heads;         /* 0: width / 64 */
    int64_t end_token;          /* -1: the highest id in the text; also -1 for the old configs' 2 */
    double layer_norm_eps;      /* 1e-5 unless the config differs */
    pix_checkpoint_sizes sizes; /* 0: no config says it */
} pix_checkpoint_hints;

typedef struct pix_checkpoint pix_checkpoint;

/* `path`: a file of TorchScript, of torch.save (a zip, or as before PyTorch 1.6) or of safetensors;
 * the .index.json of weights in several files, or one of these; or a folder with any of them (see
 * folder.h).  With Hugging Face's names a config.json must lie beside and a
 * preprocessor_config.json or processor_config.json may; with OpenAI's names, which are
 * open_clip's too, an open_clip_config.json may. */
pix_status pix_checkpoint_open(const char *path, pix_checkpoint **out, pix_error *error);
void pix_checkpoint_close(pix_checkpoint *checkpoint);

/* "TorchScript archive", "safetensors", ...  The file that holds the weights, or their index; its
 * folder is where a vocabulary is looked for. */
const char *pix_checkpoint_format(const pix_checkpoint *checkpoint);
const char *pix_checkpoint_path(const pix_checkpoint *checkpoint);

/* How many files the tensors are in. */
size_t pix_checkpoint_files(const pix_checkpoint *checkpoint);

/* The names of other weights in the folder that was given, "a, b"; NULL when there are none. */
const char *pix_checkpoint_others(const pix_checkpoint *checkpoint);

/* Tensors of the files that are none here: an optimizer's, and transformers' position_ids. */
size_t pix_checkpoint_left_out(const pix_checkpoint *checkpoint);

const pix_checkpoint_hints *pix_checkpoint_hint(const pix_checkpoint *checkpoint);

/* Whether something sure says which GELU it is: a config file, OpenAI's TorchScript, or
 * pix_checkpoint_set_gelu.  *source tells what, "" for OpenAI's; when it is not sure, why it was
 * taken nevertheless, "" for no reason but that QuickGELU is what OpenAI's models have. */
bool pix_checkpoint_gelu_known(const pix_checkpoint *checkpoint, const char **source);
void pix_checkpoint_set_gelu(pix_checkpoint *checkpoint, bool exact);

/* SHA-256 of the weights, computed now.  Appends to *list what `sha256sum --zero` prints of the
 * files, in byte order of their names: digest, two spaces, name, NUL.  The digest is that of the
 * one file; of several, that of this list. */
pix_status pix_checkpoint_sha256(const pix_checkpoint *checkpoint, uint8_t digest[PIX_SHA256_BYTES],
                                 pix_bytes *list, pix_error *error);

size_t pix_checkpoint_count(const pix_checkpoint *checkpoint);
const pix_tensor_info *pix_checkpoint_info(const pix_checkpoint *checkpoint, size_t index);
/* NULL when there is none of that name. */
const pix_tensor_info *pix_checkpoint_find(const pix_checkpoint *checkpoint, const char *name);

/* The tensor as float32 in C order; `out` holds the product of its shape. */
pix_status pix_checkpoint_read(pix_checkpoint *checkpoint, const pix_tensor_info *info, float *out,
                               pix_error *error);

#endif
