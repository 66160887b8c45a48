/* Sixteen pixels at a time, by the instruction that adds four products of bytes (vpdpbusd).  A
 * weight is three signed bytes, w = high * 2^16 + middle * 2^8 + low. */
#include "core/image/loops.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,avx512vnni")))

enum { TAPS = 16 };

static bool supported(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
}

/* Sixteen low bytes, then the middle and the high ones. */
static void pack(const int32_t *weights, uint8_t *group) {
    for (size_t i = 0; i < TAPS; i++) {
        int32_t rest = weights[i];
        for (size_t part = 0; part < 3; part++) {
            int8_t digit = (int8_t)(uint8_t)(rest & 255);
            group[part * TAPS + i] = (uint8_t)digit;
            rest = (rest - digit) / 256;
        }
    }
}

/* Sorts sixteen pixels by channel. */
AVX512 static __m512i sort_control(int channels) {
    uint8_t control[64];
    for (int i = 0; i < 64; i++) {
        int channel = i / TAPS, pixel = i % TAPS;
        control[i] = (uint8_t)(channel < channels ? pixel * channels + channel : 0);
    }
    return _mm512_loadu_si512(control);
}

/* Sixteen weights' bytes, for every channel. */
AVX512 static __m512i load_weights(const uint8_t *from) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)from));
}

/* Four sums of each channel, side by side, into a sample of each. */
AVX512 static uint32_t finish(__m512i sums) {
    sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, _MM_PERM_BADC));
    sums = _mm512_add_epi32(sums, _mm512_shuffle_epi32(sums, _MM_PERM_CDAB));
    sums = _mm512_add_epi32(sums, _mm512_set1_epi32(1 << (PIX_PRECISION - 1)));
    sums = _mm512_srai_epi32(sums, PIX_PRECISION);
    __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(sums, _mm512_setzero_si512()));
    return (uint32_t)_mm_cvtsi128_si32(
        _mm_shuffle_epi8(bytes, _mm_setr_epi8(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
}

AVX512 static void squeeze(const pix_windows *w, int from, int to, const uint8_t *row,
                           uint8_t *out) {
    size_t channels = (size_t)w->channels;
    const __m512i control = sort_control(w->channels);
    for (int i = from; i < to; i++) {
        const uint8_t *samples = row + (size_t)w->starts[i] * channels;
        const uint8_t *weights = w->packed + (size_t)i * w->stride;
        __m512i low = _mm512_setzero_si512(), middle = low, high = low;
        for (int group = 0; group < w->groups[i]; group++) {
            __m512i sorted = _mm512_permutexvar_epi8(control, _mm512_loadu_si512(samples));
            low = _mm512_dpbusd_epi32(low, sorted, load_weights(weights));
            middle = _mm512_dpbusd_epi32(middle, sorted, load_weights(weights + TAPS));
            high = _mm512_dpbusd_epi32(high, sorted, load_weights(weights + (size_t)2 * TAPS));
            samples += TAPS * channels;
            weights += (size_t)3 * TAPS;
        }
        __m512i sums = _mm512_add_epi32(low, _mm512_slli_epi32(middle, 8));
        uint32_t pixel = finish(_mm512_add_epi32(sums, _mm512_slli_epi32(high, 16)));
        memcpy(out + (size_t)i * channels, &pixel, sizeof pixel);
    }
}

AVX512 static __m512i blend16(const uint8_t *samples, __m512i weight, __m512i sums) {
    __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)samples));
    return _mm512_add_epi32(sums, _mm512_mullo_epi32(wide, weight));
}

AVX512 static void blend(const uint8_t *const *rows, const int32_t *weights, int taps, size_t count,
                         uint8_t *out) {
    enum { LANES = 64 };
    for (size_t from = 0; from < count; from += LANES) {
        __m512i sums[4];
        for (int i = 0; i < 4; i++)
            sums[i] = _mm512_set1_epi32(1 << (PIX_PRECISION - 1));
        for (int tap = 0; tap < taps; tap++) {
            __m512i weight = _mm512_set1_epi32(weights[tap]);
            for (int i = 0; i < 4; i++)
                sums[i] = blend16(rows[tap] + from + (size_t)i * 16, weight, sums[i]);
        }
        for (int i = 0; i < 4; i++) {
            __m512i values = _mm512_srai_epi32(sums[i], PIX_PRECISION);
            values = _mm512_max_epi32(values, _mm512_setzero_si512());
            _mm_storeu_si128((__m128i *)(out + from + (size_t)i * 16),
                             _mm512_cvtusepi32_epi8(values));
        }
    }
}

const pix_loops pix_loops_avx512vnni = {.name = "avx512vnni",
                                        .supported = supported,
                                        .taps = TAPS,
                                        .group_size = (size_t)3 * TAPS,
                                        .reach = 64,
                                        .pack = pack,
                                        .squeeze = squeeze,
                                        .blend = blend};

#endif
