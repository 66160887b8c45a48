/* rows.h - tile kernels for every number of rows from one function.
 *
 * Private to core/tensor.  A kernel's body is an inlined function whose first argument is the
 * number of rows; called with a constant, its loops over rows unroll and its sums live in
 * registers. So a tile of any height is one pass over its weights, and no row is computed in vain.
 */
#ifndef PIX_TENSOR_ROWS_H
#define PIX_TENSOR_ROWS_H

#include <stdint.h>
#include <string.h>

#include "core/tensor/elementwise.h"

#if defined(__clang__)
#define PIX_EACH_ROW _Pragma("unroll") for (size_t row = 0; row < (size_t)rows; row++)
#else
#define PIX_EACH_ROW _Pragma("GCC unroll 16") for (size_t row = 0; row < (size_t)rows; row++)
#endif

#define PIX_ROWS(count, body, ...)                                                                 \
    case count:                                                                                    \
        body(count, __VA_ARGS__);                                                                  \
        break;

/* switch (rows) with a call of `body` for each number. */
#define PIX_UP_TO_2_ROWS(body, rows, ...)                                                          \
    switch (rows) { PIX_CASES_2(body, __VA_ARGS__) }
#define PIX_UP_TO_6_ROWS(body, rows, ...)                                                          \
    switch (rows) { PIX_CASES_6(body, __VA_ARGS__) }
#define PIX_UP_TO_12_ROWS(body, rows, ...)                                                         \
    switch (rows) { PIX_CASES_12(body, __VA_ARGS__) }
#define PIX_UP_TO_14_ROWS(body, rows, ...)                                                         \
    switch (rows) { PIX_CASES_14(body, __VA_ARGS__) }

#define PIX_CASES_2(body, ...)                                                                     \
    PIX_ROWS(1, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(2, body, __VA_ARGS__)
#define PIX_CASES_6(body, ...)                                                                     \
    PIX_CASES_2(body, __VA_ARGS__)                                                                 \
    PIX_ROWS(3, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(4, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(5, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(6, body, __VA_ARGS__)
#define PIX_CASES_12(body, ...)                                                                    \
    PIX_CASES_6(body, __VA_ARGS__)                                                                 \
    PIX_ROWS(7, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(8, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(9, body, __VA_ARGS__)                                                                 \
    PIX_ROWS(10, body, __VA_ARGS__)                                                                \
    PIX_ROWS(11, body, __VA_ARGS__)                                                                \
    PIX_ROWS(12, body, __VA_ARGS__)
#define PIX_CASES_14(body, ...)                                                                    \
    PIX_CASES_12(body, __VA_ARGS__)                                                                \
    PIX_ROWS(13, body, __VA_ARGS__)                                                                \
    PIX_ROWS(14, body, __VA_ARGS__)

#if defined(__x86_64__)
/* Keeps a sum in its register: else the compiler may multiply ahead and run out of registers. */
#define PIX_KEEP(sum) __asm__ volatile("" : "+v"(sum))
#endif

PIX_INLINE int32_t pix_load_int32(const void *bytes) {
    int32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

#endif
