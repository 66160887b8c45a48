/* quantise.h - a row of floats becomes int8 codes and a scale, alike on every CPU.
 *
 * Private to core/tensor; inlined into every instruction set's kernels, as elementwise.h.
 * scale = m / 127 with m the largest magnitude; code = x * (127 / m), a float32 product, rounded to
 * the nearest integer, halves to even.  Codes are -127..127.  A row whose m is below 2^-100 counts
 * as zeros and has scale 0; one with an infinity or a NaN has scale NaN and codes of 0, so that all
 * that is computed of it is NaN. */
#ifndef PIX_TENSOR_QUANTISE_H
#define PIX_TENSOR_QUANTISE_H

#include <stddef.h>

#include "core/tensor/elementwise.h"
#include "core/tensor/kernels.h"

typedef struct pix_row_range {
    float scale, inverse; /* both 0 for zeros; NaN and 0 beside an infinity or a NaN */
} pix_row_range;

/* Magnitudes are compared as the integers their bits are: in any order, and NaN is the largest. */
PIX_INLINE pix_row_range pix_row_range_of(const float *x, size_t count) {
    int32_t largest[PIX_LANES] = {0};
    size_t i = 0;
    for (; i + PIX_LANES <= count; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++) {
            int32_t magnitude = (int32_t)(pix_bits_of(x[i + lane]) & 0x7FFFFFFF);
            largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
        }
    for (size_t lane = 0; i < count; i++, lane++) {
        int32_t magnitude = (int32_t)(pix_bits_of(x[i]) & 0x7FFFFFFF);
        largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
    }
    int32_t most = 0;
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        most = largest[lane] > most ? largest[lane] : most;
    if (most >= 0x7F800000)
        return (pix_row_range){.scale = NAN};
    float m = pix_float_of((uint32_t)most);
    if (m < 0x1p-100f)
        return (pix_row_range){0};
    return (pix_row_range){.scale = m / 127.0f, .inverse = 127.0f / m};
}

PIX_INLINE void pix_lanes_codes(const float *x, float inverse, pix_code code, uint8_t *codes) {
    const float round_bias =
        12582912.0f; /* 1.5 * 2^23: adding it leaves the integer in the low bits */
    int16_t words[PIX_LANES];
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        words[lane] = (int16_t)pix_bits_of(x[lane] * inverse + round_bias);
    if (code == PIX_CODE_WORD)
        memcpy(codes, words, sizeof words);
    else
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            codes[lane] = (uint8_t)(words[lane] + (code == PIX_CODE_UNSIGNED ? 128 : 0));
}

/* All codes, with zeros up to a multiple of 16. */
PIX_INLINE void pix_row_codes(const float *x, size_t count, float inverse, pix_code code,
                              uint8_t *codes) {
    static const float zeros[PIX_LANES];
    size_t lanes_bytes = code == PIX_CODE_WORD ? 2 * PIX_LANES : PIX_LANES;
    for (size_t i = 0; i < count; i += PIX_LANES, codes += lanes_bytes) {
        float last[PIX_LANES] = {0};
        const float *values = x + i;
        if (inverse == 0)
            values = zeros; /* NaN times 0 is not 0 */
        else if (count - i < PIX_LANES)
            values = memcpy(last, x + i, (count - i) * sizeof *x);
        pix_lanes_codes(values, inverse, code, codes);
    }
}

PIX_INLINE float pix_row_quantise(const float *x, size_t count, pix_code code, uint8_t *codes) {
    pix_row_range range = pix_row_range_of(x, count);
    pix_row_codes(x, count, range.inverse, code, codes);
    return range.scale;
}

#endif
