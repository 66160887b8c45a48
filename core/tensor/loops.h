/* loops.h - what layers do with one row of floats, alike on every CPU.
 *
 * Private to core/tensor; inlined into every instruction set's kernels, as elementwise.h.  Sums are
 * made in 16 lanes and those added pairwise: in any width of registers the same bits. */
#ifndef PIX_TENSOR_LOOPS_H
#define PIX_TENSOR_LOOPS_H

#include "core/tensor/attention.h"
#include "core/tensor/elementwise.h"
#include "core/tensor/kernels.h"
#include "core/tensor/layers.h"

/* The sum of the lanes, pairwise. */
PIX_INLINE float pix_lanes_sum(const float *sum) {
    float eight[8], four[4];
    for (size_t i = 0; i < 8; i++)
        eight[i] = sum[i] + sum[i + 8];
    for (size_t i = 0; i < 4; i++)
        four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

PIX_INLINE float pix_row_sum(const float *x, size_t size) {
    float sum[PIX_LANES] = {0};
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            sum[lane] += x[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += x[i];
    return pix_lanes_sum(sum);
}

PIX_INLINE float pix_row_square_deviation(const float *x, size_t size, float mean) {
    float sum[PIX_LANES] = {0};
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            sum[lane] += (x[i + lane] - mean) * (x[i + lane] - mean);
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += (x[i] - mean) * (x[i] - mean);
    return pix_lanes_sum(sum);
}

PIX_INLINE void pix_row_layer_norm(const pix_layer_norm *norm, const float *x, float *out) {
    size_t width = norm->width, i = 0;
    const float *weight = norm->weight, *bias = norm->bias;
    float mean = pix_row_sum(x, width) / (float)width;
    float variance = pix_row_square_deviation(x, width, mean) / (float)width;
    float scale = 1.0f / sqrtf(variance + norm->eps);
    for (; i + PIX_LANES <= width; i += PIX_LANES) {
        float normal[PIX_LANES];
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            normal[lane] = (x[i + lane] - mean) * scale;
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            out[i + lane] = normal[lane] * weight[i + lane] + bias[i + lane];
    }
    for (; i < width; i++)
        out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

/* An integer for each float, in the same order; a float's for its integer.  NaN, which comes first
 * or last, ends as NaN.  Compared as integers loops vectorise: a float comparison may trap. */
PIX_INLINE int32_t pix_ordered(int32_t bits) {
    return bits ^ (bits >> 31 & 0x7FFFFFFF);
}

PIX_INLINE float pix_row_maximum(const float *x, size_t size, const float *last) {
    int32_t largest[PIX_LANES], eight[8];
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        largest[lane] = pix_ordered((int32_t)pix_bits_of(last[lane]));
    for (size_t i = 0; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++) {
            int32_t value = pix_ordered((int32_t)pix_bits_of(x[i + lane]));
            largest[lane] = value > largest[lane] ? value : largest[lane];
        }
    for (size_t i = 0; i < 8; i++)
        eight[i] = largest[i] > largest[i + 8] ? largest[i] : largest[i + 8];
    int32_t most = eight[0];
    for (size_t i = 1; i < 8; i++)
        most = eight[i] > most ? eight[i] : most;
    return pix_float_of((uint32_t)pix_ordered(most));
}

PIX_INLINE void pix_lanes_exponential(float *x, float largest, float *sum) {
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        x[lane] = pix_exponential(x[lane] - largest);
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        sum[lane] += x[lane];
}

/* What is left over after the last 16 is done in 16 lanes, too, the rest of them e^-infinity = 0.
 */
PIX_INLINE void pix_row_softmax(float *x, size_t size) {
    size_t whole = size / PIX_LANES * PIX_LANES, rest = (size - whole) * sizeof *x;
    float last[PIX_LANES], sum[PIX_LANES] = {0};
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        last[lane] = -INFINITY;
    memcpy(last, x + whole, rest);
    float largest = pix_row_maximum(x, size, last);
    for (size_t i = 0; i < whole; i += PIX_LANES)
        pix_lanes_exponential(x + i, largest, sum);
    pix_lanes_exponential(last, largest, sum);
    float scale = 1.0f / pix_lanes_sum(sum);
    for (size_t i = 0; i < whole; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            x[i + lane] *= scale;
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        last[lane] *= scale;
    memcpy(x + whole, last, rest);
}

PIX_INLINE float pix_row_dot(const float *a, const float *b, size_t size) {
    float sum[PIX_LANES] = {0};
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += a[i] * b[i];
    return pix_lanes_sum(sum);
}

PIX_INLINE void pix_row_add_scaled(float *restrict out, const float *restrict x, float scale,
                                   size_t size) {
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            out[i + lane] += scale * x[i + lane];
    for (; i < size; i++)
        out[i] += scale * x[i];
}

/* See pix_attend_rows. */
PIX_INLINE void pix_row_attend(const float *q, const pix_memory *memory, const int32_t *rows,
                               size_t count, size_t width, float *scores, float *out) {
    float scale = 1.0f / sqrtf((float)width);
    for (size_t i = 0; i < count; i++)
        scores[i] = scale * pix_row_dot(q, memory->k + (size_t)rows[i] * memory->stride, width);
    pix_row_softmax(scores, count);
    memset(out, 0, width * sizeof *out);
    for (size_t i = 0; i < count; i++)
        pix_row_add_scaled(out, memory->v + (size_t)rows[i] * memory->stride, scores[i], width);
}

/* Four floats of each of four rows, turned round: those of a column side by side. */
typedef float pix_four __attribute__((vector_size(16)));

PIX_INLINE pix_four pix_load_four(const float *x) {
    pix_four four;
    memcpy(&four, x, sizeof four);
    return four;
}

PIX_INLINE void pix_four_columns(const float *const *rows, size_t at, float scale, float *out) {
    pix_four a = pix_load_four(rows[0] + at), b = pix_load_four(rows[1] + at);
    pix_four c = pix_load_four(rows[2] + at), d = pix_load_four(rows[3] + at);
    pix_four ac = __builtin_shufflevector(a, c, 0, 4, 1, 5);
    pix_four bd = __builtin_shufflevector(b, d, 0, 4, 1, 5);
    pix_four ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
    pix_four bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
    const pix_four columns[4] = {
        __builtin_shufflevector(ac, bd, 0, 4, 1, 5) * scale,
        __builtin_shufflevector(ac, bd, 2, 6, 3, 7) * scale,
        __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5) * scale,
        __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7) * scale,
    };
    for (size_t i = 0; i < 4; i++)
        memcpy(out + i * PIX_LANES, &columns[i], sizeof columns[i]);
}

/* One panel of 16 keys times `scale`: [width][16]. */
PIX_INLINE void pix_keys_pack(const float *const *keys, size_t width, float scale, float *panel) {
    size_t i = 0;
    for (; i + 4 <= width; i += 4, panel += (size_t)4 * PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane += 4)
            pix_four_columns(keys + lane, i, scale, panel + lane);
    for (; i < width; i++, panel += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            panel[lane] = scale * keys[lane][i];
}

/* Loops for one instruction set. */
struct pix_loops {
    void (*layer_norm)(const pix_layer_norm *norm, const float *x, float *out);
    void (*softmax)(float *x, size_t size);
    void (*attend)(const float *q, const pix_memory *memory, const int32_t *rows, size_t count,
                   size_t width, float *scores, float *out);
    void (*pack_keys)(const float *const *keys, size_t width, float scale, float *panel);
};

/* Defines them, as `loops`, with the functions' attribute `isa`. */
/* NOLINTBEGIN(bugprone-macro-parentheses): an attribute cannot have them */
#define PIX_DEFINE_LOOPS(isa)                                                                      \
    isa static void layer_norm(const pix_layer_norm *norm, const float *x, float *out) {           \
        pix_row_layer_norm(norm, x, out);                                                          \
    }                                                                                              \
    isa static void softmax(float *x, size_t size) {                                               \
        pix_row_softmax(x, size);                                                                  \
    }                                                                                              \
    isa static void attend(const float *q, const pix_memory *memory, const int32_t *rows,          \
                           size_t count, size_t width, float *scores, float *out) {                \
        pix_row_attend(q, memory, rows, count, width, scores, out);                                \
    }                                                                                              \
    isa static void pack_keys(const float *const *keys, size_t width, float scale, float *panel) { \
        pix_keys_pack(keys, width, scale, panel);                                                  \
    }                                                                                              \
    static const pix_loops loops = {layer_norm, softmax, attend, pack_keys};
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
