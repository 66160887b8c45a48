#include "core/tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "core/tensor/finish.h"
#include "core/tensor/quantise.h"
#include "core/tensor/rows.h"

/* Tiles of 14 x 32: 28 registers of sums, two of weights and one of activations. */
enum { ROWS = 14, WIDTH = 2 * PIX_PANEL };

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define AVX512VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

#define PREFETCH_BOTH                                                                              \
    _mm_prefetch(l_ahead, _MM_HINT_T1);                                                            \
    _mm_prefetch(r_ahead, _MM_HINT_T1);                                                            \
    l_ahead += ahead->step;                                                                        \
    r_ahead += ahead->step;

AVX512 PIX_INLINE void f32_rows(const int rows, const float *x, size_t inputs,
                                const float *const *panels, const pix_ahead *ahead, float *sums) {
    __m512 left[ROWS], right[ROWS];
    const float *l = panels[0], *r = panels[1];
    const char *l_ahead = ahead->panels[0], *r_ahead = ahead->panels[1];
    PIX_EACH_ROW {
        left[row] = right[row] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < inputs; i++, l += PIX_PANEL, r += PIX_PANEL) {
        PREFETCH_BOTH
        __m512 l_weights = _mm512_loadu_ps(l), r_weights = _mm512_loadu_ps(r);
        PIX_EACH_ROW {
            __m512 value = _mm512_set1_ps(x[row * PIX_F32_STRIDE + i]);
            left[row] = _mm512_fmadd_ps(value, l_weights, left[row]);
            right[row] = _mm512_fmadd_ps(value, r_weights, right[row]);
        }
    }
    PIX_EACH_ROW {
        _mm512_storeu_ps(sums + row * WIDTH, left[row]);
        _mm512_storeu_ps(sums + row * WIDTH + PIX_PANEL, right[row]);
    }
}

AVX512 static void f32_tile(int rows, const float *x, size_t inputs, const float *const *panels,
                            const pix_ahead *ahead, float *sums) {
    PIX_UP_TO_14_ROWS(f32_rows, rows, x, inputs, panels, ahead, sums);
}

/* 4 consecutive codes in every lane. */
#define BROADCAST(codes) _mm512_set1_epi32(pix_load_int32(codes))

/* Unsigned codes are x + 128, so sum((x + 128) w) - 128 sum(w) = sum(x w): the sums start at what
 * has to be taken away.  They wrap around on the way, as integers modulo 2^32 may. */
AVX512VNNI PIX_INLINE void vnni_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                     const pix_int8_panel *panels, const pix_ahead *ahead,
                                     int32_t *sums) {
    __m512i left[ROWS], right[ROWS];
    const int8_t *l = panels[0].codes, *r = panels[1].codes;
    const char *l_ahead = ahead->panels[0], *r_ahead = ahead->panels[1];
    __m512i l_start = _mm512_slli_epi32(_mm512_loadu_si512(panels[0].sums), 7);
    __m512i r_start = _mm512_slli_epi32(_mm512_loadu_si512(panels[1].sums), 7);
    PIX_EACH_ROW {
        left[row] = _mm512_sub_epi32(_mm512_setzero_si512(), l_start);
        right[row] = _mm512_sub_epi32(_mm512_setzero_si512(), r_start);
    }
    for (size_t i = 0; i < groups; i++, x += 4, l += PIX_GROUP, r += PIX_GROUP) {
        PREFETCH_BOTH
        __m512i l_weights = _mm512_loadu_si512(l), r_weights = _mm512_loadu_si512(r);
        PIX_EACH_ROW {
            __m512i four = BROADCAST(x + row * stride);
            left[row] = _mm512_dpbusd_epi32(left[row], four, l_weights);
            right[row] = _mm512_dpbusd_epi32(right[row], four, r_weights);
        }
    }
    PIX_EACH_ROW {
        _mm512_storeu_si512(sums + row * WIDTH, left[row]);
        _mm512_storeu_si512(sums + row * WIDTH + PIX_PANEL, right[row]);
    }
}

