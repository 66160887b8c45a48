/* encoder.h - texts and pictures into unit vectors, for everything pixgrep asks of a model.
 *
 * Pictures take the way of the index: the same decoder, options and session, so that an indexed
 * photo finds itself.  Costs come when they are needed: the session with the first encoding, the
 * decoder's process with the first picture; a text never starts it.  One thread at a time. */
#ifndef PIX_QUERY_ENCODER_H
#define PIX_QUERY_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/clip/model.h"
#include "core/clip/text_input.h"
#include "core/text/tokenizer.h"
#include "query/backend.h"
#include "query/options.h"

typedef struct pix_encoder pix_encoder;

/* `model` is borrowed until _free.  max_pictures is the batch; with 0 only texts are encoded. */
pix_status pix_encoder_new(pix_model *model, const pix_query_options *options, int max_pictures,
                           pix_encoder **out, pix_error *error);
void pix_encoder_free(pix_encoder *encoder);
/* Asks `backend` first from now on; it is borrowed until _free. */
void pix_encoder_use(pix_encoder *encoder, pix_backend *backend);
size_t pix_encoder_dimension(const pix_encoder *encoder); /* embed_dim */
int pix_encoder_batch(const pix_encoder *encoder);        /* max_pictures */
const char *pix_encoder_fingerprint(const pix_encoder *encoder);
const char *pix_encoder_precision(const pix_encoder *encoder); /* "fp32", "int8" */
/* Whether texts are read with --vocab instead of the model's vocabulary. */
bool pix_encoder_has_own_vocabulary(const pix_encoder *encoder);

/* Replaces *ids by a text's tokens, cut to the context.  A model that cannot encode text is an
 * error that says why. */
pix_status pix_encoder_tokens(pix_encoder *encoder, const char *text, size_t size, pix_ids *ids,
                              pix_text_cut *cut, pix_error *error);

/* The unit vectors [count, embed_dim] of such texts. */
pix_status pix_encoder_texts(pix_encoder *encoder, const pix_ids *texts, size_t count,
                             float *vectors, pix_error *error);

/* Both: the unit vectors [texts->count, embed_dim], and what of each text was cut in cuts
 * [texts->count]; and of one text: vector [embed_dim]. */
pix_status pix_encoder_words(pix_encoder *encoder, const pix_list *texts, float *vectors,
                             pix_text_cut *cuts, pix_error *error);
pix_status pix_encoder_text(pix_encoder *encoder, const char *text, size_t size, float *vector,
                            pix_text_cut *cut, pix_error *error);

/* Decodes the file into the batch, at *place.  The error is the reason alone, without the file's
 * name; the batch is then as it was and *place -1. */
pix_status pix_encoder_add_picture(pix_encoder *encoder, const char *path, int *place,
                                   pix_error *error);

/* Empties the batch. */
void pix_encoder_drop_pictures(pix_encoder *encoder);

/* Encodes the batch and empties it: [pictures added, embed_dim] as the tower gives them;
 * pix_normalise makes them unit vectors. */
pix_status pix_encoder_run_pictures(pix_encoder *encoder, float *features, pix_error *error);

#endif
