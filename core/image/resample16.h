/* resample16.h - Pillow's bicubic for its 32-bit integer mode, in which it keeps 16-bit grey.
 *
 * Sums are doubles rounded to whole numbers after each pass; the result is cut to 0..255, because
 * that is what Pillow's conversion to RGB does (it does not scale). */
#ifndef PIX_IMAGE_RESAMPLE16_H
#define PIX_IMAGE_RESAMPLE16_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/image/resample.h"

typedef struct pix_resampler16 pix_resampler16;

/* Writes out [y->count, x->count], which the caller keeps alive. */
pix_status pix_resampler16_new(const pix_axis *x, const pix_axis *y, uint8_t *out,
                               pix_resampler16 **resampler, pix_error *error);
void pix_resampler16_free(pix_resampler16 *resampler);
void pix_resampler16_row(pix_resampler16 *resampler, const uint16_t *row);

#endif
