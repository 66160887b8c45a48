#include "core/tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "core/tensor/finish.h"
#include "core/tensor/loops.h"
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

enum { WORD_ROWS = 12 };

AVX512 PIX_INLINE __m512i widened(const int8_t *codes) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)codes));
}

/* The sums of 8 channels, one in each 64 bits, from two each. */
AVX512 PIX_INLINE __m256i channels(__m512i pairs) {
    return _mm512_cvtepi64_epi32(_mm512_add_epi32(pairs, _mm512_srli_epi64(pairs, 32)));
}

/* Without VNNI, in words: vpmaddubsw, which multiplies bytes, saturates.  A register of weights is
 * 8 channels of 4 inputs, so every channel has two sums until the end. */
AVX512 PIX_INLINE void word_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                 const pix_int8_panel *panels, const pix_ahead *ahead,
                                 int32_t *sums) {
    __m512i low[WORD_ROWS], high[WORD_ROWS];
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    PIX_EACH_ROW {
        low[row] = high[row] = _mm512_setzero_si512();
    }
    for (size_t i = 0; i < groups; i++, x += 8, weights += PIX_GROUP, next += ahead->step) {
        _mm_prefetch(next, _MM_HINT_T1);
        __m512i low_weights = widened(weights), high_weights = widened(weights + PIX_GROUP / 2);
        PIX_EACH_ROW {
            int64_t eight;
            memcpy(&eight, x + row * stride, sizeof eight);
            __m512i codes = _mm512_set1_epi64(eight);
            low[row] = _mm512_add_epi32(low[row], _mm512_madd_epi16(codes, low_weights));
            PIX_KEEP(low[row]);
            high[row] = _mm512_add_epi32(high[row], _mm512_madd_epi16(codes, high_weights));
            PIX_KEEP(high[row]);
        }
    }
    PIX_EACH_ROW {
        int32_t *out = sums + row * PIX_PANEL;
        _mm256_storeu_si256((__m256i *)(void *)out, channels(low[row]));
        _mm256_storeu_si256((__m256i *)(void *)(out + PIX_PANEL / 2), channels(high[row]));
    }
}

AVX512 static void word_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                             const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_12_ROWS(word_rows, rows, x, stride, groups, panels, ahead, sums);
}

AVX512 static void f32_finish(const pix_finish *finish, const float *sums) {
    pix_tile_finish(finish, sums, NULL);
}

AVX512 static void int8_finish(const pix_finish *finish, const int32_t *sums) {
    pix_tile_finish(finish, NULL, sums);
}

AVX512 static float quantise(const float *x, size_t count, uint8_t *codes) {
    return pix_row_quantise(x, count, PIX_CODE_UNSIGNED, codes);
}

AVX512 static float quantise_words(const float *x, size_t count, uint8_t *codes) {
    return pix_row_quantise(x, count, PIX_CODE_WORD, codes);
}

PIX_DEFINE_LOOPS(AVX512)

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
    .int8_rows = WORD_ROWS,
    .int8_panels = 1,
    .int8_code = PIX_CODE_WORD,
    .int8_tile = word_tile,
    .int8_finish = int8_finish,
    .quantise = quantise_words,
    .loops = &loops,
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
    .int8_code = PIX_CODE_UNSIGNED,
    .int8_tile = vnni_tile,
    .int8_finish = int8_finish,
    .quantise = quantise,
    .loops = &loops,
};

#endif
