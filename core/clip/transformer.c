#include "core/clip/transformer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/clip/trie_attention.h"
#include "core/tensor/attention.h"
#include "core/tensor/layers.h"

/* Where a block's tensors are. */
typedef struct pix_block_place {
    const pix_model *model;
    pix_precision precision;
    char prefix[52]; /* with a name's end after it, a tensor's name */
} pix_block_place;

static void init_linear(pix_linear *parts, int count, const pix_block_place *place,
                        const char *weight, const char *bias, int out, int in) {
    pix_linear_init(parts, count, place->model,
                    &(pix_linear_place){place->precision, place->prefix, weight, bias}, out, in);
}

static pix_linear linear(const pix_block_place *place, const char *weight, const char *bias,
                         int out, int in) {
    pix_linear layer;
    init_linear(&layer, 1, place, weight, bias, out, in);
    return layer;
}

static const float *vector(const pix_block_place *place, const char *name, int elements) {
    char full[PIX_CLIP_NAME_MAX];
    (void)snprintf(full, sizeof full, "%s%s", place->prefix, name);
    return pix_model_tensor(place->model, full, (size_t)elements);
}

pix_status pix_transformer_init(pix_transformer *t, const pix_model *model, const char *prefix,
                                int layers, pix_error *error) {
    t->layers = layers;
    t->blocks = calloc((size_t)layers, sizeof *t->blocks);
    if (!t->blocks)
        return pix_fail_memory(error);
    int width = t->width, mlp = t->mlp_width;
    for (int layer = 0; layer < layers; layer++) {
        pix_block_place place = {.model = model, .precision = t->precision};
        pix_linear qkv[3];
        (void)snprintf(place.prefix, sizeof place.prefix, "%s%sresblocks.%d.",
                       t->precision == PIX_INT8 ? "int8." : "", prefix, layer);
        init_linear(qkv, 3, &place, "attn.in_proj_weight", "attn.in_proj_bias", width, width);
        t->blocks[layer] = (pix_block){
            .ln_1_weight = vector(&place, "ln_1.weight", width),
            .ln_1_bias = vector(&place, "ln_1.bias", width),
            .q = qkv[0],
            .k = qkv[1],
            .v = qkv[2],
            .out_proj = linear(&place, "attn.out_proj.weight", "attn.out_proj.bias", width, width),
            .ln_2_weight = vector(&place, "ln_2.weight", width),
            .ln_2_bias = vector(&place, "ln_2.bias", width),
            .c_fc = linear(&place, "mlp.c_fc.weight", "mlp.c_fc.bias", mlp, width),
            .hidden_scale = t->precision == PIX_INT8 ? vector(&place, "mlp.scale", mlp) : NULL,
            .c_proj = linear(&place, "mlp.c_proj.weight", "mlp.c_proj.bias", width, mlp),
        };
    }
    return PIX_OK;
}

void pix_transformer_free(pix_transformer *t) {
    free(t->blocks);
    *t = (pix_transformer){0};
}

/* Floats from row to row of the wide arrays: an odd number of cache lines, so that rows of a tile
 * do not fight for one set of a cache. */
static size_t stride_of(size_t width) {
    return ((width + 15) / 16 | 1) * 16;
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
           raise_to(&sizes->qkv, rows, stride_of(3 * width)) &&
           raise_to(&sizes->qkv, rows, stride_of(2 * width) + width) &&
           raise_to(&sizes->mixed, rows, width) &&
           raise_to(&sizes->hidden, rows, stride_of((size_t)t->mlp_width)) &&
           raise_to(&sizes->room, room, 1) &&
           pix_transformer_measure_codes(t, rows, t->width, sizes) &&
           pix_transformer_measure_codes(t, rows, t->mlp_width, sizes);
}

bool pix_transformer_measure_codes(const pix_transformer *t, size_t rows, int width,
                                   pix_scratch_sizes *sizes) {
    return t->precision == PIX_FP32 ||
           (raise_to(&sizes->codes, rows, pix_codes_stride(t->compute->kernels, width)) &&
            raise_to(&sizes->scales, rows, 1));
}

