#include "storage/scan_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

enum { QUARTERS = 4 }; /* of a line: a register is four vectors */

PIX_SCAN_INLINE uint32x4_t check_step(uint32x4_t check, uint32x4_t line) {
    uint32x4_t sum = vaddq_u32(check, line);
    return vsriq_n_u32(vshlq_n_u32(sum, 7), sum, 25);
}

PIX_SCAN_INLINE void check_begin(uint32_t seed, uint32x4_t check[QUARTERS]) {
    for (size_t i = 0; i < QUARTERS; i++)
        check[i] =
            vaddq_u32(vdupq_n_u32(pix_check_start(seed)), vld1q_u32(pix_check_columns + 4 * i));
}

PIX_SCAN_INLINE uint32x4_t words_at(const uint8_t *bytes) {
    return vreinterpretq_u32_u8(vld1q_u8(bytes));
}

/* The lines after the codes. */
PIX_SCAN_INLINE bool check_end(uint32x4_t check[QUARTERS], const uint8_t *block) {
    for (size_t i = 0; i < PIX_BLOCK_FACTS; i++, block += PIX_LINE)
        for (size_t quarter = 0; quarter < QUARTERS; quarter++)
            check[quarter] = check_step(check[quarter], words_at(block + 16 * quarter));
    uint32_t same = UINT32_MAX;
    for (size_t quarter = 0; quarter < QUARTERS; quarter++)
        same &= vminvq_u32(vceqq_u32(check[quarter], words_at(block + 16 * quarter)));
    return same == UINT32_MAX;
}

/* Codes are flipped to signed ones, so the sums need no offset. */
PIX_SCAN_INLINE int8x16_t signed_codes(uint8x16_t codes) {
    return vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(128)));
}

PIX_SCAN_INLINE bool scan_words(const int count, const uint8_t *block, size_t lines,
                                const pix_scan_query *queries, uint32_t seed, int32_t *sums) {
    uint32x4_t check[QUARTERS];
    int32x4_t sum[PIX_SCAN_QUERIES][PIX_BLOCK]; /* four of each vector */
    PIX_EACH_QUERY {
        for (size_t i = 0; i < PIX_BLOCK; i++)
            sum[q][i] = vdupq_n_s32(0);
    }
    check_begin(seed, check);
    for (size_t i = 0; i < lines; i++, block += PIX_LINE) {
        __builtin_prefetch(block + PIX_SCAN_AHEAD, 0, 3);
        for (size_t quarter = 0; quarter < QUARTERS; quarter++) {
            uint8x16_t bytes = vld1q_u8(block + 16 * quarter);
            check[quarter] = check_step(check[quarter], vreinterpretq_u32_u8(bytes));
            int8x16_t codes = signed_codes(bytes);
            int16x8_t first = vmovl_s8(vget_low_s8(codes)), last = vmovl_s8(vget_high_s8(codes));
            PIX_EACH_QUERY {
                int16x4_t k = vld1_s16(queries[q].words + 4 * i);
                int32x4_t *four = sum[q] + 4 * quarter;
                four[0] = vmlal_s16(four[0], vget_low_s16(first), k);
                four[1] = vmlal_s16(four[1], vget_high_s16(first), k);
                four[2] = vmlal_s16(four[2], vget_low_s16(last), k);
                four[3] = vmlal_s16(four[3], vget_high_s16(last), k);
            }
        }
    }
    PIX_EACH_QUERY {
        for (size_t i = 0; i < PIX_BLOCK; i++)
            sums[q * PIX_BLOCK + i] = vaddvq_s32(sum[q][i]);
    }
    return check_end(check, block);
}

/* The registers hold the sums of one query. */
bool pix_scan_neon(const uint8_t *block, size_t lines, const pix_scan_query *queries, size_t count,
                   uint32_t seed, int32_t *sums) {
    bool good = true;
    if (count == 0)
        return scan_words(0, block, lines, queries, seed, sums);
    for (size_t q = 0; q < count; q++)
        good &= scan_words(1, block, lines, queries + q, seed, sums + q * PIX_BLOCK);
    return good;
}

DOTPROD PIX_SCAN_INLINE int8x16_t four_times(const int8_t *four) {
    int32_t value;
    memcpy(&value, four, sizeof value);
    return vreinterpretq_s8_s32(vdupq_n_s32(value));
}

DOTPROD PIX_SCAN_INLINE bool scan_dots(const int count, const uint8_t *block, size_t lines,
                                       const pix_scan_query *queries, uint32_t seed,
                                       int32_t *sums) {
    uint32x4_t check[QUARTERS];
    int32x4_t high[PIX_SCAN_QUERIES][QUARTERS], low[PIX_SCAN_QUERIES][QUARTERS];
    PIX_EACH_QUERY {
        for (size_t i = 0; i < QUARTERS; i++)
            high[q][i] = low[q][i] = vdupq_n_s32(0);
    }
    check_begin(seed, check);
    for (size_t i = 0; i < lines; i++, block += PIX_LINE) {
        __builtin_prefetch(block + PIX_SCAN_AHEAD, 0, 3);
        for (size_t quarter = 0; quarter < QUARTERS; quarter++) {
            uint8x16_t bytes = vld1q_u8(block + 16 * quarter);
            check[quarter] = check_step(check[quarter], vreinterpretq_u32_u8(bytes));
            int8x16_t codes = signed_codes(bytes);
            PIX_EACH_QUERY {
                int8x16_t k_high = four_times(queries[q].high + 4 * i);
                int8x16_t k_low = four_times(queries[q].low + 4 * i);
                high[q][quarter] = vdotq_s32(high[q][quarter], codes, k_high);
                low[q][quarter] = vdotq_s32(low[q][quarter], codes, k_low);
            }
        }
    }
    PIX_EACH_QUERY {
        for (size_t i = 0; i < QUARTERS; i++)
            vst1q_s32(sums + q * PIX_BLOCK + 4 * i,
                      vaddq_s32(vshlq_n_s32(high[q][i], 8), low[q][i]));
    }
    return check_end(check, block);
}

DOTPROD bool pix_scan_dotprod(const uint8_t *block, size_t lines, const pix_scan_query *queries,
                              size_t count, uint32_t seed, int32_t *sums) {
    PIX_SCAN_CASES(scan_dots, count, block, lines, queries, seed, sums)
}

#endif
