/* transformer.h - the pre-norm residual blocks both towers are made of (openai/CLIP, model.py).
 *
 *     x += out_proj(attention(ln_1(x)));  x += c_proj(gelu(c_fc(ln_2(x))))
 *
 * Weights belong to the model and are shared; a pix_scratch belongs to one thread.  Nothing here
 * allocates once the scratch exists. */
#ifndef PIX_CLIP_TRANSFORMER_H
#define PIX_CLIP_TRANSFORMER_H

#include "core/clip/linear.h"
#include "core/clip/ranges.h"
#include "core/clip/text_trie.h"

typedef struct pix_block {
    const float *ln_1_weight, *ln_1_bias; /* [width] */
    pix_linear q, k, v;                   /* [width, width] each */
    pix_linear out_proj;                  /* [width, width] */
    const float *ln_2_weight, *ln_2_bias; /* [width] */
    pix_linear c_fc;                      /* [mlp_width, width] */
    const float *hidden_scale; /* [mlp_width], what the activation's results are multiplied by; NULL
                                  for nothing */
    pix_linear c_proj;         /* [width, mlp_width] */
} pix_block;

typedef struct pix_transformer {
    int width, layers, heads, mlp_width;
    bool exact_gelu;
    float eps;
    pix_precision precision;    /* of the blocks' linear layers; all else is float32 */
    pix_block *blocks;          /* [layers] */
    const pix_compute *compute; /* of whoever runs it */
    const pix_ranges *ranges;   /* of whoever watches it, or NULL */
} pix_transformer;

/* The blocks named PREFIX "resblocks.N." of `model`, or "int8." PREFIX "resblocks.N.". */
pix_status pix_transformer_init(pix_transformer *transformer, const pix_model *model,
                                const char *prefix, int layers, pix_error *error);
void pix_transformer_free(pix_transformer *transformer);

/* What goes through the blocks at once: tokens, a row each. */
typedef struct pix_pass {
    int rows, results;   /* how many are asked for; equal texts ask for one row twice, so there may
                            be more of these: the scratch has room for as many as for rows */
    int tokens;          /* pictures: a row attends to all of its sequence, of so many rows, and the
                            first of each sequence is asked for; or */
    pix_text_trie *trie; /* texts, when not NULL: a row attends to itself and its ancestors, */
    const int32_t *ends; /* and these are asked for, [results] in any order */
} pix_pass;

/* Where a pass keeps its activations. */
typedef struct pix_scratch {
    float *x;        /* [rows, width]: the residual stream */
    float *normal;   /* [rows, width]: after a LayerNorm */
    float *qkv;      /* [rows, 3 * width], with room between the rows */
    float *mixed;    /* [rows, width]: what the heads attended to */
    float *hidden;   /* [rows, mlp_width], with such room, or the patches of a ViT */
    float *room;     /* of core/tensor/attention.h */
    pix_codes codes; /* [rows, ...], of what the layers of int8 read next; else NULL */
} pix_scratch;

/* Elements of each array of a pix_scratch. */
typedef struct pix_scratch_sizes {
    size_t x, normal, qkv, mixed, hidden, room, codes, scales;
} pix_scratch_sizes;

/* Raises *sizes to what a pass of so many rows needs, each of which attends to at most `tokens`,
 * with the threads of transformer->compute; false on overflow. */
bool pix_transformer_measure(const pix_transformer *transformer, size_t rows, size_t tokens,
                             pix_scratch_sizes *sizes);
pix_status pix_scratch_init(pix_scratch *scratch, const pix_scratch_sizes *sizes, pix_error *error);
void pix_scratch_free(pix_scratch *scratch);

/* Raises *sizes to room for the codes of [rows, width] floats, if the blocks are of int8; false on
 * overflow. */
bool pix_transformer_measure_codes(const pix_transformer *transformer, size_t rows, int width,
                                   pix_scratch_sizes *sizes);

/* What the layers of blocks read of x [rows, width] at `stride`: in int8, the codes that are made
 * of it. */
pix_activations pix_transformer_read(const pix_transformer *transformer, pix_scratch *scratch,
                                     int rows, const float *x, int width, size_t stride);

/* The two halves of a block, over every row of scratch->x. */
void pix_block_attend(const pix_transformer *transformer, int layer, pix_scratch *scratch,
                      const pix_pass *pass);
void pix_block_feed_forward(const pix_transformer *transformer, int layer, pix_scratch *scratch,
                            int rows);

/* All blocks; of the last one only the rows asked for are computed, and left in scratch->x as
 * [results, width]. */
void pix_transformer_run(const pix_transformer *transformer, pix_scratch *scratch,
                         const pix_pass *pass);

#endif
