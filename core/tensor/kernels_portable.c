#include <string.h>

#include "core/tensor/finish.h"
#include "core/tensor/kernels.h"
#include "core/tensor/loops.h"
#include "core/tensor/quantise.h"
#include "core/tensor/rows.h"

/* Two rows of four short registers of sums each: what any CPU with 16 registers holds. */
enum { ROWS = 2 };

typedef float quarter __attribute__((vector_size(16)));

PIX_INLINE quarter load(const float *values) {
    quarter four;
    memcpy(&four, values, sizeof four);
    return four;
}

PIX_INLINE void store(float *values, quarter four) {
    memcpy(values, &four, sizeof four);
}

PIX_INLINE void f32_rows(const int rows, const float *x, size_t inputs, const float *const *panels,
                         float *sums) {
    quarter sum[ROWS][4];
    const float *weights = panels[0];
    PIX_EACH_ROW {
        sum[row][0] = sum[row][1] = sum[row][2] = sum[row][3] = (quarter){0};
    }
    for (size_t i = 0; i < inputs; i++, weights += PIX_PANEL) {
        quarter w0 = load(weights), w1 = load(weights + 4);
        quarter w2 = load(weights + 8), w3 = load(weights + 12);
        PIX_EACH_ROW {
            float value = x[row * PIX_F32_STRIDE + i];
            sum[row][0] += value * w0;
            sum[row][1] += value * w1;
            sum[row][2] += value * w2;
            sum[row][3] += value * w3;
        }
    }
    PIX_EACH_ROW {
        for (size_t q = 0; q < 4; q++)
            store(sums + row * PIX_PANEL + q * 4, sum[row][q]);
    }
}

static void f32_tile(int rows, const float *x, size_t inputs, const float *const *panels,
                     const pix_ahead *ahead, float *sums) {
    (void)ahead;
    PIX_UP_TO_2_ROWS(f32_rows, rows, x, inputs, panels, sums);
}

typedef int16_t words __attribute__((vector_size(16)));
typedef uint16_t bit_words __attribute__((vector_size(16)));
typedef int32_t integers __attribute__((vector_size(16)));
typedef uint32_t bit_integers __attribute__((vector_size(16)));

/* The low halves with their sign; the high ones are what `>>` leaves. */
PIX_INLINE words low_bytes(words both) {
    return (words)((bit_words)both << 8) >> 8;
}

PIX_INLINE integers low_words(integers both) {
    return (integers)((bit_integers)both << 16) >> 16;
}

/* 16 bytes of weights are 4 channels of 4 inputs: 8 words of two inputs each, whose two products,
 * at most 2 * 127 * 128, add up to a word; the two words of a channel add up to an integer. */
PIX_INLINE void int8_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                          const pix_int8_panel *panels, int32_t *sums) {
    integers sum[ROWS][4];
    const int8_t *weights = panels[0].codes;
    PIX_EACH_ROW {
        sum[row][0] = sum[row][1] = sum[row][2] = sum[row][3] = (integers){0};
    }
    for (size_t i = 0; i < groups; i++, x += 4, weights += PIX_GROUP) {
        words first[ROWS], second[ROWS];
        PIX_EACH_ROW {
            const int8_t *c = (const int8_t *)x + row * stride;
            first[row] = (words){c[0], c[2], c[0], c[2], c[0], c[2], c[0], c[2]};
            second[row] = (words){c[1], c[3], c[1], c[3], c[1], c[3], c[1], c[3]};
        }
        for (size_t q = 0; q < 4; q++) {
            words both;
            memcpy(&both, weights + q * sizeof both, sizeof both);
            PIX_EACH_ROW {
                integers products =
                    (integers)(low_bytes(both) * first[row] + (both >> 8) * second[row]);
                sum[row][q] += low_words(products) + (products >> 16);
            }
        }
    }
    PIX_EACH_ROW {
        memcpy(sums + row * PIX_PANEL, sum[row], sizeof sum[row]);
    }
}

static void int8_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                      const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    (void)ahead;
    PIX_UP_TO_2_ROWS(int8_rows, rows, x, stride, groups, panels, sums);
}

static void f32_finish(const pix_finish *finish, const float *sums) {
    pix_tile_finish(finish, sums, NULL);
}

static void int8_finish(const pix_finish *finish, const int32_t *sums) {
    pix_tile_finish(finish, NULL, sums);
}

static float quantise(const float *x, size_t count, uint8_t *codes) {
    return pix_row_quantise(x, count, PIX_CODE_BYTE, codes);
}

PIX_DEFINE_LOOPS()

static bool always(void) {
    return true;
}

const pix_kernels pix_kernels_portable = {
    .name = "portable",
    .supported = always,
    .f32_rows = ROWS,
    .f32_panels = 1,
    .f32_tile = f32_tile,
    .f32_finish = f32_finish,
    .int8_rows = ROWS,
    .int8_panels = 1,
    .int8_tile = int8_tile,
    .int8_finish = int8_finish,
    .quantise = quantise,
    .loops = &loops,
};
