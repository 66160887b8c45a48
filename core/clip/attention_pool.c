#include "core/clip/attention_pool.h"

#include <math.h>
#include <string.h>

#include "core/tensor/attention.h"
#include "core/tensor/layers.h"

void pix_attention_pool_init(pix_attention_pool *pool, const pix_model *model) {
    const pix_clip_config *c = pix_model_config(model);
    int tokens = pix_clip_vision_tokens(c), channels = 32 * c->vision_width;
    int head_width = channels / c->vision_heads;
    size_t width = (size_t)channels;
    static const char prefix[] = "visual.attnpool.";
    *pool = (pix_attention_pool){
        .tokens = tokens,
        .width = channels,
        .heads = c->vision_heads,
        .embed_dim = c->embed_dim,
        .positional_embedding =
            pix_model_tensor(model, "visual.attnpool.positional_embedding", (size_t)tokens * width),
        .k_proj = pix_model_panels(model, "visual.attnpool.k_proj.weight", channels, head_width,
                                   c->vision_heads, 0),
        .v_proj = pix_model_panels(model, "visual.attnpool.v_proj.weight", head_width, channels,
                                   c->vision_heads, 0),
        .v_bias = pix_model_tensor(model, "visual.attnpool.v_proj.bias", width),
    };
    const pix_linear_place q = {PIX_FP32, prefix, "q_proj.weight", "q_proj.bias"};
    const pix_linear_place c_proj = {PIX_FP32, prefix, "c_proj.weight", "c_proj.bias"};
    pix_linear_init(&pool->q_proj, 1, model, &q, channels, channels);
    pix_linear_init(&pool->c_proj, 1, model, &c_proj, c->embed_dim, channels);
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

static pix_panels_f32 of_head(const pix_panels_f32 *first, int head) {
    pix_panels_f32 panels = *first;
    panels.values += (size_t)head * pix_panels_f32_size(panels.out, panels.in) / sizeof(float);
    return panels;
}

/* heads [count, heads, width] become the tokens of their picture mixed as each wants. */
static void mix(const pix_attention_pool *pool, const pix_compute *compute,
                const pix_pool_scratch *scratch, int count) {
    int head_width = pool->width / pool->heads;
    size_t width = (size_t)pool->width;
    pix_attention all = {.sequences = count,
                         .heads = 1,
                         .width = pool->width,
                         .queries = pool->heads,
                         .keys = pool->tokens,
                         .q = scratch->heads,
                         .k = scratch->tokens,
                         .v = scratch->tokens,
                         .q_stride = width,
                         .kv_stride = width,
                         .scale = 1.0f / sqrtf((float)head_width)};
    pix_attend(compute, &all, scratch->room, scratch->heads, width);
}

void pix_attention_pool_run(const pix_attention_pool *pool, const pix_compute *compute,
                            const pix_pool_scratch *scratch, int count, const float *cells,
                            float *features) {
    size_t w = (size_t)pool->width, one = (size_t)pool->tokens * w;
    size_t head_width = w / (size_t)pool->heads, stride = (size_t)pool->heads * w;
    for (size_t i = 0; i < (size_t)count; i++)
        embed(pool, cells + i * (one - w), scratch->tokens + i * one);
    const pix_activations means = {.x = scratch->tokens, .stride = one};
    pix_linear_run(&pool->q_proj, compute, count, &means, (pix_epilogue){0}, scratch->queries, w);
    for (int head = 0; head < pool->heads; head++) {
        pix_panels_f32 k = of_head(&pool->k_proj, head);
        pix_matmul_f32(compute, count, scratch->queries + (size_t)head * head_width, w, &k,
                       &(pix_epilogue){0}, scratch->heads + (size_t)head * w, stride);
    }
    mix(pool, compute, scratch, count);
    for (int head = 0; head < pool->heads; head++) {
        size_t first = (size_t)head * head_width;
        pix_panels_f32 v = of_head(&pool->v_proj, head);
        pix_matmul_f32(compute, count, scratch->heads + (size_t)head * w, stride, &v,
                       &(pix_epilogue){.bias = pool->v_bias + first}, scratch->queries + first, w);
    }
    const pix_activations attended = {.x = scratch->queries, .stride = w};
    pix_linear_run(&pool->c_proj, compute, count, &attended, (pix_epilogue){0}, features,
                   (size_t)pool->embed_dim);
}
