/* ensemble.h - a label as the mean of what a model makes of its prompts. */
#ifndef PIX_QUERY_ENSEMBLE_H
#define PIX_QUERY_ENSEMBLE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/lines.h"
#include "query/encoder.h"

/* The unit vector [embed_dim] of `label`: it is put into each of the templates, each prompt encoded
 * and divided by its length, their mean divided by its own.  A prompt longer than the model's
 * context is PIX_ELIMIT, unless it may be cut (`truncate`). */
pix_status pix_ensemble_encode(pix_encoder *encoder, const pix_list *templates, const char *label,
                               bool truncate, float *vector, pix_error *error);

#endif
