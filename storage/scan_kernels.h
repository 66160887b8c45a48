/* scan_kernels.h - what the versions of pix_scan_block share.
 *
 * Private to storage and its tests. */
#ifndef PIX_STORAGE_SCAN_KERNELS_H
#define PIX_STORAGE_SCAN_KERNELS_H

#include <string.h>

#include "storage/scan.h"

#define PIX_SCAN_INLINE static inline __attribute__((always_inline))

/* How far ahead of a scan memory is asked for. */
enum { PIX_SCAN_AHEAD = 4096 };

extern pix_scan_block pix_scan_portable;
#if defined(__x86_64__)
extern pix_scan_block pix_scan_avx2, pix_scan_avxvnni, pix_scan_avx512vnni;
#elif defined(__aarch64__)
extern pix_scan_block pix_scan_neon, pix_scan_dotprod;
#endif

static const uint32_t pix_check_columns[PIX_BLOCK] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                      8, 9, 10, 11, 12, 13, 14, 15};

static inline uint32_t pix_check_start(uint32_t seed) {
    return seed * UINT32_C(2654435769);
}

/* A call of `body` with each number of queries as a constant, so that its loops unroll. */
#define PIX_SCAN_CASES(body, count, ...)                                                           \
    switch (count) {                                                                               \
    case 0:                                                                                        \
        return body(0, __VA_ARGS__);                                                               \
    case 1:                                                                                        \
        return body(1, __VA_ARGS__);                                                               \
    case 2:                                                                                        \
        return body(2, __VA_ARGS__);                                                               \
    case 3:                                                                                        \
        return body(3, __VA_ARGS__);                                                               \
    default:                                                                                       \
        return body(4, __VA_ARGS__);                                                               \
    }

#if defined(__clang__)
#define PIX_EACH_QUERY _Pragma("unroll") for (size_t q = 0; q < (size_t)count; q++)
#else
#define PIX_EACH_QUERY _Pragma("GCC unroll 4") for (size_t q = 0; q < (size_t)count; q++)
#endif

#endif
