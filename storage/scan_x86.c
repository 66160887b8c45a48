#include "storage/scan_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVXVNNI __attribute__((target("avx2,avxvnni")))
#define AVX512VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

PIX_SCAN_INLINE int32_t four_bytes(const void *bytes) {
    int32_t four;
    memcpy(&four, bytes, sizeof four);
    return four;
}

PIX_SCAN_INLINE int64_t eight_bytes(const void *bytes) {
    int64_t eight;
    memcpy(&eight, bytes, sizeof eight);
    return eight;
}

/* vpdpbusd multiplies unsigned codes by signed ones, exactly: once by the high halves of the query
 * and once by the low ones.  Lines take turns at two sums, so that one need not wait for another.
 */
AVX512VNNI PIX_SCAN_INLINE bool scan_512(const int count, const uint8_t *block, size_t lines,
                                         const pix_scan_query *queries, uint32_t seed,
                                         int32_t *sums) {
    __m512i high[2][PIX_SCAN_QUERIES], low[2][PIX_SCAN_QUERIES];
    PIX_EACH_QUERY {
        high[0][q] = high[1][q] = low[0][q] = low[1][q] = _mm512_setzero_si512();
    }
    __m512i check = _mm512_add_epi32(_mm512_set1_epi32((int)pix_check_start(seed)),
                                     _mm512_loadu_si512(pix_check_columns));
    for (size_t i = 0; i < lines; i += 2)
        for (size_t turn = 0; turn < 2; turn++, block += PIX_LINE) {
            _mm_prefetch((const char *)block + PIX_SCAN_AHEAD, _MM_HINT_T0);
            __m512i line = _mm512_loadu_si512(block);
            check = _mm512_rol_epi32(_mm512_add_epi32(check, line), 7);
            PIX_EACH_QUERY {
                const size_t at = 4 * (i + turn);
                high[turn][q] = _mm512_dpbusd_epi32(
                    high[turn][q], line, _mm512_set1_epi32(four_bytes(queries[q].high + at)));
                low[turn][q] = _mm512_dpbusd_epi32(
                    low[turn][q], line, _mm512_set1_epi32(four_bytes(queries[q].low + at)));
            }
        }
    for (size_t i = 0; i < PIX_BLOCK_FACTS; i++, block += PIX_LINE) {
        _mm_prefetch((const char *)block + PIX_SCAN_AHEAD, _MM_HINT_T0);
        check = _mm512_rol_epi32(_mm512_add_epi32(check, _mm512_loadu_si512(block)), 7);
    }
    PIX_EACH_QUERY {
        __m512i all =
            _mm512_add_epi32(_mm512_slli_epi32(_mm512_add_epi32(high[0][q], high[1][q]), 8),
                             _mm512_sub_epi32(_mm512_add_epi32(low[0][q], low[1][q]),
                                              _mm512_set1_epi32(queries[q].offset)));
        _mm512_storeu_si512(sums + q * PIX_BLOCK, all);
    }
    return _mm512_cmpeq_epi32_mask(check, _mm512_loadu_si512(block)) == 0xFFFF;
}

AVX512VNNI bool pix_scan_avx512vnni(const uint8_t *block, size_t lines,
                                    const pix_scan_query *queries, size_t count, uint32_t seed,
                                    int32_t *sums){
    PIX_SCAN_CASES(scan_512, count, block, lines, queries, seed, sums)}

AVX2 PIX_SCAN_INLINE __m256i half_line(const uint8_t *block, size_t half) {
    return _mm256_loadu_si256((const __m256i *)(const void *)(block + 32 * half));
}

AVX2 PIX_SCAN_INLINE __m256i check_step(__m256i check, __m256i line) {
    __m256i sum = _mm256_add_epi32(check, line);
    return _mm256_or_si256(_mm256_slli_epi32(sum, 7), _mm256_srli_epi32(sum, 25));
}

AVX2 PIX_SCAN_INLINE void check_begin(uint32_t seed, __m256i check[2]) {
    for (size_t half = 0; half < 2; half++)
        check[half] = _mm256_add_epi32(_mm256_set1_epi32((int)pix_check_start(seed)),
                                       half_line((const uint8_t *)pix_check_columns, half));
}

/* The lines after the codes. */
AVX2 PIX_SCAN_INLINE bool check_end(__m256i check[2], const uint8_t *block) {
    for (size_t i = 0; i < PIX_BLOCK_FACTS; i++, block += PIX_LINE) {
        _mm_prefetch((const char *)block + PIX_SCAN_AHEAD, _MM_HINT_T0);
        for (size_t half = 0; half < 2; half++)
            check[half] = check_step(check[half], half_line(block, half));
    }
    __m256i same = _mm256_and_si256(_mm256_cmpeq_epi32(check[0], half_line(block, 0)),
                                    _mm256_cmpeq_epi32(check[1], half_line(block, 1)));
    return _mm256_movemask_epi8(same) == -1;
}

