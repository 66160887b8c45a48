/* resample.h - Pillow's antialiased bicubic, bit for bit, fed one row at a time.
 *
 * Only the wanted part of the resized picture is computed, yet every sample equals that of
 * resizing the whole and cropping then.  Memory is a few rows of the result, never the picture.
 * A resampler belongs to one thread. */
#ifndef PIX_IMAGE_RESAMPLE_H
#define PIX_IMAGE_RESAMPLE_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/image/loops.h"

/* One direction of the resize. */
typedef struct pix_axis {
    int input;      /* samples that come in */
    float extent;   /* how many of them the picture spans: width / 8 of a JPEG decoded at 1/8 */
    int64_t output; /* samples the whole picture is resized to */
    int64_t first;  /* the first wanted of them */
    int count;      /* how many are wanted */
} pix_axis;

/* A part of a picture. */
typedef struct pix_box {
    int left, right, top, bottom; /* right and bottom are just outside */
} pix_box;

typedef struct pix_resampler pix_resampler;

/* Writes out [y->count, x->count, channels], which the caller keeps alive; channels is 1 to 4.
 * Whatever the loops, the same bytes. */
pix_status pix_resampler_new(const pix_loops *loops, const pix_axis *x, const pix_axis *y,
                             int channels, uint8_t *out, pix_resampler **resampler,
                             pix_error *error);
void pix_resampler_free(pix_resampler *resampler);

/* What the result depends on. */
pix_box pix_resampler_needs(const pix_resampler *resampler);

/* The next row [x->input, channels] from the top, of which only the needed columns must be there.
 * Once all needed rows came, `out` is whole. */
void pix_resampler_row(pix_resampler *resampler, const uint8_t *row);
/* Leaves out rows that are not needed. */
void pix_resampler_skip(pix_resampler *resampler, int rows);

#endif
