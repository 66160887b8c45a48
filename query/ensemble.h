/* ensemble.h - labels as the mean of what a model makes of their prompts. */
#ifndef PIX_QUERY_ENSEMBLE_H
#define PIX_QUERY_ENSEMBLE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/lines.h"
#include "query/encoder.h"

/* The unit vectors [labels, embed_dim]: each label is put into each of the templates, each prompt
 * encoded and divided by its length, their mean divided by its own.  A prompt longer than the
 * model's context is PIX_ELIMIT, unless it may be cut (`truncate`).  `progress`, when not NULL, is
 * told now and then how many labels are done. */
pix_status pix_ensemble_encode(pix_encoder *encoder, const pix_list *templates,
                               const pix_list *labels, bool truncate, float *vectors,
                               void (*progress)(void *context, size_t done), void *context,
                               pix_error *error);

#endif