AVXVNNI PIX_SCAN_INLINE bool scan_256(const int count, const uint8_t *block, size_t lines,
                                      const pix_scan_query *queries, uint32_t seed, int32_t *sums) {
    __m256i high[2][PIX_SCAN_QUERIES], low[2][PIX_SCAN_QUERIES], check[2];
    PIX_EACH_QUERY {
        high[0][q] = high[1][q] = low[0][q] = low[1][q] = _mm256_setzero_si256();
    }
    check_begin(seed, check);
    for (size_t i = 0; i < lines; i++, block += PIX_LINE) {
        _mm_prefetch((const char *)block + PIX_SCAN_AHEAD, _MM_HINT_T0);
        for (size_t half = 0; half < 2; half++) {
            __m256i line = half_line(block, half);
            check[half] = check_step(check[half], line);
            PIX_EACH_QUERY {
                high[half][q] = _mm256_dpbusd_avx_epi32(
                    high[half][q], line, _mm256_set1_epi32(four_bytes(queries[q].high + 4 * i)));
                low[half][q] = _mm256_dpbusd_avx_epi32(
                    low[half][q], line, _mm256_set1_epi32(four_bytes(queries[q].low + 4 * i)));
            }
        }
    }
    PIX_EACH_QUERY {
        for (size_t half = 0; half < 2; half++) {
            __m256i all = _mm256_add_epi32(
                _mm256_slli_epi32(high[half][q], 8),
                _mm256_sub_epi32(low[half][q], _mm256_set1_epi32(queries[q].offset)));
            _mm256_storeu_si256((__m256i *)(void *)(sums + q * PIX_BLOCK + 8 * half), all);
        }
    }
    return check_end(check, block);
}

AVXVNNI bool pix_scan_avxvnni(const uint8_t *block, size_t lines, const pix_scan_query *queries,
                              size_t count, uint32_t seed, int32_t *sums){
    PIX_SCAN_CASES(scan_256, count, block, lines, queries, seed, sums)}

/* Without VNNI codes and query are multiplied as words: vpmaddubsw, which multiplies bytes,
 * saturates.  A register holds four vectors, of each of which two sums. */
AVX2 PIX_SCAN_INLINE void store_words(const __m256i sum[4], int32_t offset, int32_t *sums) {
    for (size_t half = 0; half < 2; half++) {
        __m256i eight = _mm256_hadd_epi32(sum[2 * half], sum[2 * half + 1]);
        eight = _mm256_permute4x64_epi64(eight, _MM_SHUFFLE(3, 1, 2, 0));
        eight = _mm256_sub_epi32(eight, _mm256_set1_epi32(offset));
        _mm256_storeu_si256((__m256i *)(void *)(sums + 8 * half), eight);
    }
}

AVX2 PIX_SCAN_INLINE bool scan_words(const int count, const uint8_t *block, size_t lines,
                                     const pix_scan_query *queries, uint32_t seed, int32_t *sums) {
    __m256i sum[PIX_SCAN_QUERIES][4], check[2];
    PIX_EACH_QUERY {
        for (size_t i = 0; i < 4; i++)
            sum[q][i] = _mm256_setzero_si256();
    }
    check_begin(seed, check);
    for (size_t i = 0; i < lines; i++, block += PIX_LINE) {
        _mm_prefetch((const char *)block + PIX_SCAN_AHEAD, _MM_HINT_T0);
        for (size_t half = 0; half < 2; half++)
            check[half] = check_step(check[half], half_line(block, half));
        for (size_t quarter = 0; quarter < 4; quarter++) {
            __m256i words = _mm256_cvtepu8_epi16(
                _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * quarter)));
            PIX_EACH_QUERY {
                __m256i k = _mm256_set1_epi64x(eight_bytes(queries[q].words + 4 * i));
                sum[q][quarter] = _mm256_add_epi32(sum[q][quarter], _mm256_madd_epi16(words, k));
            }
        }
    }
    PIX_EACH_QUERY {
        store_words(sum[q], queries[q].offset, sums + q * PIX_BLOCK);
    }
    return check_end(check, block);
}

AVX2 bool pix_scan_avx2(const uint8_t *block, size_t lines, const pix_scan_query *queries,
                        size_t count, uint32_t seed, int32_t *sums) {
    PIX_SCAN_CASES(scan_words, count, block, lines, queries, seed, sums)
}

#endif
