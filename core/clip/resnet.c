#include "core/clip/resnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/attention.h"

/* Sides and channels of a stage. */

static size_t stage_side(const pix_clip_config *c, int stage) {
    return (size_t)(c->image_size / 4) >> stage;
}

static size_t stage_input_side(const pix_clip_config *c, int stage) {
    return stage_side(c, stage > 0 ? stage - 1 : 0);
}

static int stage_inner(const pix_clip_config *c, int stage) {
    return c->vision_width << stage;
}

static int stage_input(const pix_clip_config *c, int stage) {
    return stage > 0 ? 4 * stage_inner(c, stage - 1) : c->vision_width;
}

/* Whether a picture fills no tile, so that a product is worth more pictures. */
static bool goes_together(const pix_clip_config *c, int stage) {
    return stage_side(c, stage) * stage_side(c, stage) < PIX_CONV_TILE;
}

/* Where convolutions are. */
typedef struct pix_conv_place {
    const pix_model *model;
    bool int8;
    char prefix[44];
} pix_conv_place;

static pix_conv convolution(const pix_conv_place *place, const char *name, int in, int out,
                            int kernel) {
    char full[PIX_CLIP_NAME_MAX];
    const pix_model *model = place->model;
    const char *mark = place->int8 ? "int8." : "";
    int window = kernel * kernel * in;
    pix_conv conv = {.in = in, .out = out, .kernel = kernel, .stride = 1, .relu = true};
    (void)snprintf(full, sizeof full, "%s%s%s.weight", mark, place->prefix, name);
    conv.int8 = place->int8;
    if (conv.int8)
        conv.codes = pix_model_panels_int8(model, full, out, window, 1, 0);
    else
        conv.f32 = pix_model_panels(model, full, out, window, 1, 0);
    (void)snprintf(full, sizeof full, "%s%s%s.bias", mark, place->prefix, name);
    conv.bias = pix_model_tensor(model, full, (size_t)out);
    return conv;
}

static pix_bottleneck bottleneck(const pix_model *model, bool int8, int stage, int index) {
    const pix_clip_config *c = pix_model_config(model);
    int inner = stage_inner(c, stage), in = index > 0 ? 4 * inner : stage_input(c, stage);
    pix_conv_place place = {.model = model, .int8 = int8};
    (void)snprintf(place.prefix, sizeof place.prefix, "visual.layer%d.%d.", stage + 1, index);
    pix_bottleneck block = {
        .side = (int)(index > 0 ? stage_side(c, stage) : stage_input_side(c, stage)),
        .halves = stage > 0 && index == 0,
        .conv1 = convolution(&place, "conv1", in, inner, 1),
        .conv2 = convolution(&place, "conv2", inner, inner, 3),
        .conv3 = convolution(&place, "conv3", inner, 4 * inner, 1),
    };
    block.conv3.add = true;
    if (index == 0) {
        block.shortcut = convolution(&place, "downsample.0", in, 4 * inner, 1);
        block.shortcut.relu = false;
    }
    return block;
}

pix_status pix_resnet_init(pix_resnet *resnet, const pix_model *model, pix_precision precision,
                           pix_error *error) {
    bool int8 = precision == PIX_INT8;
    const pix_conv_place pixels = {model, false, "visual."}, stem = {model, int8, "visual."};
    const pix_clip_config *c = pix_model_config(model);
    int width = c->vision_width;
    *resnet = (pix_resnet){
        .image_size = c->image_size,
        .width = width,
        .stem = {convolution(&pixels, "conv1", 3, width / 2, 3),
                 convolution(&stem, "conv2", width / 2, width / 2, 3),
                 convolution(&stem, "conv3", width / 2, width, 3)},
    };
    resnet->stem[0].stride = 2;
    pix_attention_pool_init(&resnet->pool, model);
    size_t count = 0;
    for (int stage = 0; stage < 4; stage++)
        count += (size_t)c->resnet_layers[stage];
    resnet->blocks = calloc(count, sizeof *resnet->blocks);
    if (!resnet->blocks)
        return pix_fail_memory(error);
    resnet->joined = stage_side(c, 0) * stage_side(c, 0) * (size_t)width;
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < c->resnet_layers[stage]; i++)
            resnet->blocks[resnet->block_count++] = bottleneck(model, int8, stage, i);
        if (!goes_together(c, stage)) {
            resnet->alone = resnet->block_count;
            resnet->joined =
                stage_side(c, stage) * stage_side(c, stage) * 4 * (size_t)stage_inner(c, stage);
        }
    }
    return PIX_OK;
}