AVX512VNNI static void vnni_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                                 const pix_int8_panel *panels, const pix_ahead *ahead,
                                 int32_t *sums) {
    PIX_UP_TO_14_ROWS(vnni_rows, rows, x, stride, groups, panels, ahead, sums);
}

/* Without VNNI: |x| is unsigned and w takes the sign of x, so that vpmaddubsw's sums of two
 * products, at most 2 * 127 * 127 = 32258, fit its int16. */
AVX512 PIX_INLINE __m512i add_products(__m512i sum, __m512i magnitude, __mmask64 negative,
                                       __m512i weights) {
    weights = _mm512_mask_sub_epi8(weights, negative, _mm512_setzero_si512(), weights);
    __m512i pairs = _mm512_maddubs_epi16(magnitude, weights);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

enum { INT8_ROWS = 12 };

AVX512 PIX_INLINE void int8_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                 const pix_int8_panel *panels, const pix_ahead *ahead,
                                 int32_t *sums) {
    __m512i left[INT8_ROWS], right[INT8_ROWS];
    const int8_t *l = panels[0].codes, *r = panels[1].codes;
    const char *l_ahead = ahead->panels[0], *r_ahead = ahead->panels[1];
    PIX_EACH_ROW {
        left[row] = right[row] = _mm512_setzero_si512();
    }
    for (size_t i = 0; i < groups; i++, x += 4, l += PIX_GROUP, r += PIX_GROUP) {
        PREFETCH_BOTH
        __m512i l_weights = _mm512_loadu_si512(l), r_weights = _mm512_loadu_si512(r);
        PIX_EACH_ROW {
            __m512i four = BROADCAST(x + row * stride);
            __m512i magnitude = _mm512_abs_epi8(four);
            __mmask64 negative = _mm512_movepi8_mask(four);
            left[row] = add_products(left[row], magnitude, negative, l_weights);
            right[row] = add_products(right[row], magnitude, negative, r_weights);
        }
    }
    PIX_EACH_ROW {
        _mm512_storeu_si512(sums + row * WIDTH, left[row]);
        _mm512_storeu_si512(sums + row * WIDTH + PIX_PANEL, right[row]);
    }
}

AVX512 static void int8_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                             const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_12_ROWS(int8_rows, rows, x, stride, groups, panels, ahead, sums);
}

AVX512 static void f32_finish(const pix_finish *finish, const float *sums) {
    pix_tile_finish(finish, sums, NULL);
}

AVX512 static void int8_finish(const pix_finish *finish, const int32_t *sums) {
    pix_tile_finish(finish, NULL, sums);
}

AVX512 static float quantise(const float *x, size_t count, uint8_t offset, uint8_t *codes) {
    return pix_row_quantise(x, count, offset, codes);
}

static bool avx512_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool vnni_supported(void) {
    return avx512_supported() && __builtin_cpu_supports("avx512vnni");
}

const pix_kernels pix_kernels_avx512 = {
    .name = "avx512",
    .supported = avx512_supported,
    .f32_rows = ROWS,
    .f32_panels = 2,
    .f32_tile = f32_tile,
    .f32_finish = f32_finish,
    .int8_rows = INT8_ROWS,
    .int8_panels = 2,
    .int8_tile = int8_tile,
    .int8_finish = int8_finish,
    .quantise = quantise,
};

const pix_kernels pix_kernels_avx512vnni = {
    .name = "avx512vnni",
    .supported = vnni_supported,
    .f32_rows = ROWS,
    .f32_panels = 2,
    .f32_tile = f32_tile,
    .f32_finish = f32_finish,
    .int8_rows = ROWS,
    .int8_panels = 2,
    .int8_offset = 128,
    .int8_tile = vnni_tile,
    .int8_finish = int8_finish,
    .quantise = quantise,
};

#endif
