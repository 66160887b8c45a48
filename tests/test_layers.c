#include "core/tensor/layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
        memcpy(y, x, sizeof x);
        pix_exp(y, count);
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
    float x[19];
    for (size_t i = 0; i < 19; i++)
        x[i] = i % 2 ? NAN : -NAN;
    pix_exp(x, 19);
    for (size_t i = 0; i < 19; i++)
        assert_true(isnan(x[i]));
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
        pix_layer_norm(out, x, ROWS, width, weight, bias, 1e-5f);
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
        pix_layer_norm(x, x, ROWS, width, weight, bias, 1e-5f);
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
    pix_layer_norm(out, x, 1, WIDTH, one, zero, 1e-5f);
    for (size_t i = 0; i < WIDTH; i++)
        assert_true(fabs((double)out[i] - (i % 2 ? 1 : -1)) <= 1e-4);
}

static void check_bias_function(void (*function)(float *, size_t, size_t, const float *),
                                double (*expected)(double), double limit) {
    enum { ROWS = 3, MOST = 768 };
    static float x[ROWS * MOST], bias[MOST];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        size_t width = widths[w];
        fill(x, ROWS * width, 0);
        fill(bias, width, 5);
        function(x, ROWS, width, bias);
        for (size_t i = 0; i < ROWS * width; i++) {
            double want = expected((double)value(i) + (double)bias[i % width]);
            if (!(fabs((double)x[i] - want) <= limit))
                fail_msg("width %zu, element %zu: %.9g, not %.9g", width, i, (double)x[i], want);
        }
    }
}

static double same(double v) {
    return v;
}

static double quick_gelu(double v) {
    return v / (1 + exp(-1.702 * v));
}

static double exact_gelu(double v) {
    return v * 0.5 * erfc(-v / sqrt(2));
}

static void biases_and_gelus_equal_float64(void **state) {
    (void)state;
    check_bias_function(pix_bias_add, same, 1e-6);
    check_bias_function(pix_bias_quick_gelu, quick_gelu, 2e-6);
    check_bias_function(pix_bias_exact_gelu, exact_gelu, 2e-6);
}

static void gelus_hold_at_the_ends(void **state) {
    (void)state;
    const float zero[4] = {0};
    float x[4] = {-1e30f, -200, 200, 1e30f};
    pix_bias_quick_gelu(x, 1, 4, zero);
    assert_true(x[0] == 0 && x[1] == 0 && x[2] == 200 && x[3] == 1e30f);
    float y[4] = {-1e30f, -200, 200, 1e30f};
    pix_bias_exact_gelu(y, 1, 4, zero);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 200 && y[3] == 1e30f);
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
        pix_softmax(x, size);
        for (size_t i = 0; i < size; i++) {
            double want = exp((double)(10 * value(i) + 500) - 540) / sum;
            assert_true(fabs((double)x[i] - want) <= 1e-6);
            total += (double)x[i];
        }
        assert_true(fabs(total - 1) <= 1e-6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_within_two_units_in_the_last_place),
        cmocka_unit_test(exp_of_nan_is_nan),
        cmocka_unit_test(layer_norm_equals_float64),
        cmocka_unit_test(layer_norm_survives_a_large_mean),
        cmocka_unit_test(biases_and_gelus_equal_float64),
        cmocka_unit_test(gelus_hold_at_the_ends),
        cmocka_unit_test(softmax_equals_float64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