/* Cache-line aligned, so that no row straddles one more than it must. */
static void *allocate(size_t elements, size_t size) {
    size_t bytes;
    if (!pix_size_multiply(elements, size, &bytes) || !pix_size_add(bytes, 63, &bytes))
        return NULL;
    return aligned_alloc(64, bytes & ~(size_t)63);
}

pix_status pix_scratch_init(pix_scratch *scratch, const pix_scratch_sizes *sizes,
                            pix_error *error) {
    *scratch = (pix_scratch){
        .x = allocate(sizes->x, sizeof(float)),
        .normal = allocate(sizes->normal, sizeof(float)),
        .qkv = allocate(sizes->qkv, sizeof(float)),
        .mixed = allocate(sizes->mixed, sizeof(float)),
        .hidden = allocate(sizes->hidden, sizeof(float)),
        .room = allocate(sizes->room, sizeof(float)),
    };
    bool whole = scratch->x && scratch->normal && scratch->qkv && scratch->mixed &&
                 scratch->hidden && scratch->room;
    if (sizes->codes > 0) {
        scratch->codes = (pix_codes){.codes = allocate(sizes->codes, 1),
                                     .scales = allocate(sizes->scales, sizeof(float))};
        whole = whole && scratch->codes.codes && scratch->codes.scales;
    }
    if (whole)
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
    free(scratch->codes.codes);
    free(scratch->codes.scales);
    *scratch = (pix_scratch){0};
}

pix_activations pix_transformer_read(const pix_transformer *t, pix_scratch *scratch, int rows,
                                     const float *x, int width, size_t stride) {
    if (t->precision == PIX_INT8)
        pix_quantise(t->compute, rows, width, x, stride, &scratch->codes);
    return (pix_activations){.x = x, .stride = stride, .codes = &scratch->codes};
}

/* Tells who watches what the layers at `place` of a block read. */
static void watch(const pix_transformer *t, int layer, pix_place place, int rows, const float *x,
                  size_t stride) {
    if (t->ranges)
        pix_ranges_add(t->ranges, layer, place, rows, x, stride);
}

/* LayerNorm of scratch->x, the first or the second of a block. */
static pix_activations normalise(const pix_transformer *t, int layer, pix_place place,
                                 pix_scratch *scratch, int rows) {
    const pix_block *block = &t->blocks[layer];
    bool first = place == PIX_PLACE_LN_1;
    const pix_layer_norm norm = {(size_t)t->width, first ? block->ln_1_weight : block->ln_2_weight,
                                 first ? block->ln_1_bias : block->ln_2_bias, t->eps};
    const pix_codes *codes = t->precision == PIX_INT8 ? &scratch->codes : NULL;
    pix_layer_norm_run(&norm, t->compute, rows, scratch->x, scratch->normal, codes);
    watch(t, layer, place, rows, scratch->normal, norm.width);
    return (pix_activations){.x = scratch->normal, .stride = norm.width, .codes = codes};
}

/* mixed[count, width]: what the heads of queries attend to in their texts, the queries being those
 * of `rows`, or of every row when that is NULL. */
