#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/image/nearest.h"
#include "core/image/resample.h"
#include "core/image/resample16.h"
#include "tests/support.h"

/* One sample of Pillow's resize along one axis, written down as plainly as possible: the reference
 * that the real thing, with its windows, rings and halves of weights, must equal. */
static int plain(const uint8_t *samples, size_t stride, int input, double extent, int64_t output,
                 int64_t at) {
    double scale = extent / (double)output, stretch = scale < 1.0 ? 1.0 : scale;
    double centre = ((double)at + 0.5) * scale, support = 2.0 * stretch, sum = 0.0;
    int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > input ? input : high;
    double *weights = calloc((size_t)(high - low), sizeof *weights);
    assert_non_null(weights);
    for (int i = low; i < high; i++) {
        double x = fabs((i - centre + 0.5) * (1.0 / stretch)), a = -0.5;
        weights[i - low] = x < 1.0   ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                           : x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a
                                     : 0.0;
        sum += weights[i - low];
    }
    int64_t total = 1 << 21;
    for (int i = low; i < high; i++)
        total += llround(weights[i - low] / sum * (1 << 22)) * samples[(size_t)i * stride];
    free(weights);
    total = total < 0 ? 0 : total >> 22;
    return (int)(total > 255 ? 255 : total);
}

/* The whole picture resized: [y->output, x->output, channels]. */
static uint8_t *resize_plainly(const uint8_t *from, const pix_axis *x, const pix_axis *y,
                               size_t channels) {
    size_t width = (size_t)x->input, wide = (size_t)x->output, high = (size_t)y->output;
    uint8_t *middle = malloc((size_t)y->input * wide * channels);
    uint8_t *out = malloc(high * wide * channels);
    assert_non_null(middle);
    assert_non_null(out);
    for (size_t i = 0; i < (size_t)y->input * wide * channels; i++) {
        size_t row = i / (wide * channels), column = i / channels % wide, c = i % channels;
        middle[i] = (uint8_t)plain(from + row * width * channels + c, channels, x->input,
                                   (double)x->extent, x->output, (int64_t)column);
    }
    for (size_t i = 0; i < high * wide * channels; i++)
        out[i] = (uint8_t)plain(middle + i % (wide * channels), wide * channels, y->input,
                                (double)y->extent, y->output, (int64_t)(i / (wide * channels)));
    free(middle);
    return out;
}

static uint8_t *noise(size_t count) {
    uint8_t *out = malloc(count);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) /* half of it extreme, so that clipping matters */
        out[i] = (uint8_t)(rand() % 2 ? rand() % 2 * 255 : rand());
    return out;
}

/* Each row is in memory of its own, so that a sanitizer sees what is read behind it. */
static uint8_t *run(const pix_loops *loops, const uint8_t *from, const pix_axis *x,
                    const pix_axis *y, int channels) {
    pix_error error;
    pix_resampler *resampler;
    uint8_t *out = malloc((size_t)x->count * (size_t)y->count * (size_t)channels);
    assert_non_null(out);
    assert_ok(pix_resampler_new(loops, x, y, channels, out, &resampler, &error), &error);
    size_t size = (size_t)x->input * (size_t)channels;
    for (size_t i = 0; i < (size_t)y->input; i++) {
        uint8_t *row = malloc(size);
        assert_non_null(row);
        memcpy(row, from + i * size, size);
        pix_resampler_row(resampler, row);
        free(row);
    }
    pix_resampler_free(resampler);
    return out;
}

static void check(const pix_axis *x, const pix_axis *y, int channels) {
    size_t c = (size_t)channels;
    uint8_t *from = noise((size_t)x->input * (size_t)y->input * c);
    uint8_t *whole = resize_plainly(from, x, y, c);
    const pix_loops *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++) {
        uint8_t *out = run(loops, from, x, y, channels);
        for (size_t row = 0; row < (size_t)y->count; row++) {
            size_t start = ((size_t)y->first + row) * (size_t)x->output + (size_t)x->first;
            if (memcmp(out + row * (size_t)x->count * c, whole + start * c, (size_t)x->count * c) !=
                0)
                fail_msg("%s: %d channels, row %zu of %d x %d from %d x %d", loops->name, channels,
                         row, x->count, y->count, x->input, y->input);
        }
        free(out);
    }
    free(from);
    free(whole);
}

static pix_axis some_axis(int shrink) {
    int full = 1 + rand() % 120;
    int64_t output = 1 + rand() % 90;
    int64_t first = rand() % output;
    return (pix_axis){.input = (full + shrink - 1) / shrink,
                      .extent = (float)full / (float)shrink,
                      .output = output,
                      .first = first,
                      .count = 1 + (int)(rand() % (output - first))};
}

