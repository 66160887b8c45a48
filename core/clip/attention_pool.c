#include "core/clip/attention_pool.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/tensor/gemm.h"
#include "core/tensor/layers.h"

static const float *tensor(const pix_model *model, const char *name, size_t elements) {
    char full[PIX_CLIP_NAME_MAX];
    (void)snprintf(full, sizeof full, "visual.attnpool.%s", name);
    return pix_model_tensor(model, full, elements);
}

void pix_attention_pool_init(pix_attention_pool *pool, const pix_model *model) {
    const pix_clip_config *c = pix_model_config(model);
    int tokens = pix_clip_vision_tokens(c), channels = 32 * c->vision_width;
    size_t width = (size_t)channels;
    static const char prefix[] = "visual.attnpool.";
    *pool = (pix_attention_pool){
        .tokens = tokens,
        .width = channels,
        .heads = c->vision_heads,
        .embed_dim = c->embed_dim,
        .positional_embedding = tensor(model, "positional_embedding", (size_t)tokens * width),
        .k_weight = tensor(model, "k_proj.weight", width * width),
        .v_weight = tensor(model, "v_proj.weight", width * width),
        .v_bias = tensor(model, "v_proj.bias", width),
    };
    pix_linear_init(&pool->q_proj, 1, model, prefix, "q_proj.weight", "q_proj.bias", channels,
                    channels);
    pix_linear_init(&pool->c_proj, 1, model, prefix, "c_proj.weight", "c_proj.bias", c->embed_dim,
                    channels);
}

/* One picture's cells [tokens - 1, width] to its tokens, positions included. */
static void embed(const pix_attention_pool *pool, const float *cells, float *tokens) {
    size_t width = (size_t)pool->width, count = (size_t)pool->tokens - 1;
    memset(tokens, 0, width * sizeof *tokens);
    for (size_t i = 0; i < count; i++)
        pix_bias_add(tokens, 1, width, cells + i * width);
    for (size_t i = 0; i < width; i++)
        tokens[i] /= (float)count;
    memcpy(tokens + width, cells, count * width * sizeof *tokens);
    pix_bias_add(tokens, 1, (count + 1) * width, pool->positional_embedding);
}

/* heads [heads, width] become the tokens [tokens, width] mixed as each head wants. */
static void mix(const pix_attention_pool *pool, const float *tokens, float *heads, float *scores) {
    int width = pool->width, count = pool->tokens, head_width = width / pool->heads;
    float scale = 1.0f / sqrtf((float)head_width);
    pix_gemm(pool->heads, count, width, scale, heads, width, tokens, width, true, 0.0f, scores,
             count);
    for (int head = 0; head < pool->heads; head++)
        pix_softmax(scores + (size_t)head * (size_t)count, (size_t)count);
    pix_gemm(pool->heads, width, count, 1.0f, scores, count, tokens, width, false, 0.0f, heads,
             width);
}

void pix_attention_pool_run(const pix_attention_pool *pool, const pix_compute *compute,
                            const pix_pool_scratch *scratch, int count, const float *cells,
                            float *features) {
    int width = pool->width, heads = pool->heads, head_width = width / heads;
    size_t w = (size_t)width, one = (size_t)pool->tokens * w;
    for (size_t i = 0; i < (size_t)count; i++)
        embed(pool, cells + i * (one - w), scratch->tokens + i * one);
    pix_linear_run(&pool->q_proj, compute, count, scratch->tokens, one, (pix_epilogue){0},
                   scratch->queries, w);
    for (int head = 0; head < heads; head++) {
        size_t first = (size_t)head * (size_t)head_width;
        pix_gemm(count, width, head_width, 1.0f, scratch->queries + first, width,
                 pool->k_weight + first * w, width, false, 0.0f, scratch->heads + (size_t)head * w,
                 heads * width);
    }
    for (size_t i = 0; i < (size_t)count; i++)
        mix(pool, scratch->tokens + i * one, scratch->heads + i * (size_t)heads * w,
            scratch->scores);
    for (int head = 0; head < heads; head++) {
        size_t first = (size_t)head * (size_t)head_width;
        pix_gemm(count, head_width, width, 1.0f, scratch->heads + (size_t)head * w, heads * width,
                 pool->v_weight + first * w, width, true, 0.0f, scratch->queries + first, width);
    }
    pix_bias_add(scratch->queries, (size_t)count, w, pool->v_bias);
    pix_linear_run(&pool->c_proj, compute, count, scratch->queries, w, (pix_epilogue){0}, features,
                   (size_t)pool->embed_dim);
}
