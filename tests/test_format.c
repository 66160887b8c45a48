#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/format.h"
#include "tests/support.h"

static const pix_photo_row full = {.id = 42,
                                   .path = "/p/q/a.jpg",
                                   .path_size = 10,
                                   .width = 640,
                                   .height = 480,
                                   .format = "jpeg",
                                   .taken_at = "2024-05-01T13:45:10",
                                   .camera = "ACME 1",
                                   .has_location = true,
                                   .latitude = -0.5,
                                   .longitude = 12.25};

static void assert_prints(const char *template, const pix_photo_row *photo, bool raw,
                          const char *expected, size_t size) {
    pix_format format;
    pix_error error;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_ok(pix_format_parse(template, &format, &error), &error);
    const pix_result result = {.score = 0.1234567, .photo = photo, .folded = 5};
    const pix_format_values values = {.query = "a\tdog", .rank = 3, .result = &result};
    assert_int_equal(pix_format_print(&format, out, raw, &values), PIX_OK);
    assert_int_equal(fclose(out), 0);
    if (length != size || memcmp(text, expected, size) != 0)
        fail_msg("'%s' printed '%s', not '%s'", template, text, expected);
    free(text);
    pix_format_free(&format);
}

#define PRINTS(template, photo, expected)                                                          \
    assert_prints(template, photo, false, expected, sizeof(expected) - 1)

static void every_field_has_its_value(void **state) {
    (void)state;
    PRINTS("{score} {path}", &full, "0.123457 /p/q/a.jpg\n");
    PRINTS("{rank}|{name}|{dir}|{taken}|{camera}", &full,
           "3|a.jpg|/p/q|2024-05-01T13:45:10|ACME 1\n");
    PRINTS("{width}x{height} {type} {lat},{lon} {id}", &full,
           "640x480 jpeg -0.5000000,12.2500000 42\n");
    PRINTS("{query} {folded}", &full, "a\\tdog 5\n");
    PRINTS("", &full, "\n");
    PRINTS("plain", &full, "plain\n");
}

static void what_is_unknown_is_empty(void **state) {
    (void)state;
    const pix_photo_row bare = {.id = 1, .path = "/a", .path_size = 2};
    PRINTS("[{taken}{camera}{width}{height}{type}{lat}{lon}] {dir} {name}", &bare, "[] / a\n");
}

static void braces_and_escapes_stand_for_bytes(void **state) {
    (void)state;
    PRINTS("{{{rank}}}", &full, "{3}\n");
    PRINTS("\\t\\n\\\\\\0|", &full, "\t\n\\\0|\n");
    PRINTS("\xC3\xA9 {rank}", &full, "\xC3\xA9 3\n");
}

static void a_name_cannot_imitate_the_template(void **state) {
    (void)state;
    const char *path = "/p/a\n{score}\\t\x1b[31m";
    const pix_photo_row hostile = {.path = path, .path_size = strlen(path)};
    PRINTS("{path}\\t{rank}", &hostile, "/p/a\\n{score}\\\\t\\x1b[31m\t3\n");
    PRINTS("{name}", &hostile, "a\\n{score}\\\\t\\x1b[31m\n");
}

static void records_that_end_with_nul_are_raw(void **state) {
    (void)state;
    const char *path = "/p/a\n\xFF";
    const pix_photo_row odd = {.path = path, .path_size = strlen(path)};
    assert_prints("{path}\\n{rank}", &odd, true, "/p/a\n\xFF\n3\0", 9);
}

static void assert_refused(const char *template, const char *words) {
    pix_format format;
    pix_error error;
    assert_int_equal(pix_format_parse(template, &format, &error), PIX_EINVALID);
    assert_int_equal(format.count, 0);
    if (!strstr(error.text, words))
        fail_msg("'%s' gave '%s', not '%s'", template, error.text, words);
}

static void what_is_no_template_is_named(void **state) {
    (void)state;
    assert_refused("{score} {size}", "no field {size}, only score, rank, path, name, dir, taken, "
                                     "camera, width, height, type, lat, lon, id, query, folded");
    assert_refused("{}", "no field {}");
    assert_refused("{Path}", "no field {Path}");
    assert_refused("{ path}", "no field { path}");
    assert_refused("{path", "'{path' is not closed");
    assert_refused("{pa{th}", "'{pa' is not closed");
    assert_refused("a}b", "'}' closes nothing");
    assert_refused("\\x", "'\\x' is none of");
    assert_refused("a\\", "'\\' is none of");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_value),
        cmocka_unit_test(what_is_unknown_is_empty),
        cmocka_unit_test(braces_and_escapes_stand_for_bytes),
        cmocka_unit_test(a_name_cannot_imitate_the_template),
        cmocka_unit_test(records_that_end_with_nul_are_raw),
        cmocka_unit_test(what_is_no_template_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