static void any_window_equals_resizing_the_whole(void **state) {
    (void)state;
    srand(1);
    for (int i = 0; i < 150; i++) {
        int shrink = 1 << rand() % 4;
        pix_axis x = some_axis(shrink), y = some_axis(shrink);
        check(&x, &y, 1 + rand() % 4);
    }
}

/* The crop of a photo: windows of 54 samples, and of 14 once libjpeg has scaled by four. */
static void a_crop_of_a_photo_equals_resizing_the_whole(void **state) {
    (void)state;
    srand(4);
    static const int shrinks[] = {1, 4};
    for (size_t i = 0; i < 2; i++)
        for (int channels = 1; channels <= 4; channels++) {
            int size = 14; /* instead of 224, in both directions */
            pix_axis x = {.input = 250 / shrinks[i],
                          .extent = 250.0F / (float)shrinks[i],
                          .output = 18,
                          .first = 2,
                          .count = size};
            pix_axis y = {.input = 188 / shrinks[i],
                          .extent = 188.0F / (float)shrinks[i],
                          .output = size,
                          .first = 0,
                          .count = size};
            check(&x, &y, channels);
            check(&y, &x, channels);
        }
}

static void a_shrink_by_thousands_does_not_overflow(void **state) {
    (void)state;
    srand(2);
    pix_axis x = {.input = 30000, .extent = 30000.0F, .output = 1, .first = 0, .count = 1};
    pix_axis y = {.input = 2, .extent = 2.0F, .output = 1, .first = 0, .count = 1};
    for (int channels = 1; channels <= 4; channels++) {
        check(&x, &y, channels);
        check(&y, &x, channels);
    }
    uint8_t *white = malloc(60000);
    assert_non_null(white);
    memset(white, 255, 60000);
    const pix_loops *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++) {
        uint8_t *out = run(loops, white, &x, &y, 1);
        assert_int_equal(out[0], 255);
        free(out);
    }
    free(white);
}

/* Enlarging overshoots most: the largest weights, of both signs, meet the largest samples. */
static void edges_are_clipped_at_both_ends(void **state) {
    (void)state;
    srand(5);
    pix_axis axis = {.input = 40, .extent = 40.0F, .output = 97, .first = 0, .count = 97};
    for (int channels = 1; channels <= 4; channels++)
        for (int period = 1; period <= 4; period++) {
            size_t c = (size_t)channels, count = c * 40 * 40, out_size = c * 97 * 97;
            uint8_t *stripes = malloc(count);
            assert_non_null(stripes);
            for (size_t i = 0; i < count; i++)
                stripes[i] = (i / c / (size_t)period + i / c / 40) % 2 ? 255 : 0;
            uint8_t *expected = run(pix_loops_at(0), stripes, &axis, &axis, channels);
            uint8_t *plainly = resize_plainly(stripes, &axis, &axis, c);
            assert_memory_equal(expected, plainly, out_size);
            const pix_loops *loops;
            for (size_t i = 1; (loops = pix_loops_at(i)); i++) {
                uint8_t *out = run(loops, stripes, &axis, &axis, channels);
                if (memcmp(out, expected, out_size) != 0)
                    fail_msg("%s: %d channels, stripes of %d", loops->name, channels, period);
                free(out);
            }
            free(plainly);
            free(expected);
            free(stripes);
        }
}

/* Weights no window has: whatever the sum, it wraps in the same way everywhere. */
static void extreme_weights_give_the_same_samples(void **state) {
    (void)state;
    static const int32_t extremes[] = {0,     1,      -1,      127,        128,     -128, -129,
                                       32767, -32768, 1 << 22, -(1 << 22), 4194303, 2047, 2048};
    enum { TAPS = 48, PIXELS = 5 };
    srand(6);
    for (int round = 0; round < 400; round++) {
        int channels = 1 + round % 4, starts[PIXELS], groups[PIXELS];
        int32_t weights[PIXELS][TAPS];
        uint8_t row[4 * (TAPS + PIXELS) + PIX_LOOP_PADDING];
        uint8_t expected[4 * PIXELS];
        for (size_t i = 0; i < sizeof row; i++)
            row[i] = (uint8_t)(rand() % 3 ? 255 : rand());
        for (size_t i = 0; i < (size_t)PIXELS * TAPS; i++)
            weights[i / TAPS][i % TAPS] = extremes[(size_t)rand() % (sizeof extremes / 4)];
        const pix_loops *loops;
        for (size_t n = 0; (loops = pix_loops_at(n)); n++) {
            uint8_t packed[PIXELS * TAPS * 4], out[4 * PIXELS + PIX_LOOP_PADDING];
            size_t per_window = (size_t)(TAPS / loops->taps);
            pix_windows windows = {.channels = channels,
                                   .count = PIXELS,
                                   .starts = starts,
                                   .groups = groups,
                                   .packed = packed,
                                   .stride = per_window * loops->group_size};
            for (size_t i = 0; i < PIXELS; i++) {
                starts[i] = (int)i;
                groups[i] = (int)per_window;
                for (size_t g = 0; g < per_window; g++)
                    loops->pack(&weights[i][g * (size_t)loops->taps],
                                packed + i * windows.stride + g * loops->group_size);
            }
            loops->squeeze(&windows, 0, 2, row, out);
            loops->squeeze(&windows, 2, PIXELS, row, out);
            if (n == 0)
                memcpy(expected, out, sizeof expected);
            else if (memcmp(out, expected, (size_t)PIXELS * (size_t)channels) != 0)
                fail_msg("%s differs with %d channels in round %d", loops->name, channels, round);
        }
    }
}

