/* session.h - one thread's scratch for running a model.
 *
 * Everything is allocated by _new, sized for `max_images` images a batch; encoding allocates
 * nothing. Any number of sessions may share a model; a session belongs to one thread at a time.
 * Features are the same bits in any batch, with any number of threads and with all kernels but the
 * portable ones, whose floats are rounded once more. */
#ifndef PIX_CLIP_SESSION_H
#define PIX_CLIP_SESSION_H

#include "core/clip/model.h"
#include "core/clip/ranges.h"
#include "core/text/tokenizer.h"

typedef struct pix_session pix_session;

/* max_images 0: text only (the vision scratch is not allocated).  `threads` share the work of each
 * call, this one counted.  The kernels are those of pix_kernels_wanted (core/tensor/isa.h). */
pix_status pix_session_new(pix_model *model, pix_precision precision, int max_images, int threads,
                           pix_session **out, pix_error *error);
void pix_session_free(pix_session *session);

/* From now on what the blocks' linear layers read widens `vision`, if a ViT sees, and `text`; NULL
 * ends that.  Borrowed. */
void pix_session_observe(pix_session *session, const pix_ranges *vision, const pix_ranges *text);

/* A batch that keeps the CPU busy without large scratch: fewer images for larger models. */
int pix_model_batch_size(const pix_model *model);

/* rgb: [count, size, size, 3] bytes as preprocessing leaves them; features: [count, embed_dim], as
 * the tower gives them (not normalised).  count <= max_images. */
pix_status pix_session_encode_images(pix_session *session, const uint8_t *rgb, int count,
                                     float *features, pix_error *error);

/* pixels: [count, 3, size, size] normalised float32, for comparison with other implementations. */
pix_status pix_session_encode_pixels(pix_session *session, const float *pixels, int count,
                                     float *features, pix_error *error);

/* Each text: start, tokens, end (what follows the first end token is ignored); features: [count,
 * embed_dim].  Any number of texts; those near each other that begin alike share the work.  More
 * than context_length ids is PIX_ELIMIT; nothing is known of `features` after an error. */
pix_status pix_session_encode_texts(pix_session *session, const pix_ids *texts, size_t count,
                                    float *features, pix_error *error);

/* The same of one text. */
pix_status pix_session_encode_text(pix_session *session, const int32_t *ids, size_t count,
                                   float *feature, pix_error *error);

/* Divides by the Euclidean length; a zero or non-finite vector is PIX_EFORMAT. */
pix_status pix_normalise(float *vector, size_t size, pix_error *error);

#endif
