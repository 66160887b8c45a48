/* attention_pool.h - how a ModifiedResNet pools its cells (openai/CLIP, model.py, AttentionPool2d).
 *
 *     cells -> their mean in front, + positions -> attention whose only query is the mean ->
 *     c_proj -> [embed_dim]
 *
 * With one query no token needs a key or a value of its own: q'(K x + b) is (K'q)'x and a constant
 * that softmax does not see, and sum a (V x + b) is V (sum a x) + b.  So K and V multiply one
 * vector for each head of a picture instead of every cell.  Immutable; any thread. */
#ifndef PIX_CLIP_ATTENTION_POOL_H
#define PIX_CLIP_ATTENTION_POOL_H

#include "core/clip/linear.h"

typedef struct pix_attention_pool {
    int tokens; /* cells and their mean */
    int width, heads, embed_dim;
    const float *positional_embedding; /* [tokens, width] */
    pix_linear q_proj;                 /* [width, width] */
    pix_panels_f32 k_proj;             /* [width, head_width] of the first of the heads, */
    pix_panels_f32 v_proj;             /* [head_width, width]; the others' follow */
    const float *v_bias;               /* [width] */
    pix_linear c_proj;                 /* [embed_dim, width] */
} pix_attention_pool;

/* Where a pass of `count` pictures keeps its activations. */
typedef struct pix_pool_scratch {
    float *tokens;  /* [count, tokens, width] */
    float *heads;   /* [count, heads, width]: what each head multiplies tokens by, then their mix */
    float *queries; /* [count, width], then what the heads attended to */
    float *room;    /* of core/tensor/attention.h */
} pix_pool_scratch;

void pix_attention_pool_init(pix_attention_pool *pool, const pix_model *model);

/* cells: [count, tokens - 1, width]; features: [count, embed_dim]. */
void pix_attention_pool_run(const pix_attention_pool *pool, const pix_compute *compute,
                            const pix_pool_scratch *scratch, int count, const float *cells,
                            float *features);

#endif
