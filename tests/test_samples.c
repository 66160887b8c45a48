/* The pictures and texts that models are tried on. */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/sha256.h"
#include "core/clip/samples.h"
#include "tests/support.h"

enum { SIZE = 64, BYTES = SIZE * SIZE * 3 };

/* So that a model's fidelity does not hang on who measures it. */
static void pictures_are_the_same_on_every_cpu(void **state) {
    (void)state;
    static uint8_t rgb[8 * BYTES];
    uint8_t digest[PIX_SHA256_BYTES];
    char hex[PIX_SHA256_HEX];
    for (uint32_t i = 0; i < 8; i++)
        pix_sample_picture(i, SIZE, rgb + (size_t)i * BYTES);
    pix_sha256_of(rgb, sizeof rgb, digest);
    pix_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, "1c0fa5d4c13704f5aa688f8eddcf1cb1c015ea6ba023cf5983eed0008f9dd845");
}

static double difference(const uint8_t *rgb, size_t apart) {
    double sum = 0;
    for (size_t row = 0; row < SIZE; row++)
        for (size_t column = 0; column + apart < SIZE; column++)
            for (size_t i = 0; i < 3; i++)
                sum += abs(rgb[(row * SIZE + column) * 3 + i] -
                           rgb[(row * SIZE + column + apart) * 3 + i]);
    return sum / ((double)SIZE * (SIZE - (double)apart) * 3);
}

/* Nature's differ the more the further apart two points are; noise alone would not. */
static void neighbours_are_more_alike_than_points_far_apart(void **state) {
    (void)state;
    static uint8_t rgb[BYTES];
    double near = 0, middle = 0, far = 0;
    for (uint32_t i = 0; i < 64; i++) {
        pix_sample_picture(i, SIZE, rgb);
        near += difference(rgb, 1) / 64;
        middle += difference(rgb, 6) / 64;
        far += difference(rgb, 32) / 64;
    }
    if (!(near > 2 && middle > 1.5 * near && far > 1.5 * middle))
        fail_msg("differences of %.2f, %.2f and %.2f", near, middle, far);
}

static void pictures_differ_in_light_and_in_colour(void **state) {
    (void)state;
    static uint8_t rgb[BYTES];
    int dark = 0, bright = 0, coloured = 0;
    for (uint32_t i = 0; i < 64; i++) {
        double sum[3] = {0};
        pix_sample_picture(i, SIZE, rgb);
        for (size_t at = 0; at < BYTES; at++)
            sum[at % 3] += rgb[at] / (double)(SIZE * SIZE);
        double grey = (sum[0] + sum[1] + sum[2]) / 3;
        dark += grey < 90;
        bright += grey > 165;
        coloured += sum[0] > sum[2] + 30 || sum[2] > sum[0] + 30;
    }
    if (dark < 8 || bright < 8 || coloured < 16)
        fail_msg("of 64, %d dark, %d bright, %d coloured", dark, bright, coloured);
}

/* The same scene: its means over the quarters are alike at two sizes. */
static void a_picture_shows_the_same_at_every_size(void **state) {
    (void)state;
    static uint8_t small[BYTES], large[4 * BYTES];
    for (uint32_t i = 0; i < 8; i++) {
        double sums[2][4] = {{0}};
        pix_sample_picture(i, SIZE, small);
        pix_sample_picture(i, 2 * SIZE, large);
        for (size_t at = 0; at < BYTES; at++)
            sums[0][at / 3 / SIZE / 32 * 2 + at / 3 % SIZE / 32] += 4.0 * small[at] / BYTES;
        for (size_t at = 0; at < (size_t)4 * BYTES; at++)
            sums[1][at / 3 / 2 / SIZE / 64 * 2 + at / 3 % (SIZE + SIZE) / 64] +=
                large[at] / (double)BYTES;
        for (size_t quarter = 0; quarter < 4; quarter++)
            assert_float_equal(sums[0][quarter], sums[1][quarter], 3);
    }
}

static void texts_are_many_and_none_comes_twice(void **state) {
    (void)state;
    assert_true(pix_sample_text_count >= 100);
    for (size_t i = 0; i < pix_sample_text_count; i++) {
        assert_true(strlen(pix_sample_texts[i]) > 0 && strlen(pix_sample_texts[i]) < 100);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(pix_sample_texts[i], pix_sample_texts[j]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_the_same_on_every_cpu),
        cmocka_unit_test(neighbours_are_more_alike_than_points_far_apart),
        cmocka_unit_test(pictures_differ_in_light_and_in_colour),
        cmocka_unit_test(a_picture_shows_the_same_at_every_size),
        cmocka_unit_test(texts_are_many_and_none_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
