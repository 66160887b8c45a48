/* Four pixels at a time.  A weight is two halves of 11 bits, w = high * 2^11 + low, because the
 * instruction that multiplies and adds pairs (vpmaddwd) takes 16 bits. */
#include "core/image/loops.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum { TAPS = 4, HALF = 11 };

static bool supported(void) {
    return __builtin_cpu_supports("avx2");
}

/* Four low halves, four high halves. */
static void pack(const int32_t *weights, uint8_t *group) {
    int16_t halves[2 * TAPS];
    for (size_t i = 0; i < TAPS; i++) {
        halves[i] = (int16_t)(weights[i] & ((1 << HALF) - 1));
        halves[TAPS + i] = (int16_t)(weights[i] >> HALF);
    }
    memcpy(group, halves, sizeof halves);
}

/* Spreads four pixels, given in both halves of a register, to 16-bit samples: for every channel
 * those of pixels 0, 1, 2, 3. */
AVX2 static __m256i spread_control(int channels) {
    uint8_t control[32];
    for (int i = 0; i < 32; i++) {
        int channel = i / 8, pixel = i % 8 / 2;
        bool there = i % 2 == 0 && channel < channels;
        control[i] = (uint8_t)(there ? pixel * channels + channel : 0x80);
    }
    return _mm256_loadu_si256((const __m256i *)control);
}

/* Four 16-bit weights, for every channel. */
AVX2 static __m256i load_weights(const uint8_t *from) {
    int64_t weights;
    memcpy(&weights, from, sizeof weights);
    return _mm256_set1_epi64x(weights);
}

/* Two sums of each channel, side by side, into a sample of each. */
AVX2 static uint32_t finish(__m256i sums) {
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xB1));
    sums = _mm256_add_epi32(sums, _mm256_set1_epi32(1 << (PIX_PRECISION - 1)));
    sums = _mm256_srai_epi32(sums, PIX_PRECISION);
    __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    __m128i bytes = _mm_packus_epi16(words, words);
    return (uint32_t)_mm_cvtsi128_si32(
        _mm_shuffle_epi8(bytes, _mm_setr_epi8(0, 2, 4, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
}

AVX2 static void squeeze(const pix_windows *w, int from, int to, const uint8_t *row, uint8_t *out) {
    size_t channels = (size_t)w->channels;
    const __m256i control = spread_control(w->channels);
    for (int i = from; i < to; i++) {
        const uint8_t *samples = row + (size_t)w->starts[i] * channels;
        const uint8_t *weights = w->packed + (size_t)i * w->stride;
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int group = 0; group < w->groups[i]; group++) {
            __m128i pixels = _mm_loadu_si128((const __m128i *)samples);
            __m256i spread = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(pixels), control);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(spread, load_weights(weights)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(spread, load_weights(weights + 8)));
            samples += TAPS * channels;
            weights += 16;
        }
        uint32_t pixel = finish(_mm256_add_epi32(low, _mm256_slli_epi32(high, HALF)));
        memcpy(out + (size_t)i * channels, &pixel, sizeof pixel);
    }
}

AVX2 static __m256i blend8(const uint8_t *samples, __m256i weight, __m256i sums) {
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)samples));
    return _mm256_add_epi32(sums, _mm256_mullo_epi32(wide, weight));
}

AVX2 static void blend(const uint8_t *const *rows, const int32_t *weights, int taps, size_t count,
                       uint8_t *out) {
    enum { LANES = 32 };
    for (size_t from = 0; from < count; from += LANES) {
        __m256i sums[4];
        for (int i = 0; i < 4; i++)
            sums[i] = _mm256_set1_epi32(1 << (PIX_PRECISION - 1));
        for (int tap = 0; tap < taps; tap++) {
            __m256i weight = _mm256_set1_epi32(weights[tap]);
            for (int i = 0; i < 4; i++)
                sums[i] = blend8(rows[tap] + from + (size_t)i * 8, weight, sums[i]);
        }
        for (int i = 0; i < 4; i++)
            sums[i] = _mm256_srai_epi32(sums[i], PIX_PRECISION);
        __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]),
                                            _mm256_packs_epi32(sums[2], sums[3]));
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        _mm256_storeu_si256((__m256i *)(out + from), _mm256_permutevar8x32_epi32(bytes, order));
    }
}

const pix_loops pix_loops_avx2 = {.name = "avx2",
                                  .supported = supported,
                                  .taps = TAPS,
                                  .group_size = 16,
                                  .reach = 16,
                                  .pack = pack,
                                  .squeeze = squeeze,
                                  .blend = blend};

#endif
