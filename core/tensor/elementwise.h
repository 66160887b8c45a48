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

/* v / (1 + 2^t), which is what both GELUs are: v times a logistic function.  2^t is 2^n 2^f with n
 * = round(t); the polynomial is the one of degree 5 with the least relative error on [-1/2, 1/2],
 * 9.2e-8, that is 1 at 0.  t is cut to [-126, 128], where 2^t is the least normal number and
 * infinity; cut as integers, see above, a NaN ends as one of both, but then v is NaN, too. */
PIX_INLINE float pix_gate(float v, float t) {
    const float round_bias = 12582912.0f; /* 1.5 * 2^23: adding it leaves n in the low bits */
    const int32_t highest = 0x43000000;   /* 128.0f */
    const uint32_t lowest = 0xC2FC0000;   /* -126.0f: of negative numbers, less is more */
    int32_t high = (int32_t)pix_bits_of(t);
    high = high < highest ? high : highest;
    uint32_t low = (uint32_t)high;
    low = low < lowest ? low : lowest;
    t = pix_float_of(low);
    float biased = t + round_bias;
    float f = t - (biased - round_bias);
    float p = 1.326472731e-3f;
    p = p * f + 9.671512991e-3f;
    p = p * f + 5.550733581e-2f;
    p = p * f + 2.402224243e-1f;
    p = p * f + 6.931470037e-1f;
    p = p * f + 1.0f;
    return v / (1.0f + pix_float_of(pix_bits_of(p) + (pix_bits_of(biased) << 23)));
}

/* v * sigmoid(1.702 v). */
PIX_INLINE float pix_quick_gelu(float v) {
    return pix_gate(v, v * -2.455466957f); /* 1.702 / ln 2 */
}

/* v * Phi(v), with Phi(v) = 1 / (1 + 2^t(v)): the odd polynomial in place of t = log2(Phi(-v) /
 * Phi(v)) is the one of degree 13 with the least error in v * Phi(v), 6.7e-8. */
PIX_INLINE float pix_exact_gelu(float v) {
    float square = v * v;
    float q = 5.2099076e-9f;
    q = q * square - 3.8504496e-7f;
    q = q * square + 1.14524291e-5f;
    q = q * square - 1.59389412e-4f;
    q = q * square - 9.5592957e-5f;
    q = q * square + 1.0483858e-1f;
    q = q * square + 2.30220723f;
    return pix_gate(v, -v * q);
}

#endif