void pix_resnet_free(pix_resnet *resnet) {
    free(resnet->blocks);
    *resnet = (pix_resnet){0};
}

/* Raises *size to count * side * side * channels. */
static bool raise_to(size_t *size, size_t count, size_t side, int channels) {
    size_t need;
    if (!pix_size_multiply(count, side * side, &need) ||
        !pix_size_multiply(need, (size_t)channels, &need))
        return false;
    if (*size < need)
        *size = need;
    return true;
}

static bool measure_stage(const pix_clip_config *c, int stage, size_t count,
                          pix_resnet_sizes *sizes) {
    bool together = goes_together(c, stage);
    size_t before = stage_input_side(c, stage), after = stage_side(c, stage);
    int inner = stage_inner(c, stage), in = stage_input(c, stage), out = 4 * inner;
    size_t *x = together ? &sizes->joined : &sizes->x;
    size_t pictures = together ? count : 1;
    return raise_to(x, pictures, before, in) && raise_to(x, pictures, after, out) &&
           raise_to(&sizes->inner, pictures, before, inner) &&
           raise_to(&sizes->inner, pictures, after, stage > 0 ? in : 0);
}

bool pix_resnet_measure(const pix_clip_config *c, pix_precision precision, size_t count,
                        const pix_compute *compute, pix_resnet_sizes *sizes) {
    *sizes = (pix_resnet_sizes){0};
    size_t size = (size_t)c->image_size, tokens = (size_t)pix_clip_vision_tokens(c);
    int width = c->vision_width, channels = 4 * stage_inner(c, 3);
    bool fits = raise_to(&sizes->pixels, count, size, 3) &&
                raise_to(&sizes->inner, 1, size / 2, width / 2) &&
                raise_to(&sizes->x, 1, stage_side(c, 0), width) &&
                raise_to(&sizes->y, 1, size / 2, width) &&
                raise_to(&sizes->joined, count, stage_side(c, 3), channels);
    for (int stage = 0; stage < 4 && fits; stage++)
        fits = measure_stage(c, stage, count, sizes);
    if (!fits || !pix_size_multiply(count, tokens * (size_t)channels, &sizes->tokens) ||
        !pix_size_multiply(count, (size_t)c->vision_heads * (size_t)channels, &sizes->heads))
        return false;
    /* y takes turns with x, and later with joined. */
    sizes->y = sizes->y > sizes->x ? sizes->y : sizes->x;
    sizes->y = sizes->y > sizes->joined ? sizes->y : sizes->joined;
    const pix_conv widest = {.in = stage_inner(c, 3), .kernel = 3};
    sizes->windows = pix_conv_windows(&widest);
    if (precision == PIX_INT8) {
        sizes->codes = pix_conv_codes(&widest, compute->kernels) / sizeof(float);
        sizes->scales = PIX_CONV_TILE;
    }
    sizes->queries = count * (size_t)channels;
    sizes->room = pix_attend_room(compute->pool, (int)tokens, channels);
    return sizes->room > 0;
}

/* Elements rounded up to whole cache lines, so that no array shares one. */
static bool add_array(size_t *total, size_t elements) {
    return pix_size_add(elements, 15, &elements) &&
           pix_size_add(*total, elements & ~(size_t)15, total);
}

size_t pix_resnet_scratch_bytes(const pix_resnet_sizes *s) {
    const size_t arrays[] = {s->pixels, s->x,       s->y,      s->joined, s->inner,
                             s->inner,  s->windows, s->tokens, s->heads,  s->queries,
                             s->room,   s->codes,   s->scales};
    size_t total = 0, bytes;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!add_array(&total, arrays[i]))
            return 0;
    return pix_size_multiply(total, sizeof(float), &bytes) ? bytes : 0;
}

static float *take(float **next, size_t elements) {
    float *array = *next;
    *next += (elements + 15) & ~(size_t)15;
    return array;
}

pix_status pix_resnet_scratch_init(pix_resnet_scratch *scratch, const pix_resnet_sizes *s,
                                   pix_error *error) {
    *scratch = (pix_resnet_scratch){0};
    size_t bytes = pix_resnet_scratch_bytes(s);
    float *next = bytes > 0 ? aligned_alloc(64, bytes) : NULL;
    if (!next)
        return pix_fail_memory(error);
    scratch->memory = next;
    scratch->pixels = take(&next, s->pixels);
    scratch->x = take(&next, s->x);
    scratch->y = take(&next, s->y);
    scratch->joined = take(&next, s->joined);
    scratch->inner[0] = take(&next, s->inner);
    scratch->inner[1] = take(&next, s->inner);
    scratch->room.windows = take(&next, s->windows);
    scratch->room.codes.codes = (uint8_t *)take(&next, s->codes);
    scratch->room.codes.scales = take(&next, s->scales);
    scratch->pool.tokens = take(&next, s->tokens);
    scratch->pool.heads = take(&next, s->heads);
    scratch->pool.queries = take(&next, s->queries);
    scratch->pool.room = take(&next, s->room);
    return PIX_OK;
}