static void a_name_allows_no_more_than_it_says(void **state) {
    (void)state;
    const pix_loops *fastest = NULL, *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++)
        fastest = loops;
    assert_ptr_equal(pix_loops_choose(NULL), fastest);
    assert_ptr_equal(pix_loops_choose(""), fastest);
    assert_string_equal(pix_loops_choose("portable")->name, "portable");
    assert_string_equal(pix_loops_choose("abacus")->name, "portable");
    const char *name = pix_loops_choose("avx512")->name;
    assert_true(strcmp(name, "avx2") == 0 || strcmp(name, "portable") == 0);
    for (size_t i = 0; (loops = pix_loops_at(i)); i++)
        assert_ptr_equal(pix_loops_choose(loops->name), loops);
}

static void the_same_size_is_the_identity(void **state) {
    (void)state;
    srand(3);
    pix_axis x = {.input = 33, .extent = 33.0F, .output = 33, .first = 0, .count = 33};
    uint8_t *from = noise((size_t)33 * 33 * 3);
    const pix_loops *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++) {
        uint8_t *out = run(loops, from, &x, &x, 3);
        assert_memory_equal(out, from, (size_t)33 * 33 * 3);
        free(out);
    }
    free(from);
}

static void sixteen_bits_are_cut_not_scaled(void **state) {
    (void)state;
    pix_axis axis = {.input = 4, .extent = 4.0F, .output = 8, .first = 2, .count = 4};
    uint8_t out[16];
    pix_error error;
    pix_resampler16 *resampler;
    assert_ok(pix_resampler16_new(&axis, &axis, out, &resampler, &error), &error);
    const uint16_t rows[4][4] = {
        {9, 9, 9, 9}, {9, 9, 9, 9}, {60000, 60000, 60000, 60000}, {60000, 60000, 60000, 60000}};
    for (int i = 0; i < 4; i++)
        pix_resampler16_row(resampler, rows[i]);
    pix_resampler16_free(resampler);
    assert_int_equal(out[0], 0); /* row 2: the kernel's negative lobe reaches the bright rows */
    assert_int_equal(out[12], 255);
}

static void nearest_takes_the_sample_under_the_centre(void **state) {
    (void)state;
    pix_axis x = {.input = 5, .extent = 5.0F, .output = 8, .first = 1, .count = 6};
    pix_axis y = {.input = 2, .extent = 2.0F, .output = 2, .first = 0, .count = 2};
    const uint8_t from[2][5] = {{0, 1, 2, 3, 4}, {10, 11, 12, 13, 14}};
    uint8_t out[12];
    pix_error error;
    pix_nearest *nearest;
    assert_ok(pix_nearest_new(&x, &y, 1, out, &nearest, &error), &error);
    pix_nearest_row(nearest, from[0]);
    pix_nearest_row(nearest, from[1]);
    pix_nearest_free(nearest);
    /* centres (i + 1/2) * 5/8 for i = 1..6: 0.94 1.56 2.19 2.81 3.44 4.06 */
    const uint8_t expected[12] = {0, 1, 2, 2, 3, 4, 10, 11, 12, 12, 13, 14};
    assert_memory_equal(out, expected, 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_window_equals_resizing_the_whole),
        cmocka_unit_test(a_crop_of_a_photo_equals_resizing_the_whole),
        cmocka_unit_test(a_shrink_by_thousands_does_not_overflow),
        cmocka_unit_test(edges_are_clipped_at_both_ends),
        cmocka_unit_test(extreme_weights_give_the_same_samples),
        cmocka_unit_test(a_name_allows_no_more_than_it_says),
        cmocka_unit_test(the_same_size_is_the_identity),
        cmocka_unit_test(sixteen_bits_are_cut_not_scaled),
        cmocka_unit_test(nearest_takes_the_sample_under_the_centre),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
