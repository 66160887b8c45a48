#include "core/tensor/layers.h"

#include <math.h>
#include <string.h>

#include "core/tensor/elementwise.h"
#include "tests/support.h"

static float value(size_t i) {
    return (float)((i * 7919 + 13) % 2003) / 250.0f - 4.0f;
}

static void fill(float *x, size_t count, size_t start) {
    for (size_t i = 0; i < count; i++)
        x[i] = value(start + i);
}

static float from_bits(uint32_t bits) {
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static void exp_is_within_two_units_in_the_last_place(void **state) {
    (void)state;
    enum { BLOCK = 4096 };
    static float x[BLOCK], y[BLOCK];
    double worst = 0;
    /* Every 97th float there is, infinities and subnormal results included. */
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
        size_t count = 0;
        for (; count < BLOCK && bits <= UINT32_MAX; bits += 97)
            if (!isnan(from_bits((uint32_t)bits)))
                x[count++] = from_bits((uint32_t)bits);
        for (size_t i = 0; i < count; i++)
            y[i] = pix_exponential(x[i]);
        for (size_t i = 0; i < count; i++) {
            double expected = exp((double)x[i]);
            if (isinf((float)expected)) {
                assert_true(isinf(y[i]));
                continue;
            }
            int exponent;
            (void)frexp(expected, &exponent);
            double unit = ldexp(1, exponent - 24 < -149 ? -149 : exponent - 24);
            worst = fmax(worst, fabs((double)y[i] - expected) / unit);
        }
    }
    if (!(worst <= 2))
        fail_msg("off by %g units in the last place", worst);
    assert_true(worst > 0);
}

static void exp_of_nan_is_nan(void **state) {
    (void)state;
    assert_true(isnan(pix_exponential(NAN)));
    assert_true(isnan(pix_exponential(-NAN)));
}

/* With the fastest kernels. */
static pix_compute with(pix_pool *pool) {
    pix_compute compute = {.pool = pool};
    assert_int_equal(pix_kernels_choose(NULL, &compute.kernels, NULL), PIX_OK);
    return compute;
}

static void normalise(pix_pool *pool, float *out, const float *x, int rows, size_t width,
                      const float *weight, const float *bias) {
    const pix_compute compute = with(pool);
    pix_layer_norm_run(&(pix_layer_norm){width, weight, bias, 1e-5f}, &compute, rows, x, out, NULL);
}

static const size_t widths[] = {1, 2, 15, 16, 17, 31, 50, 64, 77, 257, 768};

static void layer_norm_equals_float64(void **state) {
    (void)state;
    enum { ROWS = 3, MOST = 768 };
    static float x[ROWS * MOST], out[ROWS * MOST], weight[MOST], bias[MOST];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t width = widths[w];
        fill(x, ROWS * width, 0);
        fill(weight, width, 7);
        fill(bias, width, 11);
        normalise(NULL, out, x, ROWS, width, weight, bias);
        for (size_t row = 0; row < ROWS; row++) {
            const float *in = x + row * width;
            double mean = 0, variance = 0;
            for (size_t i = 0; i < width; i++)
                mean += (double)in[i] / (double)width;
            for (size_t i = 0; i < width; i++)
                variance += ((double)in[i] - mean) * ((double)in[i] - mean) / (double)width;
            for (size_t i = 0; i < width; i++) {
                double expected =
                    ((double)in[i] - mean) / sqrt(variance + 1e-5) * (double)weight[i] +
                    (double)bias[i];
                if (!(fabs((double)out[row * width + i] - expected) <= 5e-6))
                    fail_msg("width %zu: %.9g, not %.9g", width, (double)out[row * width + i],
                             expected);
            }
        }
        normalise(NULL, x, x, ROWS, width, weight, bias);
        assert_memory_equal(x, out, ROWS * width * sizeof *x);
    }
}

/* The mean of PyTorch's and everybody's trouble: values far from zero. */
static void layer_norm_survives_a_large_mean(void **state) {
    (void)state;
    enum { WIDTH = 768 };
    static float x[WIDTH], out[WIDTH], one[WIDTH], zero[WIDTH];
    for (size_t i = 0; i < WIDTH; i++) {
        x[i] = 4096.0f + (float)(i % 2);
        one[i] = 1;
    }
    normalise(NULL, out, x, 1, WIDTH, one, zero);
    for (size_t i = 0; i < WIDTH; i++)
        assert_true(fabs((double)out[i] - (i % 2 ? 1 : -1)) <= 1e-4);
}

