/* ranges.h - between which values the activations of a tower's blocks lie, channel by channel.
 *
 * A transformer that is given ranges widens them by all that its linear layers read: what
 * quantising must know of a model, found by running it in float32.  Belongs to one thread. */
#ifndef PIX_CLIP_RANGES_H
#define PIX_CLIP_RANGES_H

#include <stddef.h>

#include "core/base/error.h"

/* What a block's linear layers read. */
typedef enum pix_place {
    PIX_PLACE_LN_1,   /* q, k and v: [width] */
    PIX_PLACE_MIXED,  /* out_proj: [width] */
    PIX_PLACE_LN_2,   /* c_fc: [width] */
    PIX_PLACE_HIDDEN, /* c_proj: [mlp_width] */
} pix_place;

typedef struct pix_range {
    float least, most; /* nothing was seen: +infinity, -infinity */
} pix_range;

typedef struct pix_ranges {
    int layers, width, mlp_width;
    pix_range *all; /* [layers][3 * width + mlp_width] */
} pix_ranges;

/* Nothing seen. */
pix_status pix_ranges_init(pix_ranges *ranges, int layers, int width, int mlp_width,
                           pix_error *error);
void pix_ranges_free(pix_ranges *ranges);

/* Those of a place: [width], or [mlp_width]. */
pix_range *pix_ranges_at(const pix_ranges *ranges, int layer, pix_place place);

/* Widens them by x [rows, channels], at `stride` floats. */
void pix_ranges_add(const pix_ranges *ranges, int layer, pix_place place, int rows, const float *x,
                    size_t stride);

#endif
