#include "core/tensor/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <sys/auxv.h>

#include "core/tensor/finish.h"
#include "core/tensor/loops.h"
#include "core/tensor/quantise.h"
#include "core/tensor/rows.h"

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define I8MM __attribute__((target("arch=armv8.2-a+i8mm")))

/* A panel of 16 channels is four registers, of 4 channels each. */
enum { ROWS = 6, NARROW_ROWS = 2, QUARTERS = 4 };

/* Of what comes next, the lines of `count` steps. */
#define PREFETCH(count)                                                                            \
    for (size_t step = 0; step < (count); step++, next += ahead->step)                             \
        __builtin_prefetch(next, 0, 2);

PIX_INLINE void f32_rows(const int rows, const float *x, size_t inputs, const float *const *panels,
                         const pix_ahead *ahead, float *sums) {
    float32x4_t sum[ROWS][QUARTERS];
    const float *weights = panels[0];
    const char *next = ahead->panels[0];
    PIX_EACH_ROW {
        for (size_t q = 0; q < QUARTERS; q++)
            sum[row][q] = vdupq_n_f32(0);
    }
    for (size_t i = 0; i < inputs; i++, weights += PIX_PANEL) {
        PREFETCH(1)
        float32x4_t w0 = vld1q_f32(weights), w1 = vld1q_f32(weights + 4);
        float32x4_t w2 = vld1q_f32(weights + 8), w3 = vld1q_f32(weights + 12);
        PIX_EACH_ROW {
            float32x4_t value = vld1q_dup_f32(x + row * PIX_F32_STRIDE + i);
            sum[row][0] = vfmaq_f32(sum[row][0], value, w0);
            sum[row][1] = vfmaq_f32(sum[row][1], value, w1);
            sum[row][2] = vfmaq_f32(sum[row][2], value, w2);
            sum[row][3] = vfmaq_f32(sum[row][3], value, w3);
        }
    }
    PIX_EACH_ROW {
        for (size_t q = 0; q < QUARTERS; q++)
            vst1q_f32(sums + row * PIX_PANEL + q * 4, sum[row][q]);
    }
}

static void f32_tile(int rows, const float *x, size_t inputs, const float *const *panels,
                     const pix_ahead *ahead, float *sums) {
    PIX_UP_TO_6_ROWS(f32_rows, rows, x, inputs, panels, ahead, sums);
}

/* Without dot products: a product of two groups of inputs, at most 2 * 127 * 128 = 32512, fits an
 * int16; pairs of those are added to int32 sums, two for each channel. */
PIX_INLINE void narrow_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                            const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    int32x4_t sum[NARROW_ROWS][8];
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    PIX_EACH_ROW {
        for (size_t i = 0; i < 8; i++)
            sum[row][i] = vdupq_n_s32(0);
    }
    for (size_t group = 0; group < groups; group += 2, x += 8, weights += 2 * PIX_GROUP) {
        PREFETCH(2)
        PIX_EACH_ROW {
            int8x8_t codes = vreinterpret_s8_u8(vld1_u8(x + row * stride));
            int8x8_t first = vreinterpret_s8_s32(vdup_lane_s32(vreinterpret_s32_s8(codes), 0));
            int8x8_t second = vreinterpret_s8_s32(vdup_lane_s32(vreinterpret_s32_s8(codes), 1));
            for (size_t i = 0; i < 8; i++) {
                int16x8_t products = vmull_s8(first, vld1_s8(weights + i * 8));
                products = vmlal_s8(products, second, vld1_s8(weights + PIX_GROUP + i * 8));
                sum[row][i] = vpadalq_s16(sum[row][i], products);
            }
        }
    }
    PIX_EACH_ROW {
        for (size_t q = 0; q < QUARTERS; q++)
            vst1q_s32(sums + row * PIX_PANEL + q * 4,
                      vpaddq_s32(sum[row][2 * q], sum[row][2 * q + 1]));
    }
}

static void narrow_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                        const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_2_ROWS(narrow_rows, rows, x, stride, groups, panels, ahead, sums);
}

/* One group of inputs, the LANE-th of the four in `codes`. */
#define DOT_GROUP(lane)                                                                            \
    for (size_t q = 0; q < QUARTERS; q++) {                                                        \
        int8x16_t four = vld1q_s8(weights + (lane)*PIX_GROUP + q * 16);                            \
        PIX_EACH_ROW                                                                               \
        sum[row][q] = vdotq_laneq_s32(sum[row][q], four, codes[row], lane);                        \
    }

