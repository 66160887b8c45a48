/* vit_batch.h - a batch of pictures through a VisionTransformer, a thread's pictures its own.
 *
 * A thread takes a few pictures at a time through the whole tower, so that none waits for another
 * between two products and what the pictures take stays in a cache.  What is left over of a batch
 * that threads cannot share evenly goes through all together.  One thread may call at a time. */
#ifndef PIX_CLIP_VIT_BATCH_H
#define PIX_CLIP_VIT_BATCH_H

#include "core/clip/vit.h"

typedef struct pix_vit_batch {
    const pix_vit *vit;
    int lanes;            /* pictures of so many threads at the same time, */
    int most;             /* so many of each */
    pix_scratch *scratch; /* [lanes] */
} pix_vit_batch;

/* Pictures one after another, in one of two forms. */
typedef struct pix_pictures {
    const uint8_t *rgb;         /* [count, size, size, 3], or NULL */
    const float (*values)[256]; /* of its bytes, [3][256] */
    const float *pixels;        /* [count, 3, size, size] */
} pix_pictures;

/* Room for up to `count` pictures at a time; `vit` is borrowed until _free. */
pix_status pix_vit_batch_init(pix_vit_batch *batch, const pix_vit *vit, int count,
                              pix_error *error);
void pix_vit_batch_free(pix_vit_batch *batch);

/* Any number of pictures to features [count, embed_dim]. */
void pix_vit_batch_run(const pix_vit_batch *batch, const pix_pictures *pictures, int count,
                       float *features);

#endif