static void biases_are_added_to_every_row(void **state) {
    (void)state;
    enum { ROWS = 3, MOST = 768 };
    static float x[ROWS * MOST], bias[MOST];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t width = widths[w];
        fill(x, ROWS * width, 0);
        fill(bias, width, 5);
        pix_bias_add(x, ROWS, width, bias);
        for (size_t i = 0; i < ROWS * width; i++)
            assert_true(x[i] == value(i) + bias[i % width]);
    }
}

static void threads_change_no_bit_of_a_layer_norm(void **state) {
    (void)state;
    enum { ROWS = 100, WIDTH = 50 };
    static float x[ROWS * WIDTH], alone[ROWS * WIDTH], weight[WIDTH], bias[WIDTH];
    pix_pool *pool;
    pix_error error;
    assert_ok(pix_pool_new(3, &pool, &error), &error);
    fill(x, sizeof x / sizeof *x, 0);
    fill(weight, WIDTH, 7);
    fill(bias, WIDTH, 11);
    normalise(NULL, alone, x, ROWS, WIDTH, weight, bias);
    normalise(pool, x, x, ROWS, WIDTH, weight, bias);
    assert_memory_equal(x, alone, sizeof x);
    pix_pool_free(pool);
}

static void softmax_equals_float64(void **state) {
    (void)state;
    static float x[768];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t size = widths[w];
        double sum = 0, total = 0;
        for (size_t i = 0; i < size; i++) {
            x[i] = 10 * value(i) + 500; /* overflows unless the largest is taken away */
            sum += exp((double)x[i] - 540);
        }
        pix_softmax(with(NULL).kernels, x, size);
        for (size_t i = 0; i < size; i++) {
            double want = exp((double)(10 * value(i) + 500) - 540) / sum;
            assert_true(fabs((double)x[i] - want) <= 1e-6);
            total += (double)x[i];
        }
        assert_true(fabs(total - 1) <= 1e-6);
    }
}

static void every_kernel_gives_the_same_bits(void **state) {
    (void)state;
    enum { MOST = 768 };
    static float x[MOST], weight[MOST], bias[MOST], normal[2][MOST], soft[2][MOST];
    fill(x, MOST, 0);
    fill(weight, MOST, 7);
    fill(bias, MOST, 11);
    const pix_kernels *kernels;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
            const pix_layer_norm norm = {widths[w], weight, bias, 1e-5f};
            const pix_compute compute = {.kernels = kernels};
            pix_layer_norm_run(&norm, &compute, 1, x, normal[k > 0], NULL);
            memcpy(soft[k > 0], x, sizeof x);
            pix_softmax(kernels, soft[k > 0], widths[w]);
            if (k > 0) {
                assert_memory_equal(normal[1], normal[0], widths[w] * sizeof *x);
                assert_memory_equal(soft[1], soft[0], widths[w] * sizeof *x);
            }
        }
}

static void codes_are_those_of_what_is_normalised(void **state) {
    (void)state;
    enum { ROWS = 37, WIDTH = 77 };
    static float x[ROWS * WIDTH], out[ROWS * WIDTH], weight[WIDTH], bias[WIDTH];
    static float scales[2][ROWS];
    static uint8_t codes[2][(size_t)ROWS * 4 * WIDTH];
    fill(x, sizeof x / sizeof *x, 0);
    fill(weight, WIDTH, 7);
    fill(bias, WIDTH, 11);
    const pix_compute compute = with(NULL);
    const pix_layer_norm norm = {WIDTH, weight, bias, 1e-5f};
    const pix_codes at_once = {codes[0], scales[0]}, later = {codes[1], scales[1]};
    assert_true(pix_codes_stride(compute.kernels, WIDTH) <= (size_t)4 * WIDTH);
    pix_layer_norm_run(&norm, &compute, ROWS, x, out, &at_once);
    pix_quantise(&compute, ROWS, WIDTH, out, WIDTH, &later);
    assert_memory_equal(codes[0], codes[1], sizeof codes[0]);
    assert_memory_equal(scales[0], scales[1], sizeof scales[0]);
    assert_true(scales[0][0] > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_units_in_the_last_place),
        cmocka_unit_test(exp_of_nan_is_nan),
        cmocka_unit_test(layer_norm_equals_float64),
        cmocka_unit_test(layer_norm_survives_a_large_mean),
        cmocka_unit_test(threads_change_no_bit_of_a_layer_norm),
        cmocka_unit_test(biases_are_added_to_every_row),
        cmocka_unit_test(softmax_equals_float64),
        cmocka_unit_test(every_kernel_gives_the_same_bits),
        cmocka_unit_test(codes_are_those_of_what_is_normalised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