static void attend_texts(const pix_transformer *t, const pix_text_trie *trie, const int32_t *rows,
                         int count, const float *q, size_t q_stride, const pix_memory *memory,
                         const pix_scratch *scratch) {
    const pix_trie_queries queries = {.trie = trie,
                                      .rows = rows,
                                      .count = count,
                                      .q = q,
                                      .q_stride = q_stride,
                                      .memory = *memory,
                                      .heads = t->heads,
                                      .width = (size_t)t->width};
    pix_trie_attend(t->compute, &queries, scratch->room, scratch->mixed);
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

/* out: [rows, width] at `stride`; x: [rows, width]. */
static void project(const pix_transformer *t, const pix_linear *layer, int rows,
                    const pix_activations *x, float *out, size_t stride) {
    pix_linear_run(layer, t->compute, rows, x, (pix_epilogue){0}, out, stride);
}

/* x += mixed W' + bias */
static void project_attention(const pix_transformer *t, int layer, pix_scratch *scratch, int rows) {
    size_t w = (size_t)t->width;
    watch(t, layer, PIX_PLACE_MIXED, rows, scratch->mixed, w);
    pix_activations mixed = pix_transformer_read(t, scratch, rows, scratch->mixed, t->width, w);
    pix_linear_run(&t->blocks[layer].out_proj, t->compute, rows, &mixed,
                   (pix_epilogue){.add = true}, scratch->x, w);
}

void pix_block_attend(const pix_transformer *t, int layer, pix_scratch *scratch,
                      const pix_pass *pass) {
    const pix_block *block = &t->blocks[layer];
    int rows = pass->rows;
    size_t w = (size_t)t->width, stride = stride_of(3 * w);
    const float *q = scratch->qkv;
    pix_memory memory = {.k = q + w, .v = q + 2 * w, .stride = stride};
    pix_activations normal = normalise(t, layer, PIX_PLACE_LN_1, scratch, rows);
    project(t, &block->q, rows, &normal, scratch->qkv, stride);
    project(t, &block->k, rows, &normal, scratch->qkv + w, stride);
    project(t, &block->v, rows, &normal, scratch->qkv + 2 * w, stride);
    if (pass->trie)
        attend_texts(t, pass->trie, NULL, rows, q, stride, &memory, scratch);
    else
        attend_sequences(t, pass, pass->tokens, q, stride, &memory, scratch);
    project_attention(t, layer, scratch, rows);
}

void pix_block_feed_forward(const pix_transformer *t, int layer, pix_scratch *scratch, int rows) {
    const pix_block *block = &t->blocks[layer];
    size_t stride = stride_of((size_t)t->mlp_width);
    pix_activations normal = normalise(t, layer, PIX_PLACE_LN_2, scratch, rows);
    pix_linear_run(&block->c_fc, t->compute, rows, &normal,
                   (pix_epilogue){.activation = t->exact_gelu ? PIX_EXACT_GELU : PIX_QUICK_GELU,
                                  .scale = block->hidden_scale},
                   scratch->hidden, stride);
    watch(t, layer, PIX_PLACE_HIDDEN, rows, scratch->hidden, stride);
    pix_activations hidden =
        pix_transformer_read(t, scratch, rows, scratch->hidden, t->mlp_width, stride);
    pix_linear_run(&block->c_proj, t->compute, rows, &hidden, (pix_epilogue){.add = true},
                   scratch->x, (size_t)t->width);
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
    size_t w = (size_t)t->width, stride = stride_of(2 * w);
    float *kv = scratch->qkv;                        /* [rows, 2 * width] */
    float *q = scratch->qkv + (size_t)rows * stride; /* [count, width] */
    pix_activations normal = normalise(t, layer, PIX_PLACE_LN_1, scratch, rows);
    project(t, &block->k, rows, &normal, kv, stride);
    project(t, &block->v, rows, &normal, kv + w, stride);
    gather(pass, w, scratch->x, scratch->mixed);
    normal = normalise(t, layer, PIX_PLACE_LN_1, scratch, count);
    project(t, &block->q, count, &normal, q, w);
    pix_memory memory = {.k = kv, .v = kv + w, .stride = stride};
    if (pass->trie)
        attend_texts(t, pass->trie, pass->ends, count, q, w, &memory, scratch);
    else
        attend_sequences(t, pass, 1, q, w, &memory, scratch);
    project_attention(t, layer, scratch, count);
    pix_block_feed_forward(t, layer, scratch, count);
}

void pix_transformer_run(const pix_transformer *t, pix_scratch *scratch, const pix_pass *pass) {
    for (int layer = 0; layer + 1 < t->layers; layer++) {
        pix_block_attend(t, layer, scratch, pass);
        pix_block_feed_forward(t, layer, scratch, pass->rows);
    }
    run_for_results(t, t->layers - 1, scratch, pass);
}
