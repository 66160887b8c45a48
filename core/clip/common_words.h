/* common_words.h - a hundred words for what photos show, as a model reads them.
 *
 * Nobody asked for them: what the photos of a library score for such words tells what a score is
 * worth there.  One thread at a time. */
#ifndef PIX_CLIP_COMMON_WORDS_H
#define PIX_CLIP_COMMON_WORDS_H

#include <stddef.h>

#include "core/clip/model.h"

/* Their unit vectors [*count, embed_dim] in heap memory; none for a model that reads no text. */
pix_status pix_common_words_encode(pix_model *model, int threads, float **vectors, size_t *count,
                                   pix_error *error);

#endif
