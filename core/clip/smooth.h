/* smooth.h - a block's weights rewritten so that int8 loses little where a few channels are huge.
 *
 * Trained CLIP has channels of activations 30 to 100 times as large as the others: with one scale a
 * row, the others would be left with a code or two.  So what a linear layer reads is shifted to lie
 * around 0 and divided by a scale of each channel, and the layer's weights multiplied by it (Xiao
 * et al. 2022, "SmoothQuant"; Wei et al. 2023, "Outlier Suppression+").  Shifts and scales go into
 * what makes the activations: LayerNorm's gain and bias, v's rows (attention's weights sum to 1).
 * Only c_proj's scales have to be multiplied in when the block runs.
 *
 * What the block computes stays the same, but for float32's rounding.  Pure: any thread. */
#ifndef PIX_CLIP_SMOOTH_H
#define PIX_CLIP_SMOOTH_H

#include "core/clip/ranges.h"

typedef struct pix_block_weights {
    int width, mlp_width;
    float *ln_1_weight, *ln_1_bias; /* [width] */
    float *in_weight, *in_bias;     /* [3 * width, width], [3 * width]: q, k, v */
    float *out_weight, *out_bias;   /* [width, width], [width] */
    float *ln_2_weight, *ln_2_bias; /* [width] */
    float *fc_weight, *fc_bias;     /* [mlp_width, width], [mlp_width] */
    float *proj_weight, *proj_bias; /* [width, mlp_width], [width] */
    float *hidden_scale; /* [mlp_width]: what c_proj reads is multiplied by it; written only */
} pix_block_weights;

/* `layer` of `ranges`; a channel of which nothing finite was seen stays as it is. */
pix_status pix_block_smooth(const pix_block_weights *block, const pix_ranges *ranges, int layer,
                            pix_error *error);

#endif
