#include "core/clip/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/gemm.h"
#include "core/tensor/layers.h"

static const float *tensor(const pix_model *model, const char *block, const char *name,
                           size_t elements) {
    char full[PIX_CLIP_NAME_MAX];
    (void)snprintf(full, sizeof full, "%s%s", block, name);
    return pix_model_tensor(model, full, elements);
}

pix_status pix_transformer_init(pix_transformer *t, const pix_model *model, const char *prefix,
                                int layers, pix_error *error) {
    t->layers = layers;
    t->blocks = calloc((size_t)layers, sizeof *t->blocks);
    if (!t->blocks)
        return pix_fail_memory(error);
    size_t width = (size_t)t->width, mlp = (size_t)t->mlp_width;
    for (int layer = 0; layer < layers; layer++) {
        char block[44];
        (void)snprintf(block, sizeof block, "%sresblocks.%d.", prefix, layer);
        t->blocks[layer] = (pix_block){
            .ln_1_weight = tensor(model, block, "ln_1.weight", width),
            .ln_1_bias = tensor(model, block, "ln_1.bias", width),
            .in_proj_weight = tensor(model, block, "attn.in_proj_weight", 3 * width * width),
            .in_proj_bias = tensor(model, block, "attn.in_proj_bias", 3 * width),
            .out_proj_weight = tensor(model, block, "attn.out_proj.weight", width * width),
            .out_proj_bias = tensor(model, block, "attn.out_proj.bias", width),
            .ln_2_weight = tensor(model, block, "ln_2.weight", width),
            .ln_2_bias = tensor(model, block, "ln_2.bias", width),
            .c_fc_weight = tensor(model, block, "mlp.c_fc.weight", mlp * width),
            .c_fc_bias = tensor(model, block, "mlp.c_fc.bias", mlp),
            .c_proj_weight = tensor(model, block, "mlp.c_proj.weight", width * mlp),
            .c_proj_bias = tensor(model, block, "mlp.c_proj.bias", width),
        };
    }
    return PIX_OK;
}

void pix_transformer_free(pix_transformer *t) {
    free(t->blocks);
    *t = (pix_transformer){0};
}

static bool raise_to(size_t *size, size_t a, size_t b) {
    size_t need;
    if (!pix_size_multiply(a, b, &need))
        return false;
    if (*size < need)
        *size = need;
    return true;
}

bool pix_transformer_measure(const pix_transformer *t, size_t sequences, size_t tokens,
                             pix_scratch_sizes *sizes) {
    size_t rows, width = (size_t)t->width;
    return pix_size_multiply(sequences, tokens, &rows) && raise_to(&sizes->x, rows, width) &&
           raise_to(&sizes->normal, rows, width) && raise_to(&sizes->qkv, rows, 3 * width) &&
           raise_to(&sizes->mixed, rows, width) &&
           raise_to(&sizes->hidden, rows, (size_t)t->mlp_width) &&
           raise_to(&sizes->scores, tokens, tokens);
}

/* Cache-line aligned, so that no row straddles one more than it must. */
static float *allocate(size_t elements) {
    size_t bytes;
    if (!pix_size_multiply(elements, sizeof(float), &bytes) || !pix_size_add(bytes, 63, &bytes))
        return NULL;
    return aligned_alloc(64, bytes & ~(size_t)63);
}

pix_status pix_scratch_init(pix_scratch *scratch, const pix_scratch_sizes *sizes,
                            pix_error *error) {
    *scratch = (pix_scratch){
        .x = allocate(sizes->x),
        .normal = allocate(sizes->normal),
        .qkv = allocate(sizes->qkv),
        .mixed = allocate(sizes->mixed),
        .hidden = allocate(sizes->hidden),
        .scores = allocate(sizes->scores),
    };
    if (scratch->x && scratch->normal && scratch->qkv && scratch->mixed && scratch->hidden &&
        scratch->scores)
        return PIX_OK;
    pix_scratch_free(scratch);
    return pix_fail_memory(error);
}

void pix_scratch_free(pix_scratch *scratch) {
    free(scratch->x);
    free(scratch->normal);
    free(scratch->qkv);
    free(scratch->mixed);
    free(scratch->hidden);
    free(scratch->scores);
    *scratch = (pix_scratch){0};
}

/* What one sequence's attention reads and writes; head h works on columns h * head_width on. */
typedef struct attention {
    const float *q; /* [queries, width] at stride q_stride */
    int queries, q_stride;
    const float *k, *v; /* [keys, width] at stride kv_stride */
    int keys, kv_stride;
    float *out; /* [queries, width] */
} attention;

/* out = softmax(q k' / sqrt(head_width)) v for each head.  When causal, the queries are the last
 * of the keys' tokens, so query i sees all keys but the queries - 1 - i last. */
static void attend(const pix_transformer *t, const attention *a, float *scores) {
    int head_width = t->width / t->heads;
    float scale = 1.0f / sqrtf((float)head_width);
    for (int head = 0; head < t->heads; head++) {
        int column = head * head_width;
        pix_gemm(a->queries, a->keys, head_width, scale, a->q + column, a->q_stride, a->k + column,
                 a->kv_stride, true, 0.0f, scores, a->keys);
        for (int i = 0; i < a->queries; i++) {
            float *row = scores + (size_t)i * (size_t)a->keys;
            int hidden = t->causal ? a->queries - 1 - i : 0;
            pix_softmax(row, (size_t)(a->keys - hidden));
            memset(row + a->keys - hidden, 0, (size_t)hidden * sizeof *row);
        }
        pix_gemm(a->queries, head_width, a->keys, 1.0f, scores, a->keys, a->v + column,
                 a->kv_stride, false, 0.0f, a->out + column, t->width);
    }
}

