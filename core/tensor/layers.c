#include "core/tensor/layers.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Values worked on side by side: one register of AVX-512, two of AVX2, four of SSE2. */
enum { LANES = 16 };

static inline uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x cut to [-106, 106]; NaN stays.  Comparing as integers is what lets the loops vectorise: a float
 * comparison may trap. */
static inline float clamp(float x) {
    const int32_t limit = 0x42D40000; /* 106.0f */
    int32_t magnitude = (int32_t)(to_bits(x) & 0x7FFFFFFF);
    int32_t too_large = (magnitude > limit) & (magnitude <= 0x7F800000);
    magnitude = too_large ? limit : magnitude;
    return from_bits((to_bits(x) & 0x80000000) | (uint32_t)magnitude);
}

/* e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2.  The polynomial is that of Cephes
 * (S. Moshier, expf.c); ln 2 in two parts keeps r exact; 2^n in two factors reaches the subnormals.
 */
static inline float exponential(float x) {
    const float round_bias = 12582912.0f; /* 1.5 * 2^23: adding it leaves n in the low bits */
    x = clamp(x);
    float biased = x * 1.44269504088896341f + round_bias;
    float whole = biased - round_bias;
    float r = x - whole * 0.693359375f;
    r -= whole * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    /* n + 256 is positive, so that halving it rounds alike for every n. */
    uint32_t n = to_bits(biased) - to_bits(round_bias) + 256;
    uint32_t half = n >> 1;
    return p * from_bits((half - 1) << 23) * from_bits((n - half - 1) << 23);
}

static inline float quick_gelu(float v) {
    return v / (1.0f + exponential(-1.702f * v));
}

static inline float exact_gelu(float v) {
    return 0.5f * v * (1.0f + erff(v * 0.70710678118654752f));
}

/* The sum of the lanes, pairwise. */
static inline float lanes_sum(const float *sum) {
    float eight[8], four[4];
    for (size_t i = 0; i < 8; i++)
        eight[i] = sum[i] + sum[i + 8];
    for (size_t i = 0; i < 4; i++)
        four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static float row_sum(const float *x, size_t size) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += x[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += x[i];
    return lanes_sum(sum);
}

static float row_square_deviation(const float *x, size_t size, float mean) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += (x[i + lane] - mean) * (x[i + lane] - mean);
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += (x[i] - mean) * (x[i] - mean);
    return lanes_sum(sum);
}

void pix_layer_norm(float *out, const float *x, size_t rows, size_t width, const float *weight,
                    const float *bias, float eps) {
    for (size_t row = 0; row < rows; row++, x += width, out += width) {
        float mean = row_sum(x, width) / (float)width;
        float variance = row_square_deviation(x, width, mean) / (float)width;
        float scale = 1.0f / sqrtf(variance + eps);
        size_t i = 0;
        for (; i + LANES <= width; i += LANES) {
            float normal[LANES];
            for (size_t lane = 0; lane < LANES; lane++)
                normal[lane] = (x[i + lane] - mean) * scale;
            for (size_t lane = 0; lane < LANES; lane++)
                out[i + lane] = normal[lane] * weight[i + lane] + bias[i + lane];
        }
        for (; i < width; i++)
            out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

/* Defines NAME: x = EXPRESSION of v = x + bias, on every row. */
#define BIAS_FUNCTION(name, expression)                                                            \
    static inline void name##_row(float *restrict x, const float *restrict bias, size_t width) {   \
        size_t i = 0;                                                                              \
        for (; i + LANES <= width; i += LANES)                                                     \
            for (size_t lane = 0; lane < LANES; lane++) {                                          \
                float v = x[i + lane] + bias[i + lane];                                            \
                x[i + lane] = (expression);                                                        \
            }                                                                                      \
        for (; i < width; i++) {                                                                   \
            float v = x[i] + bias[i];                                                              \
            x[i] = (expression);                                                                   \
        }                                                                                          \
    }                                                                                              \
    void name(float *x, size_t rows, size_t width, const float *bias) {                            \
        for (size_t row = 0; row < rows; row++)                                                    \
            name##_row(x + row * width, bias, width);                                              \
    }

BIAS_FUNCTION(pix_bias_add, v)
BIAS_FUNCTION(pix_bias_quick_gelu, quick_gelu(v))
BIAS_FUNCTION(pix_bias_exact_gelu, exact_gelu(v))

void pix_exp(float *x, size_t size) {
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] = exponential(x[i + lane]);
    for (; i < size; i++)
        x[i] = exponential(x[i]);
}

static float row_maximum(const float *x, size_t size) {
    float largest[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        largest[lane] = x[0];
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            largest[lane] = x[i + lane] > largest[lane] ? x[i + lane] : largest[lane];
    for (; i < size; i++)
        largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    for (size_t lane = 1; lane < LANES; lane++)
        largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    return largest[0];
}

void pix_softmax(float *x, size_t size) {
    float largest = row_maximum(x, size);
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] = exponential(x[i + lane] - largest);
    for (; i < size; i++)
        x[i] = exponential(x[i] - largest);
    float scale = 1.0f / row_sum(x, size);
    for (i = 0; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] *= scale;
    for (; i < size; i++)
        x[i] *= scale;
}
