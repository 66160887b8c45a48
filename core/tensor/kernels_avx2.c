#include "core/tensor/kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "core/tensor/finish.h"
#include "core/tensor/loops.h"
#include "core/tensor/quantise.h"
#include "core/tensor/rows.h"

#define AVX2 __attribute__((target("avx2,fma")))
#define AVXVNNI __attribute__((target("avx2,fma,avxvnni")))

/* A panel of 16 channels is two registers, of 8 channels each. */
enum { ROWS = 6, HALF = PIX_PANEL / 2 };

#define PREFETCH                                                                                   \
    _mm_prefetch(next, _MM_HINT_T1);                                                               \
    next += ahead->step;

AVX2 PIX_INLINE void f32_rows(const int rows, const float *x, size_t inputs,
                              const float *const *panels, const pix_ahead *ahead, float *sums) {
    __m256 low[ROWS], high[ROWS];
    const float *weights = panels[0];
    const char *next = ahead->panels[0];
    PIX_EACH_ROW {
        low[row] = high[row] = _mm256_setzero_ps();
    }
    for (size_t i = 0; i < inputs; i++, weights += PIX_PANEL) {
        PREFETCH
        __m256 low_weights = _mm256_loadu_ps(weights);
        __m256 high_weights = _mm256_loadu_ps(weights + HALF);
        PIX_EACH_ROW {
            __m256 value = _mm256_broadcast_ss(x + row * PIX_F32_STRIDE + i);
            low[row] = _mm256_fmadd_ps(value, low_weights, low[row]);
            high[row] = _mm256_fmadd_ps(value, high_weights, high[row]);
        }
    }
    PIX_EACH_ROW {
        _mm256_storeu_ps(sums + row * PIX_PANEL, low[row]);
        _mm256_storeu_ps(sums + row * PIX_PANEL + HALF, high[row]);
    }
}

AVX2 static void f32_tile(int rows, const float *x, size_t inputs, const float *const *panels,
                          const pix_ahead *ahead, float *sums) {
    PIX_UP_TO_6_ROWS(f32_rows, rows, x, inputs, panels, ahead, sums);
}

#define LOAD(address) _mm256_loadu_si256((const __m256i *)(const void *)(address))
#define STORE(address, value) _mm256_storeu_si256((__m256i *)(void *)(address), value)

AVX2 PIX_INLINE __m256i widened(const int8_t *codes) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)codes));
}

/* 8 channels of a panel, in words: vpmaddubsw, which multiplies bytes, saturates.  A register of
 * weights is 4 channels of 4 inputs, so every channel has two sums until the end. */
AVX2 PIX_INLINE void word_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                               const int8_t *weights, const char *next, size_t step,
                               int32_t *sums) {
    __m256i low[ROWS], high[ROWS];
    PIX_EACH_ROW {
        low[row] = high[row] = _mm256_setzero_si256();
    }
    for (size_t i = 0; i < groups; i++, x += 8, weights += PIX_GROUP, next += step) {
        _mm_prefetch(next, _MM_HINT_T1);
        __m256i low_weights = widened(weights), high_weights = widened(weights + 16);
        PIX_EACH_ROW {
            int64_t eight;
            memcpy(&eight, x + row * stride, sizeof eight);
            __m256i codes = _mm256_set1_epi64x(eight);
            low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(codes, low_weights));
            PIX_KEEP(low[row]);
            high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(codes, high_weights));
            PIX_KEEP(high[row]);
        }
    }
    PIX_EACH_ROW {
        __m256i pairs = _mm256_hadd_epi32(low[row], high[row]); /* channels 0 1 4 5, 2 3 6 7 */
        STORE(sums + row * PIX_PANEL, _mm256_permute4x64_epi64(pairs, 0xD8));
    }
}

AVX2 PIX_INLINE void int8_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                               const pix_int8_panel *panels, const pix_ahead *ahead,
                               int32_t *sums) {
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    word_rows(rows, x, stride, groups, weights, next, ahead->step, sums);
    word_rows(rows, x, stride, groups, weights + PIX_GROUP / 2, next, 0, sums + HALF);
}