/* x += mixed W' + bias */
static void project_attention(const pix_transformer *t, const pix_block *block,
                              pix_scratch *scratch, int rows) {
    int width = t->width;
    pix_gemm(rows, width, width, 1.0f, scratch->mixed, width, block->out_proj_weight, width, true,
             1.0f, scratch->x, width);
    pix_bias_add(scratch->x, (size_t)rows, (size_t)width, block->out_proj_bias);
}

void pix_block_attend(const pix_transformer *t, int layer, pix_scratch *scratch, int sequences,
                      int tokens) {
    const pix_block *block = &t->blocks[layer];
    int rows = sequences * tokens, width = t->width;
    pix_layer_norm(scratch->normal, scratch->x, (size_t)rows, (size_t)width, block->ln_1_weight,
                   block->ln_1_bias, t->eps);
    pix_gemm(rows, 3 * width, width, 1.0f, scratch->normal, width, block->in_proj_weight, width,
             true, 0.0f, scratch->qkv, 3 * width);
    pix_bias_add(scratch->qkv, (size_t)rows, 3 * (size_t)width, block->in_proj_bias);
    for (int i = 0; i < sequences; i++) {
        const float *qkv = scratch->qkv + (size_t)i * (size_t)tokens * 3 * (size_t)width;
        attention one = {.q = qkv,
                         .queries = tokens,
                         .q_stride = 3 * width,
                         .k = qkv + width,
                         .v = qkv + 2 * (size_t)width,
                         .keys = tokens,
                         .kv_stride = 3 * width,
                         .out = scratch->mixed + (size_t)i * (size_t)tokens * (size_t)width};
        attend(t, &one, scratch->scores);
    }
    project_attention(t, block, scratch, rows);
}

void pix_block_feed_forward(const pix_transformer *t, int layer, pix_scratch *scratch, int rows) {
    const pix_block *block = &t->blocks[layer];
    int width = t->width, mlp = t->mlp_width;
    pix_layer_norm(scratch->normal, scratch->x, (size_t)rows, (size_t)width, block->ln_2_weight,
                   block->ln_2_bias, t->eps);
    pix_gemm(rows, mlp, width, 1.0f, scratch->normal, width, block->c_fc_weight, width, true, 0.0f,
             scratch->hidden, mlp);
    if (t->exact_gelu)
        pix_bias_exact_gelu(scratch->hidden, (size_t)rows, (size_t)mlp, block->c_fc_bias);
    else
        pix_bias_quick_gelu(scratch->hidden, (size_t)rows, (size_t)mlp, block->c_fc_bias);
    pix_gemm(rows, width, mlp, 1.0f, scratch->hidden, mlp, block->c_proj_weight, mlp, true, 1.0f,
             scratch->x, width);
    pix_bias_add(scratch->x, (size_t)rows, (size_t)width, block->c_proj_bias);
}

/* Keeps row `token` of each sequence: [sequences, tokens, width] becomes [sequences, width]. */
static void gather(float *x, int sequences, int tokens, int token, size_t width) {
    for (int i = 0; i < sequences; i++) {
        size_t row = (size_t)i * (size_t)tokens + (size_t)token;
        memmove(x + (size_t)i * width, x + row * width, width * sizeof *x);
    }
}

/* A block of which only one token a sequence is wanted: keys and values of all tokens, but queries,
 * projections and the feed-forward half of that one alone. */
static void run_for_one_token(const pix_transformer *t, int layer, pix_scratch *scratch,
                              int sequences, int tokens, int token) {
    const pix_block *block = &t->blocks[layer];
    int rows = sequences * tokens, width = t->width;
    size_t w = (size_t)width;
    float *kv = scratch->qkv;                       /* [rows, 2 * width] */
    float *q = scratch->qkv + (size_t)rows * 2 * w; /* [sequences, width] */
    pix_layer_norm(scratch->normal, scratch->x, (size_t)rows, w, block->ln_1_weight,
                   block->ln_1_bias, t->eps);
    pix_gemm(rows, 2 * width, width, 1.0f, scratch->normal, width, block->in_proj_weight + w * w,
             width, true, 0.0f, kv, 2 * width);
    pix_bias_add(kv, (size_t)rows, 2 * w, block->in_proj_bias + w);
    gather(scratch->normal, sequences, tokens, token, w);
    gather(scratch->x, sequences, tokens, token, w);
    pix_gemm(sequences, width, width, 1.0f, scratch->normal, width, block->in_proj_weight, width,
             true, 0.0f, q, width);
    pix_bias_add(q, (size_t)sequences, w, block->in_proj_bias);
    for (int i = 0; i < sequences; i++) {
        const float *k = kv + (size_t)i * (size_t)tokens * 2 * w;
        attention one = {.q = q + (size_t)i * w,
                         .queries = 1,
                         .q_stride = width,
                         .k = k,
                         .v = k + w,
                         .keys = t->causal ? token + 1 : tokens,
                         .kv_stride = 2 * width,
                         .out = scratch->mixed + (size_t)i * w};
        attend(t, &one, scratch->scores);
    }
    project_attention(t, block, scratch, sequences);
    pix_block_feed_forward(t, layer, scratch, sequences);
}

void pix_transformer_run(const pix_transformer *t, pix_scratch *scratch, int sequences, int tokens,
                         int token) {
    for (int layer = 0; layer + 1 < t->layers; layer++) {
        pix_block_attend(t, layer, scratch, sequences, tokens);
        pix_block_feed_forward(t, layer, scratch, sequences * tokens);
    }
    run_for_one_token(t, t->layers - 1, scratch, sequences, tokens, token);
}
