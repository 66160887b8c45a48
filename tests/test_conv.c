#include "core/tensor/conv.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

static uint64_t state = 1;

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next(void) {
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int between(int low, int high) {
    return low + (int)(next() % (uint64_t)(high - low + 1));
}

static float *room(size_t count) {
    float *values = calloc(count + 1, sizeof *values);
    if (!values)
        abort();
    return values;
}

/* `count` values in [-1, 1), on the heap. */
static float *noise(size_t count) {
    float *values = room(count);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(next() >> 40) / 8388608.0f - 1;
    return values;
}

static pix_compute compute;

static int choose_kernels(void **unused) {
    (void)unused;
    return pix_kernels_choose(NULL, &compute.kernels, NULL);
}

/* Sets the weights, [out, kernel, kernel, in]; they lie in what is returned, on the heap. */
static void *pack(pix_conv *c, const float *weight) {
    int window = c->kernel * c->kernel * c->in;
    size_t size =
        c->int8 ? pix_panels_int8_size(c->out, window) : pix_panels_f32_size(c->out, window);
    void *bytes = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!bytes)
        abort();
    if (c->int8) {
        pix_panels_int8_pack(c->out, window, weight, bytes);
        c->codes = pix_panels_int8_view(c->out, window, bytes);
    } else {
        pix_panels_f32_pack(c->out, window, weight, bytes);
        c->f32 = pix_panels_f32_view(c->out, window, bytes);
    }
    return bytes;
}

/* One output value by the definition, in float64. */
static double direct(const pix_conv *c, const float *weight, const float *picture, int height,
                     int width, int row, int column, int channel) {
    double sum = (double)c->bias[channel];
    for (int ky = 0; ky < c->kernel; ky++)
        for (int kx = 0; kx < c->kernel; kx++) {
            int y = row * c->stride - c->kernel / 2 + ky;
            int x = column * c->stride - c->kernel / 2 + kx;
            if (y < 0 || y >= height || x < 0 || x >= width)
                continue;
            for (int i = 0; i < c->in; i++)
                sum += (double)picture[(y * width + x) * c->in + i] *
                       (double)weight[((channel * c->kernel + ky) * c->kernel + kx) * c->in + i];
        }
    return sum;
}

static void check_conv(pix_conv c, int count, int height, int width) {
    const int across = pix_conv_side(&c, width), down = pix_conv_side(&c, height);
    size_t picture = (size_t)height * (size_t)width * (size_t)c.in;
    size_t window = (size_t)c.kernel * (size_t)c.kernel * (size_t)c.in;
    size_t total = (size_t)count * (size_t)down * (size_t)across * (size_t)c.out;
    float *x = noise((size_t)count * picture), *weight = noise((size_t)c.out * window);
    float *bias = noise((size_t)c.out), *before = noise(total), *out = room(total);
    const pix_conv_room tile = {
        .windows = room(pix_conv_windows(&c)),
        .codes = {(uint8_t *)room(pix_conv_codes(&c, compute.kernels)), room(PIX_CONV_TILE)}};
    /* Float32 rounds each of `window` sums of values up to 1; int8 each of as many products, by up
     * to half of 1/127 of both factors, in random directions: six times the standard deviation. */
    double allowed = c.int8 ? 0.0125 * sqrt((double)window) : 1e-6 * (double)window;
    void *packed = pack(&c, weight);
    c.bias = bias;
    memcpy(out, before, total * sizeof *out);
    pix_conv_run(&c, &compute, count, height, width, x, &tile, out);
    for (size_t i = 0; i < total; i++) {
        size_t cell = i / (size_t)c.out;
        int channel = (int)(i % (size_t)c.out), column = (int)(cell % (size_t)across);
        int row = (int)(cell / (size_t)across % (size_t)down);
        size_t number = cell / (size_t)across / (size_t)down;
        double want = direct(&c, weight, x + number * picture, height, width, row, column, channel);
        want += c.add ? (double)before[i] : 0;
        want = c.relu && want < 0 ? 0 : want;
        if (!(fabs((double)out[i] - want) <= allowed + 1e-6))
            fail_msg("%dx%dx%dx%d kernel %d stride %d: value %zu is %.9g, not %.9g", count, height,
                     width, c.in, c.kernel, c.stride, i, (double)out[i], want);
    }
    free(x);
    free(weight);
    free(packed);
    free(bias);
    free(before);
    free(out);
    free(tile.windows);
    free(tile.codes.codes);
    free(tile.codes.scales);
}

