#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/base64.h"
#include "core/base/png.h"
#include "core/image/decoder.h"
#include "tests/support.h"

enum { SIDE = 97 };

/* Rows for every kind of filter: equal, rising, noise, the row above again. */
static void paint(uint8_t *rgb) {
    uint32_t noise = 1;
    for (int y = 0; y < SIDE; y++)
        for (int i = 0; i < 3 * SIDE; i++) {
            noise = noise * 1664525 + 1013904223;
            size_t at = (size_t)y * 3 * SIDE + (size_t)i;
            rgb[at] = y % 8 == 0   ? 200
                      : y % 8 < 3  ? (uint8_t)(i + y)
                      : y % 8 < 5  ? (uint8_t)(noise >> 24)
                      : y % 8 == 5 ? (uint8_t)(255 - rgb[at - (size_t)3 * SIDE])
                                   : rgb[at - (size_t)3 * SIDE];
        }
}

static void a_reader_finds_the_same_pixels(void **state) {
    (void)state;
    static uint8_t rgb[SIDE * SIDE * 3], read[SIDE * SIDE * 3];
    pix_bytes png = {0};
    paint(rgb);
    assert_int_equal(pix_bytes_append_text(&png, "what was there before"), PIX_OK);
    assert_int_equal(pix_png_write(rgb, SIDE, SIDE, &png), PIX_OK);
    assert_memory_equal(png.data, "\x89PNG\r\n\x1a\n", 8);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/a.png", test_folder());
    test_write_file(path, png.data, png.size);

    const pix_decode_options options = {.size = SIDE, .exact = true};
    pix_decoder *decoder;
    pix_photo facts;
    pix_error error;
    int fd;
    assert_ok(pix_decoder_open(NULL, &options, &decoder, &error), &error);
    assert_ok(pix_photo_open(path, &fd, &error), &error);
    assert_ok(pix_decoder_run(decoder, fd, read, &facts, &error), &error);
    assert_int_equal(close(fd), 0);
    pix_decoder_close(decoder);
    assert_string_equal(facts.format, "png");
    assert_int_equal(facts.width, SIDE);
    assert_int_equal(facts.height, SIDE);
    assert_memory_equal(read, rgb, sizeof rgb);
    pix_bytes_free(&png);
}

static void a_picture_of_one_colour_is_small(void **state) {
    (void)state;
    enum { WIDTH = 4096, HEIGHT = 3 };
    static uint8_t rgb[WIDTH * HEIGHT * 3];
    memset(rgb, 77, sizeof rgb);
    pix_bytes png = {0};
    assert_int_equal(pix_png_write(rgb, WIDTH, HEIGHT, &png), PIX_OK);
    assert_true(png.size < 200);
    assert_int_equal(pix_png_write(rgb, 1, 1, &png), PIX_OK);
    assert_true(png.size < 80);
    pix_bytes_free(&png);
}

static void base64_is_that_of_the_standard(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xFF\xFE", "//4="}}; /* RFC 4648, section 10 */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        pix_base64_write(out, cases[i][0], strlen(cases[i][0]));
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_finds_the_same_pixels),
        cmocka_unit_test(a_picture_of_one_colour_is_small),
        cmocka_unit_test(base64_is_that_of_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