DOTPROD PIX_INLINE void dot_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                 const pix_int8_panel *panels, const pix_ahead *ahead,
                                 int32_t *sums) {
    int32x4_t sum[ROWS][QUARTERS];
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    PIX_EACH_ROW {
        for (size_t q = 0; q < QUARTERS; q++)
            sum[row][q] = vdupq_n_s32(0);
    }
    for (size_t group = 0; group < groups; group += 4, x += 16, weights += 4 * PIX_GROUP) {
        PREFETCH(4)
        int8x16_t codes[ROWS];
        PIX_EACH_ROW {
            codes[row] = vreinterpretq_s8_u8(vld1q_u8(x + row * stride));
        }
        DOT_GROUP(0)
        DOT_GROUP(1)
        DOT_GROUP(2)
        DOT_GROUP(3)
    }
    PIX_EACH_ROW {
        for (size_t q = 0; q < QUARTERS; q++)
            vst1q_s32(sums + row * PIX_PANEL + q * 4, sum[row][q]);
    }
}

DOTPROD static void dot_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                             const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_6_ROWS(dot_rows, rows, x, stride, groups, panels, ahead, sums);
}

/* smmla multiplies two rows by two channels, 8 inputs of each; an odd last row is its own partner.
 * Zipping two groups puts the 8 inputs of a channel side by side. */
I8MM PIX_INLINE void matrix_rows(const int rows, const uint8_t *x, size_t stride, size_t groups,
                                 const pix_int8_panel *panels, const pix_ahead *ahead,
                                 int32_t *sums) {
    int32x4_t sum[ROWS / 2][PIX_PANEL / 2];
    const size_t pairs = ((size_t)rows + 1) / 2;
    const int8_t *weights = panels[0].codes;
    const char *next = ahead->panels[0];
    for (size_t pair = 0; pair < pairs; pair++)
        for (size_t i = 0; i < PIX_PANEL / 2; i++)
            sum[pair][i] = vdupq_n_s32(0);
    for (size_t group = 0; group < groups; group += 2, x += 8, weights += 2 * PIX_GROUP) {
        PREFETCH(2)
        int8x16_t codes[ROWS / 2];
        for (size_t pair = 0; pair < pairs; pair++) {
            const uint8_t *one = x + 2 * pair * stride;
            const uint8_t *other = 2 * pair + 1 < (size_t)rows ? one + stride : one;
            codes[pair] = vreinterpretq_s8_u8(vcombine_u8(vld1_u8(one), vld1_u8(other)));
        }
        for (size_t q = 0; q < QUARTERS; q++) {
            int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(weights + q * 16));
            int32x4_t second = vreinterpretq_s32_s8(vld1q_s8(weights + PIX_GROUP + q * 16));
            int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(first, second));
            int8x16_t high = vreinterpretq_s8_s32(vzip2q_s32(first, second));
            for (size_t pair = 0; pair < pairs; pair++) {
                sum[pair][2 * q] = vmmlaq_s32(sum[pair][2 * q], codes[pair], low);
                sum[pair][2 * q + 1] = vmmlaq_s32(sum[pair][2 * q + 1], codes[pair], high);
            }
        }
    }
    PIX_EACH_ROW {
        for (size_t i = 0; i < PIX_PANEL / 2; i++) {
            int32x4_t four = sum[row / 2][i];
            vst1_s32(sums + row * PIX_PANEL + i * 2,
                     row % 2 ? vget_high_s32(four) : vget_low_s32(four));
        }
    }
}

I8MM static void matrix_tile(int rows, const uint8_t *x, size_t stride, size_t groups,
                             const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums) {
    PIX_UP_TO_6_ROWS(matrix_rows, rows, x, stride, groups, panels, ahead, sums);
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

static bool dotprod_supported(void) {
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

static bool i8mm_supported(void) {
    return dotprod_supported() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
}

/* Defines a table whose float32 kernels are those of every 64-bit ARM. */
#define KERNELS(called, test, tile, tile_rows)                                                     \
    const pix_kernels pix_kernels_##called = {                                                     \
        .name = #called,                                                                           \
        .supported = test,                                                                         \
        .f32_rows = ROWS,                                                                          \
        .f32_panels = 1,                                                                           \
        .f32_tile = f32_tile,                                                                      \
        .f32_finish = f32_finish,                                                                  \
        .int8_rows = tile_rows,                                                                    \
        .int8_panels = 1,                                                                          \
        .int8_tile = tile,                                                                         \
        .int8_finish = int8_finish,                                                                \
        .quantise = quantise,                                                                      \
        .loops = &loops,                                                                           \
    };

KERNELS(neon, always, narrow_tile, NARROW_ROWS)
KERNELS(dotprod, dotprod_supported, dot_tile, ROWS)
KERNELS(i8mm, i8mm_supported, matrix_tile, ROWS)

#endif