AVX2 static void int8_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                           const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_6_ROWS(int8_rows, rows, x, stride, groups, panels, ahead, sums);
}

/* Unsigned codes are x + 128, so sum((x + 128) w) - 128 sum(w) = sum(x w): the sums start at what
 * has to be taken away.  They wrap around on the way, as integers modulo 2^32 may. */
/* 4 consecutive codes in every lane. */
#define BROADCAST(codes) _mm256_set1_epi32(pix_load_int32(codes))

AVXVNNI PIX_INLINE void vnni_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                  const pix_int8_panel *panels, const pix_ahead *ahead,
                                  int32_t *sums) {
    __m256i low[ROWS], high[ROWS];
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    __m256i low_start = _mm256_slli_epi32(LOAD(panels[0].sums), 7);
    __m256i high_start = _mm256_slli_epi32(LOAD(panels[0].sums + HALF), 7);
    PIX_EACH_ROW {
        low[row] = _mm256_sub_epi32(_mm256_setzero_si256(), low_start);
        high[row] = _mm256_sub_epi32(_mm256_setzero_si256(), high_start);
    }
    for (size_t i = 0; i < groups; i++, x += 4, weights += PIX_GROUP) {
        PREFETCH
        __m256i low_weights = LOAD(weights), high_weights = LOAD(weights + PIX_GROUP / 2);
        PIX_EACH_ROW {
            __m256i four = BROADCAST(x + row * stride);
            low[row] = _mm256_dpbusd_avx_epi32(low[row], four, low_weights);
            high[row] = _mm256_dpbusd_avx_epi32(high[row], four, high_weights);
        }
    }
    PIX_EACH_ROW {
        STORE(sums + row * PIX_PANEL, low[row]);
        STORE(sums + row * PIX_PANEL + HALF, high[row]);
    }
}

AVXVNNI static void vnni_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                              const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_6_ROWS(vnni_rows, rows, x, stride, groups, panels, ahead, sums);
}

AVX2 static void f32_finish(const pix_finish *finish, const float *sums) {
    pix_tile_finish(finish, sums, NULL);
}

AVX2 static void int8_finish(const pix_finish *finish, const int32_t *sums) {
    pix_tile_finish(finish, NULL, sums);
}

AVX2 static float quantise(const float *x, size_t count, uint8_t *codes) {
    return pix_row_quantise(x, count, PIX_CODE_UNSIGNED, codes);
}

AVX2 static float quantise_words(const float *x, size_t count, uint8_t *codes) {
    return pix_row_quantise(x, count, PIX_CODE_WORD, codes);
}

PIX_DEFINE_LOOPS(AVX2)

static bool avx2_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Asked of the CPU itself: not every compiler knows the name. */
static bool vnni_supported(void) {
    unsigned a, b, c, d;
    return avx2_supported() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

const pix_kernels pix_kernels_avx2 = {
    .name = "avx2",
    .supported = avx2_supported,
    .f32_rows = ROWS,
    .f32_panels = 1,
    .f32_tile = f32_tile,
    .f32_finish = f32_finish,
    .int8_rows = ROWS,
    .int8_panels = 1,
    .int8_code = PIX_CODE_WORD,
    .int8_tile = int8_tile,
    .int8_finish = int8_finish,
    .quantise = quantise_words,
    .loops = &loops,
};

const pix_kernels pix_kernels_avxvnni = {
    .name = "avxvnni",
    .supported = vnni_supported,
    .f32_rows = ROWS,
    .f32_panels = 1,
    .f32_tile = f32_tile,
    .f32_finish = f32_finish,
    .int8_rows = ROWS,
    .int8_panels = 1,
    .int8_code = PIX_CODE_UNSIGNED,
    .int8_tile = vnni_tile,
    .int8_finish = int8_finish,
    .quantise = quantise,
    .loops = &loops,
};

#endif