void pix_resnet_scratch_free(pix_resnet_scratch *scratch) {
    free(scratch->memory);
    *scratch = (pix_resnet_scratch){0};
}

static float *picture(const pix_resnet *resnet, const pix_resnet_scratch *scratch, int index) {
    size_t size = (size_t)resnet->image_size;
    return scratch->pixels + (size_t)index * size * size * 3;
}

void pix_resnet_put_bytes(const pix_resnet *resnet, pix_resnet_scratch *scratch, int index,
                          const uint8_t *rgb, const float values[3][256]) {
    size_t pixels = (size_t)resnet->image_size * (size_t)resnet->image_size;
    float *out = picture(resnet, scratch, index);
    for (size_t i = 0; i < pixels; i++)
        for (size_t channel = 0; channel < 3; channel++)
            *out++ = values[channel][*rgb++];
}

void pix_resnet_put_floats(const pix_resnet *resnet, pix_resnet_scratch *scratch, int index,
                           const float *pixels) {
    size_t plane = (size_t)resnet->image_size * (size_t)resnet->image_size;
    float *out = picture(resnet, scratch, index);
    for (size_t i = 0; i < plane; i++)
        for (size_t channel = 0; channel < 3; channel++)
            *out++ = pixels[channel * plane + i];
}

void pix_resnet_stem(const pix_resnet *resnet, const pix_compute *compute, pix_resnet_scratch *s,
                     int index) {
    int size = resnet->image_size, half = size / 2;
    pix_conv_run(&resnet->stem[0], compute, 1, size, size, picture(resnet, s, index), &s->room,
                 s->inner[0]);
    pix_conv_run(&resnet->stem[1], compute, 1, half, half, s->inner[0], &s->room, s->inner[1]);
    pix_conv_run(&resnet->stem[2], compute, 1, half, half, s->inner[1], &s->room, s->y);
    pix_average_pool(1, half, half, resnet->width, s->y, s->x);
}

void pix_bottleneck_run(const pix_bottleneck *block, const pix_compute *compute,
                        pix_resnet_scratch *s, int count) {
    int side = block->side;
    const float *inner = s->inner[1], *input = s->x;
    pix_conv_run(&block->conv1, compute, count, side, side, s->x, &s->room, s->inner[0]);
    pix_conv_run(&block->conv2, compute, count, side, side, s->inner[0], &s->room, s->inner[1]);
    if (block->halves) {
        pix_average_pool(count, side, side, block->conv2.out, s->inner[1], s->inner[0]);
        pix_average_pool(count, side, side, block->conv1.in, s->x, s->inner[1]);
        inner = s->inner[0];
        input = s->inner[1];
        side /= 2;
    }
    if (block->shortcut.out > 0) {
        pix_conv_run(&block->shortcut, compute, count, side, side, input, &s->room, s->y);
        float *old = s->x;
        s->x = s->y;
        s->y = old;
    }
    pix_conv_run(&block->conv3, compute, count, side, side, inner, &s->room, s->x);
}

void pix_resnet_encode(const pix_resnet *resnet, const pix_compute *compute,
                       const pix_resnet_scratch *scratch, int count, float *features) {
    pix_resnet_scratch s;
    const pix_bottleneck *alone = resnet->blocks, *together = alone + resnet->alone;
    const pix_bottleneck *end = alone + resnet->block_count;
    for (int i = 0; i < count; i++) {
        s = *scratch;
        pix_resnet_stem(resnet, compute, &s, i);
        for (const pix_bottleneck *block = alone; block < together; block++)
            pix_bottleneck_run(block, compute, &s, 1);
        memcpy(s.joined + (size_t)i * resnet->joined, s.x, resnet->joined * sizeof *s.x);
    }
    s = *scratch;
    s.x = s.joined;
    for (const pix_bottleneck *block = together; block < end; block++)
        pix_bottleneck_run(block, compute, &s, count);
    pix_attention_pool_run(&resnet->pool, compute, &s.pool, count, s.x, features);
}