static void any_shape_equals_the_definition(void **unused) {
    (void)unused;
    for (int round = 0; round < 300; round++) {
        pix_conv c = {.in = between(1, 20),
                      .out = between(1, 20),
                      .kernel = 2 * between(0, 2) + 1,
                      .stride = 1,
                      .add = next() % 2,
                      .relu = next() % 2,
                      .int8 = round % 3 == 0};
        if (c.kernel > 1)
            c.stride = between(1, 3);
        check_conv(c, between(1, 3), between(1, 12), between(1, 12));
    }
}

static void more_pixels_than_a_tile_make_no_difference(void **unused) {
    (void)unused;
    const pix_conv three = {.in = 3, .out = 5, .kernel = 3, .stride = 1, .relu = true};
    const pix_conv halving = {.in = 3, .out = 4, .kernel = 3, .stride = 2};
    const pix_conv one = {.in = 7, .out = 3, .kernel = 1, .stride = 1, .add = true};
    check_conv(three, 1, 1, PIX_CONV_TILE);
    check_conv(three, 1, PIX_CONV_TILE + 1, 1);
    check_conv(three, 3, 37, 19); /* tiles end inside rows and pictures */
    check_conv(halving, 2, 61, 47);
    check_conv(one, 5, 23, 29);
    const pix_conv codes = {.in = 7, .out = 5, .kernel = 3, .stride = 1, .int8 = true};
    check_conv(codes, 3, 37, 19);
}

static void no_pictures_are_no_work(void **unused) {
    (void)unused;
    const float weight = 1, bias = 1;
    float out = 7;
    pix_conv c = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .bias = &bias};
    void *packed = pack(&c, &weight);
    pix_conv_run(&c, &compute, 0, 4, 4, &weight, &(pix_conv_room){0}, &out);
    assert_true(out == 7);
    free(packed);
}

static void relu_hides_no_nan(void **unused) {
    (void)unused;
    const float weight = 1, bias = 0, x[] = {-1, NAN, 2, -0.0f, -INFINITY, INFINITY};
    float out[6];
    pix_conv c = {.in = 1, .out = 1, .kernel = 1, .stride = 1, .relu = true, .bias = &bias};
    void *packed = pack(&c, &weight);
    pix_conv_run(&c, &compute, 1, 1, 6, x, &(pix_conv_room){0}, out);
    free(packed);
    assert_true(out[0] == 0 && isnan(out[1]) && out[2] == 2 && out[3] == 0 && out[4] == 0);
    assert_true(isinf(out[5]));
}

static void sides_follow_the_usual_formula(void **unused) {
    (void)unused;
    pix_conv c = {.kernel = 3, .stride = 2};
    assert_int_equal(pix_conv_side(&c, 224), 112);
    assert_int_equal(pix_conv_side(&c, 7), 4);
    assert_int_equal(pix_conv_side(&c, 1), 1);
    c.stride = 1;
    assert_int_equal(pix_conv_side(&c, 7), 7);
    c.kernel = 1;
    assert_int_equal(pix_conv_side(&c, 7), 7);
    assert_int_equal(pix_conv_windows(&c), 0);
}

static void pooling_any_shape_equals_the_definition(void **unused) {
    (void)unused;
    for (int round = 0; round < 200; round++) {
        int count = between(1, 3), height = between(1, 9), width = between(1, 9);
        int channels = between(1, 40), down = height / 2, across = width / 2;
        int total = count * down * across * channels, elements = count * height * width * channels;
        float *x = noise((size_t)elements), *out = noise((size_t)total);
        pix_average_pool(count, height, width, channels, x, out);
        for (int i = 0; i < total; i++) {
            int channel = i % channels, column = i / channels % across;
            int row = i / channels / across % down, picture = i / channels / across / down;
            double sum = 0;
            for (int y = 2 * row; y < 2 * row + 2; y++)
                for (int left = 2 * column; left < 2 * column + 2; left++)
                    sum += (double)x[((picture * height + y) * width + left) * channels + channel];
            if (!(fabs((double)out[i] - sum / 4) <= 2e-7))
                fail_msg("%dx%dx%dx%d: value %d is %.9g, not %.9g", count, height, width, channels,
                         i, (double)out[i], sum / 4);
        }
        free(x);
        free(out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_shape_equals_the_definition),
        cmocka_unit_test(more_pixels_than_a_tile_make_no_difference),
        cmocka_unit_test(no_pictures_are_no_work),
        cmocka_unit_test(relu_hides_no_nan),
        cmocka_unit_test(sides_follow_the_usual_formula),
        cmocka_unit_test(pooling_any_shape_equals_the_definition),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
