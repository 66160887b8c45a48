#include "core/clip/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/attention.h"
#include "core/tensor/layers.h"

static const float *tensor(const pix_model *model, const char *block, const char *name,
                           size_t elements) {
    char full[PIX_CLIP_NAME_MAX];
    (void)snprintf(full, sizeof full, "%s%s", block, name);
    return pix_model_tensor(model, full, elements);
}

static pix_linear linear(const pix_model *model, const char *block, const char *weight,
                         const char *bias, int out, int in) {
    pix_linear layer;
    pix_linear_init(&layer, 1, model, block, weight, bias, out, in);
    return layer;
}

pix_status pix_transformer_init(pix_transformer *t, const pix_model *model, const char *prefix,
                                int layers, pix_error *error) {
    t->layers = layers;
    t->blocks = calloc((size_t)layers, sizeof *t->blocks);
    if (!t->blocks)
        return pix_fail_memory(error);
    int width = t->width, mlp = t->mlp_width;
    for (int layer = 0; layer < layers; layer++) {
        char name[44];
        pix_linear qkv[3];
        (void)snprintf(name, sizeof name, "%sresblocks.%d.", prefix, layer);
        pix_linear_init(qkv, 3, model, name, "attn.in_proj_weight", "attn.in_proj_bias", width,
                        width);
        t->blocks[layer] = (pix_block){
            .ln_1_weight = tensor(model, name, "ln_1.weight", (size_t)width),
            .ln_1_bias = tensor(model, name, "ln_1.bias", (size_t)width),
            .q = qkv[0],
            .k = qkv[1],
            .v = qkv[2],
            .out_proj =
                linear(model, name, "attn.out_proj.weight", "attn.out_proj.bias", width, width),
            .ln_2_weight = tensor(model, name, "ln_2.weight", (size_t)width),
            .ln_2_bias = tensor(model, name, "ln_2.bias", (size_t)width),
            .c_fc = linear(model, name, "mlp.c_fc.weight", "mlp.c_fc.bias", mlp, width),
            .c_proj = linear(model, name, "mlp.c_proj.weight", "mlp.c_proj.bias", width, mlp),
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

bool pix_transformer_measure(const pix_transformer *t, size_t rows, size_t tokens,
                             pix_scratch_sizes *sizes) {
    size_t width = (size_t)t->width;
    size_t room = pix_attend_room(t->compute->pool, (int)tokens, t->width / t->heads);
    return room > 0 && raise_to(&sizes->x, rows, width) && raise_to(&sizes->normal, rows, width) &&
           raise_to(&sizes->qkv, rows, 3 * width) && raise_to(&sizes->mixed, rows, width) &&
           raise_to(&sizes->hidden, rows, (size_t)t->mlp_width) && raise_to(&sizes->room, room, 1);
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
        .room = allocate(sizes->room),
    };
    if (scratch->x && scratch->normal && scratch->qkv && scratch->mixed && scratch->hidden &&
        scratch->room)
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
    free(scratch->room);
    *scratch = (pix_scratch){0};
}

/* out[width]: what the heads of the query `q` that stands at `row` of the trie attend to. */
static void attend_path(const pix_transformer *t, const float *q, pix_memory memory,
                        pix_text_trie *trie, int row, float *scores, float *out) {
    size_t head_width = (size_t)(t->width / t->heads);
    const int32_t *path = pix_text_trie_path(trie, row);
    size_t length = (size_t)trie->depth[row] + 1;
    for (size_t column = 0; column < (size_t)t->width; column += head_width) {
        pix_attend_rows(q + column, &memory, path, length, head_width, scores, out + column);
        memory.k += head_width;
        memory.v += head_width;
    }
}

/* mixed[sequences * queries, width]: what the heads of every query attend to in its sequence. */
static void attend_sequences(const pix_transformer *t, const pix_pass *pass, int queries,
                             const float *q, size_t q_stride, const pix_memory *memory,
                             const pix_scratch *scratch) {
    int head_width = t->width / t->heads;
    pix_attention all = {.sequences = pass->rows / pass->tokens,
                         .heads = t->heads,
                         .width = head_width,
                         .queries = queries,
                         .keys = pass->tokens,
                         .q = q,
                         .k = memory->k,
                         .v = memory->v,
                         .q_stride = q_stride,
                         .kv_stride = memory->stride,
                         .scale = 1.0f / sqrtf((float)head_width)};
    pix_attend(t->compute, &all, scratch->room, scratch->mixed, (size_t)t->width);
}

/* Into columns of [rows, count * width]; x: [rows, width]. */
static void project(const pix_transformer *t, const pix_linear *layer, int rows, const float *x,
                    float *out, int columns) {
    pix_linear_run(layer, t->compute, rows, x, (size_t)t->width, (pix_epilogue){0}, out,
                   (size_t)columns * (size_t)t->width);
}

/* x += mixed W' + bias */
static void project_attention(const pix_transformer *t, const pix_block *block,
                              pix_scratch *scratch, int rows) {
    size_t width = (size_t)t->width;
    pix_linear_run(&block->out_proj, t->compute, rows, scratch->mixed, width,
                   (pix_epilogue){.add = true}, scratch->x, width);
}

void pix_block_attend(const pix_transformer *t, int layer, pix_scratch *scratch,
                      const pix_pass *pass) {
    const pix_block *block = &t->blocks[layer];
    int rows = pass->rows;
    size_t w = (size_t)t->width;
    const float *q = scratch->qkv;
    pix_memory memory = {.k = q + w, .v = q + 2 * w, .stride = 3 * w};
    pix_layer_norm(t->compute->pool, scratch->normal, scratch->x, (size_t)rows, w,
                   block->ln_1_weight, block->ln_1_bias, t->eps);
    project(t, &block->q, rows, scratch->normal, scratch->qkv, 3);
    project(t, &block->k, rows, scratch->normal, scratch->qkv + w, 3);
    project(t, &block->v, rows, scratch->normal, scratch->qkv + 2 * w, 3);
    for (int row = 0; pass->trie && row < rows; row++)
        attend_path(t, q + (size_t)row * 3 * w, memory, pass->trie, row, scratch->room,
                    scratch->mixed + (size_t)row * w);
    if (!pass->trie)
        attend_sequences(t, pass, pass->tokens, q, 3 * w, &memory, scratch);
    project_attention(t, block, scratch, rows);
}

void pix_block_feed_forward(const pix_transformer *t, int layer, pix_scratch *scratch, int rows) {
    const pix_block *block = &t->blocks[layer];
    size_t width = (size_t)t->width, mlp = (size_t)t->mlp_width;
    pix_layer_norm(t->compute->pool, scratch->normal, scratch->x, (size_t)rows, width,
                   block->ln_2_weight, block->ln_2_bias, t->eps);
    pix_linear_run(&block->c_fc, t->compute, rows, scratch->normal, width,
                   (pix_epilogue){.activation = t->exact_gelu ? PIX_EXACT_GELU : PIX_QUICK_GELU},
                   scratch->hidden, mlp);
    pix_linear_run(&block->c_proj, t->compute, rows, scratch->hidden, mlp,
                   (pix_epilogue){.add = true}, scratch->x, width);
}

/* The row that result `i` is of. */
static int row_asked(const pix_pass *pass, int i) {
    return pass->trie ? pass->ends[i] : i * pass->tokens;
}

/* x becomes the rows asked for, [results, width]; `room` holds as many. */
static void gather(const pix_pass *pass, size_t width, float *x, float *room) {
    size_t bytes = width * sizeof *x;
    for (int i = 0; i < pass->results; i++)
        memcpy(room + (size_t)i * width, x + (size_t)row_asked(pass, i) * width, bytes);
    memcpy(x, room, (size_t)pass->results * bytes);
}

/* A block of which only some rows are asked for: keys and values of all rows, but queries,
 * projections and the feed-forward half of those alone. */
static void run_for_results(const pix_transformer *t, int layer, pix_scratch *scratch,
                            const pix_pass *pass) {
    const pix_block *block = &t->blocks[layer];
    int rows = pass->rows, count = pass->results;
    size_t w = (size_t)t->width;
    float *kv = scratch->qkv;                       /* [rows, 2 * width] */
    float *q = scratch->qkv + (size_t)rows * 2 * w; /* [count, width] */
    pix_layer_norm(t->compute->pool, scratch->normal, scratch->x, (size_t)rows, w,
                   block->ln_1_weight, block->ln_1_bias, t->eps);
    project(t, &block->k, rows, scratch->normal, kv, 2);
    project(t, &block->v, rows, scratch->normal, kv + w, 2);
    gather(pass, w, scratch->normal, scratch->mixed);
    gather(pass, w, scratch->x, scratch->mixed);
    project(t, &block->q, count, scratch->normal, q, 1);
    pix_memory memory = {.k = kv, .v = kv + w, .stride = 2 * w};
    for (int i = 0; pass->trie && i < count; i++)
        attend_path(t, q + (size_t)i * w, memory, pass->trie, row_asked(pass, i), scratch->room,
                    scratch->mixed + (size_t)i * w);
    if (!pass->trie)
        attend_sequences(t, pass, 1, q, w, &memory, scratch);
    project_attention(t, block, scratch, count);
    pix_block_feed_forward(t, layer, scratch, count);
}

void pix_transformer_run(const pix_transformer *t, pix_scratch *scratch, const pix_pass *pass) {
    for (int layer = 0; layer + 1 < t->layers; layer++) {
        pix_block_attend(t, layer, scratch, pass);
        pix_block_feed_forward(t, layer, scratch, pass->rows);
    }
    run_for_results(t, t->layers - 1, scratch, pass);
}
