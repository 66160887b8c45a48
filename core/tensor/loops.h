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

PIX_INLINE float pix_row_maximum(const float *x, size_t size) {
    float largest[PIX_LANES];
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        largest[lane] = x[0];
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            largest[lane] = x[i + lane] > largest[lane] ? x[i + lane] : largest[lane];
    for (; i < size; i++)
        largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    for (size_t lane = 1; lane < PIX_LANES; lane++)
        largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    return largest[0];
}

PIX_INLINE void pix_row_softmax(float *x, size_t size) {
    float largest = pix_row_maximum(x, size);
    size_t i = 0;
    for (; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            x[i + lane] = pix_exponential(x[i + lane] - largest);
    for (; i < size; i++)
        x[i] = pix_exponential(x[i] - largest);
    float scale = 1.0f / pix_row_sum(x, size);
    for (i = 0; i + PIX_LANES <= size; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            x[i + lane] *= scale;
    for (; i < size; i++)
        x[i] *= scale;
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

/* One panel of 16 keys, those beyond the last the last again, times `scale`: [width][16]. */
PIX_INLINE void pix_keys_pack(const float *const *keys, size_t width, float scale, float *panel) {
    for (size_t i = 0; i < width; i++, panel += PIX_LANES)
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

#endif
