/* resnet.h - the ModifiedResNet (He et al. 2015, as changed in openai/CLIP's model.py).
 *
 *     picture -> three 3x3 convolutions, the first by steps of 2 -> 2x2 mean -> four stages of
 *     bottlenecks -> attention pooling -> [embed_dim]
 *     bottleneck: x = relu(1x1(mean(relu(3x3(relu(1x1(x)))))) + shortcut(x)), where the first of
 *     the second to fourth stages takes 2x2 means, also in its shortcut's 1x1
 *
 * Pictures are [side, side, channels].  Large ones go through alone, which bounds the scratch;
 * from the stage on whose pictures do not fill a tile of conv.h, a batch goes through together.
 * Immutable once made; the scratch belongs to one thread. */
#ifndef PIX_CLIP_RESNET_H
#define PIX_CLIP_RESNET_H

#include "core/clip/attention_pool.h"
#include "core/tensor/conv.h"

typedef struct pix_bottleneck {
    int side;    /* of its input */
    bool halves; /* by 2x2 means */
    pix_conv conv1, conv2, conv3;
    pix_conv shortcut; /* of a stage's first block; else all zero and x itself is added */
} pix_bottleneck;

typedef struct pix_resnet {
    int image_size, width;
    pix_conv stem[3];
    int block_count;
    int alone;     /* how many blocks a picture goes through alone, */
    size_t joined; /* and the elements it joins the others with */
    pix_bottleneck *blocks;
    pix_attention_pool pool;
} pix_resnet;

/* In int8 are all convolutions but the first, which reads pixels. */
pix_status pix_resnet_init(pix_resnet *resnet, const pix_model *model, pix_precision precision,
                           pix_error *error);
void pix_resnet_free(pix_resnet *resnet);

/* Where a pass keeps its activations. */
typedef struct pix_resnet_scratch {
    float *pixels;   /* [count, size, size, 3], normalised */
    float *x, *y;    /* what goes from block to block, and where the next stage's grows */
    float *joined;   /* x of every picture, once they go together */
    float *inner[2]; /* inside a block */
    pix_conv_room room;
    pix_pool_scratch pool;
    float *memory; /* all of the above */
} pix_resnet_scratch;

/* Elements of each array. */
typedef struct pix_resnet_sizes {
    size_t pixels, x, y, joined, inner, windows, tokens, heads, queries, room;
    size_t codes, scales; /* of conv.h, with 4 codes to an element */
} pix_resnet_sizes;

/* What batches of `count` pictures need, from sizes alone, with such kernels and threads; false on
 * overflow. */
bool pix_resnet_measure(const pix_clip_config *config, pix_precision precision, size_t count,
                        const pix_compute *compute, pix_resnet_sizes *sizes);
/* Bytes of all arrays together; 0 on overflow. */
size_t pix_resnet_scratch_bytes(const pix_resnet_sizes *sizes);
pix_status pix_resnet_scratch_init(pix_resnet_scratch *scratch, const pix_resnet_sizes *sizes,
                                   pix_error *error);
void pix_resnet_scratch_free(pix_resnet_scratch *scratch);

/* Picture number `index` of a batch into scratch->pixels: from bytes [size, size, 3] by
 * pix_pixel_values, or from floats [3, size, size]. */
void pix_resnet_put_bytes(const pix_resnet *resnet, pix_resnet_scratch *scratch, int index,
                          const uint8_t *rgb, const float values[3][256]);
void pix_resnet_put_floats(const pix_resnet *resnet, pix_resnet_scratch *scratch, int index,
                           const float *pixels);

/* Picture number `index` to scratch->x [size / 4, size / 4, width]. */
void pix_resnet_stem(const pix_resnet *resnet, const pix_compute *compute,
                     pix_resnet_scratch *scratch, int index);

/* scratch->x [count, side, side, channels] through one block.  A stage's first writes to y, which
 * must have room for what it makes, and lets x and y change places; the others write to x. */
void pix_bottleneck_run(const pix_bottleneck *block, const pix_compute *compute,
                        pix_resnet_scratch *scratch, int count);

/* The pictures in scratch->pixels to features [count, embed_dim]. */
void pix_resnet_encode(const pix_resnet *resnet, const pix_compute *compute,
                       const pix_resnet_scratch *scratch, int count, float *features);

#endif
