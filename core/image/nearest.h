/* nearest.h - Pillow's nearest neighbour, fed like the resampler: what OpenAI's code does to
 * pictures with a palette or one bit. */
#ifndef PIX_IMAGE_NEAREST_H
#define PIX_IMAGE_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/image/resample.h"

typedef struct pix_nearest pix_nearest;

/* Writes out [y->count, x->count, pixel_bytes], which the caller keeps alive. */
pix_status pix_nearest_new(const pix_axis *x, const pix_axis *y, size_t pixel_bytes, uint8_t *out,
                           pix_nearest **nearest, pix_error *error);
void pix_nearest_free(pix_nearest *nearest);
void pix_nearest_row(pix_nearest *nearest, const uint8_t *row);

#endif
