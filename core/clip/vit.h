/* vit.h - the VisionTransformer (Dosovitskiy et al. 2020, as in openai/CLIP's model.py).
 *
 *     picture -> patches [grid * grid, 3 * patch * patch] -> conv1 as a product -> class token in
 *     front, + positions -> ln_pre -> blocks -> class token -> ln_post -> proj -> [embed_dim]
 *
 * Immutable once made; the scratch belongs to one thread. */
#ifndef PIX_CLIP_VIT_H
#define PIX_CLIP_VIT_H

#include "core/clip/transformer.h"

typedef struct pix_vit {
    int image_size, patch_size, grid;
    int tokens; /* grid * grid + 1 */
    int embed_dim;
    pix_linear conv1;                  /* [width, 3 * patch * patch] */
    const float *class_embedding;      /* [width] */
    const float *positional_embedding; /* [tokens, width] */
    const float *ln_pre_weight, *ln_pre_bias;
    const float *ln_post_weight, *ln_post_bias;
    pix_linear proj; /* [embed_dim, width] */
    pix_transformer transformer;
} pix_vit;

/* `compute` is borrowed until _free.  In int8 are the blocks and conv1. */
pix_status pix_vit_init(pix_vit *vit, const pix_model *model, pix_precision precision,
                        const pix_compute *compute, pix_error *error);
void pix_vit_free(pix_vit *vit);

/* Raises *sizes to what `count` pictures need; false on overflow. */
bool pix_vit_measure(const pix_vit *vit, size_t count, pix_scratch_sizes *sizes);

/* Picture number `index` of a batch cut into patches, in scratch->hidden: [count, tokens,
 * 3 * patch * patch], the first row of each picture zero (the class token's).  From bytes
 * [size, size, 3] by pix_pixel_values, or from floats [3, size, size]. */
void pix_vit_cut_bytes(const pix_vit *vit, pix_scratch *scratch, int index, const uint8_t *rgb,
                       const float values[3][256]);
void pix_vit_cut_floats(const pix_vit *vit, pix_scratch *scratch, int index, const float *pixels);

/* The patches in scratch->hidden to what enters the blocks, in scratch->x [count, tokens, width].
 */
void pix_vit_embed(const pix_vit *vit, pix_scratch *scratch, int count);

/* The patches in scratch->hidden to features [count, embed_dim]. */
void pix_vit_encode(const pix_vit *vit, pix_scratch *scratch, int count, float *features);

#endif
