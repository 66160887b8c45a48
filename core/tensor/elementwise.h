/* elementwise.h - e^x and the activations, one value at a time, for loops over fixed lanes.
 *
 * Private to core/tensor.  Every function is inlined where it is called, so that a caller compiled
 * for a wider instruction set makes it wide.  No step may be fused with another (the build says
 * -ffp-contract=off), so every width gives the same bits. */
#ifndef PIX_TENSOR_ELEMENTWISE_H
#define PIX_TENSOR_ELEMENTWISE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Values worked on side by side: one register of AVX-512, two of AVX2, four of SSE2. */
enum { PIX_LANES = 16 };

#define PIX_INLINE static inline __attribute__((always_inline))

PIX_INLINE uint32_t pix_bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

PIX_INLINE float pix_float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* x cut to [-106, 106]; NaN stays.  Comparing as integers is what lets the loops vectorise: a float
 * comparison may trap. */
PIX_INLINE float pix_exponent_clamp(float x) {
    const int32_t limit = 0x42D40000; /* 106.0f */
    int32_t magnitude = (int32_t)(pix_bits_of(x) & 0x7FFFFFFF);
    int32_t too_large = (magnitude > limit) & (magnitude <= 0x7F800000);
    magnitude = too_large ? limit : magnitude;
    return pix_float_of((pix_bits_of(x) & 0x80000000) | (uint32_t)magnitude);
}

/* e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2.  The polynomial is that of Cephes
 * (S. Moshier, expf.c); ln 2 in two parts keeps r exact; 2^n in two factors reaches the subnormals.
 */
PIX_INLINE float pix_exponential(float x) {
    const float round_bias = 12582912.0f; /* 1.5 * 2^23: adding it leaves n in the low bits */
    x = pix_exponent_clamp(x);
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
    uint32_t n = pix_bits_of(biased) - pix_bits_of(round_bias) + 256;
    uint32_t half = n >> 1;
    return p * pix_float_of((half - 1) << 23) * pix_float_of((n - half - 1) << 23);
}

PIX_INLINE float pix_quick_gelu(float v) {
    return v / (1.0f + pix_exponential(-1.702f * v));
}

PIX_INLINE float pix_exact_gelu(float v) {
    return 0.5f * v * (1.0f + erff(v * 0.70710678118654752f));
}

#endif
