#include "core/clip/smooth.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A linear layer's weight [rows, columns] and bias [rows]. */
typedef struct linear {
    size_t rows, columns;
    float *weight, *bias;
} linear;

/* What is done to each channel of the activations: (x - shift) / scale. */
typedef struct change {
    float *shift, *scale, *reach; /* [channels]; how far from `shift` they go */
    float *sorted;                /* room for as many */
} change;

static float largest(const float *values, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(values[i]));
    return most;
}

/* weigh[columns]: the largest share that an input has in any row's largest weight. */
static void weigh_columns(const linear *layer, float *weigh) {
    for (size_t i = 0; i < layer->columns; i++)
        weigh[i] = 0;
    for (size_t row = 0; row < layer->rows; row++) {
        const float *weight = layer->weight + row * layer->columns;
        float most = largest(weight, layer->columns);
        for (size_t i = 0; i < layer->columns && most > 0; i++)
            weigh[i] = fmaxf(weigh[i], fabsf(weight[i]) / most);
    }
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Scales that leave a channel's activations and its weights as far from the others' as each other:
 * sqrt(reach / weight), as a multiple of the median.  None is below 1: a channel that was at rest
 * in all that was seen must not be blown up when it wakes.  With `wake`, which says how far each
 * might go at least, channels are not shifted. */
static void choose(const linear *layer, const pix_range *range, const float *wake, change *c) {
    size_t count = layer->columns;
    weigh_columns(layer, c->scale);
    for (size_t i = 0; i < count; i++) {
        float shift = wake ? 0 : range[i].least / 2 + range[i].most / 2;
        float reach = fmaxf(range[i].most - shift, shift - range[i].least);
        reach = wake ? fmaxf(reach, wake[i]) : reach;
        bool seen = isfinite(shift) && isfinite(reach);
        c->shift[i] = seen ? shift : 0;
        c->reach[i] = seen ? reach : 0;
        float scale = seen && reach > 0 && c->scale[i] > 0 ? sqrtf(reach / c->scale[i]) : 1;
        c->scale[i] = c->sorted[i] = isfinite(scale) ? scale : 1;
    }
    qsort(c->sorted, count, sizeof *c->sorted, by_value);
    for (size_t i = 0; i < count; i++)
        c->scale[i] = fmaxf(1, c->scale[i] / c->sorted[count / 2]);
}

/* wake[rows]: how far from 0 the layer's results may go when what it reads, changed, goes as far as
 * it did, in random directions.  A hidden unit that slept in all that was seen may wake yet, and be
 * as huge as its weights.  0 when nothing was seen of what the layer reads. */
static void wake_units(const linear *layer, const change *c, float *wake) {
    for (size_t row = 0; row < layer->rows; row++) {
        const float *weight = layer->weight + row * layer->columns;
        double square = 0;
        for (size_t i = 0; i < layer->columns; i++) {
            double part = (double)weight[i] * (double)(c->reach[i] / c->scale[i]);
            square += part * part;
        }
        wake[row] = square > 0 ? fabsf(layer->bias[row]) + (float)sqrt(square) : 0;
    }
}

/* The layer reads what was changed and gives what it gave. */
static void change_reader(const linear *layer, const change *c) {
    for (size_t row = 0; row < layer->rows; row++) {
        float *weight = layer->weight + row * layer->columns;
        double moved = 0;
        for (size_t i = 0; i < layer->columns; i++) {
            moved += (double)weight[i] * (double)c->shift[i];
            weight[i] *= c->scale[i];
        }
        layer->bias[row] = (float)((double)layer->bias[row] + moved);
    }
}

static void change_norm(float *weight, float *bias, size_t width, const change *c) {
    for (size_t i = 0; i < width; i++) {
        weight[i] /= c->scale[i];
        bias[i] = (bias[i] - c->shift[i]) / c->scale[i];
    }
}

static void change_rows(const linear *layer, const change *c) {
    for (size_t row = 0; row < layer->rows; row++) {
        float *weight = layer->weight + row * layer->columns;
        for (size_t i = 0; i < layer->columns; i++)
            weight[i] /= c->scale[row];
        layer->bias[row] = (layer->bias[row] - c->shift[row]) / c->scale[row];
    }
}

pix_status pix_block_smooth(const pix_block_weights *b, const pix_ranges *ranges, int layer,
                            pix_error *error) {
    size_t w = (size_t)b->width, mlp = (size_t)b->mlp_width, most = w > mlp ? w : mlp;
    const linear in = {3 * w, w, b->in_weight, b->in_bias},
                 out = {w, w, b->out_weight, b->out_bias},
                 v = {w, w, b->in_weight + 2 * w * w, b->in_bias + 2 * w},
                 fc = {mlp, w, b->fc_weight, b->fc_bias},
                 proj = {w, mlp, b->proj_weight, b->proj_bias};
    float *room = malloc(5 * most * sizeof *room);
    if (!room)
        return pix_fail_memory(error);
    float *wake = room + 4 * most;
    change c = {
        .shift = room, .scale = room + most, .reach = room + 2 * most, .sorted = room + 3 * most};
    choose(&in, pix_ranges_at(ranges, layer, PIX_PLACE_LN_1), NULL, &c);
    change_reader(&in, &c);
    change_norm(b->ln_1_weight, b->ln_1_bias, w, &c);
    choose(&out, pix_ranges_at(ranges, layer, PIX_PLACE_MIXED), NULL, &c);
    change_reader(&out, &c);
    change_rows(&v, &c);
    choose(&fc, pix_ranges_at(ranges, layer, PIX_PLACE_LN_2), NULL, &c);
    change_reader(&fc, &c);
    change_norm(b->ln_2_weight, b->ln_2_bias, w, &c);
    wake_units(&fc, &c, wake);
    choose(&proj, pix_ranges_at(ranges, layer, PIX_PLACE_HIDDEN), wake, &c);
    change_reader(&proj, &c);
    for (size_t i = 0; i < mlp; i++)
        b->hidden_scale[i] = 1 / c.scale[i];
    free(room);
    return PIX_OK;
}
