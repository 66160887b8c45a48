#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "query/print.h"
#include "tests/support.h"

/* A stream into memory; written() ends it and compares. */
typedef struct memory {
    char *text;
    size_t size;
    FILE *stream;
} memory;

static FILE *memory_open(memory *out) {
    *out = (memory){0};
    out->stream = open_memstream(&out->text, &out->size);
    assert_non_null(out->stream);
    return out->stream;
}

static void assert_written(memory *out, const char *expected, size_t size) {
    assert_int_equal(fclose(out->stream), 0);
    if (out->size != size || memcmp(out->text, expected, size) != 0)
        fail_msg("wrote '%s', not '%s'", out->text, expected);
    free(out->text);
}

static const pix_photo_row *row_of(const char *path) {
    static pix_photo_row row;
    row = (pix_photo_row){.path = path, .path_size = strlen(path)};
    return &row;
}

static void assert_result(pix_query_format format, double score, const pix_photo_row *row,
                          const char *expected) {
    memory out;
    const pix_result result = {.score = score, .photo = row};
    assert_int_equal(pix_print_result(memory_open(&out), format, &result), PIX_OK);
    assert_written(&out, expected, strlen(expected));
}

static void a_line_is_score_tab_path(void **state) {
    (void)state;
    assert_result(PIX_FORMAT_LINES, 1, row_of("/p/a b.jpg"), "1.000000\t/p/a b.jpg\n");
    assert_result(PIX_FORMAT_LINES, -0.1234567, row_of("/p/\xC3\xA9"), "-0.123457\t/p/\xC3\xA9\n");
}

static void control_bytes_never_reach_a_line(void **state) {
    (void)state;
    const char *path = "/p/a\nb\tc\x1b[31m\\.jpg";
    assert_result(PIX_FORMAT_LINES, 0.5, row_of(path), "0.500000\t/p/a\\nb\\tc\\x1b[31m\\\\.jpg\n");
    assert_result(PIX_FORMAT_PATHS, 0.5, row_of(path), "/p/a\\nb\\tc\\x1b[31m\\\\.jpg\n");
}

static void null_separated_paths_are_raw(void **state) {
    (void)state;
    memory out;
    const pix_result result = {.photo = row_of("/p/\n\\\xFF")};
    assert_int_equal(pix_print_result(memory_open(&out), PIX_FORMAT_NULL, &result), PIX_OK);
    assert_written(&out, "/p/\n\\\xFF\0", 7);
}

static void assert_collapsed(pix_query_format format, size_t folded, const char *expected) {
    memory out;
    const pix_result result = {
        .score = 0.5, .photo = row_of("/p/a.jpg"), .is_collapsed = true, .folded = folded};
    assert_int_equal(pix_print_result(memory_open(&out), format, &result), PIX_OK);
    assert_written(&out, expected, strlen(expected));
}

static void what_is_folded_is_counted(void **state) {
    (void)state;
    static const char json[] =
        "{\"path\":\"/p/a.jpg\",\"score\":0.5,\"width\":null,\"height\":null,\"format\":null,"
        "\"taken\":null,\"camera\":null,\"latitude\":null,\"longitude\":null,\"folded\":";
    char expected[512];
    (void)snprintf(expected, sizeof expected, "%s0}\n", json);
    assert_collapsed(PIX_FORMAT_JSON, 0, expected);
    (void)snprintf(expected, sizeof expected, "%s12}\n", json);
    assert_collapsed(PIX_FORMAT_JSON, 12, expected);
    assert_collapsed(PIX_FORMAT_TABLE, 3,
                     "  0.5000                                 /p/a.jpg (+3)\n");
    assert_collapsed(PIX_FORMAT_TABLE, 0, "  0.5000                                 /p/a.jpg\n");
    assert_collapsed(PIX_FORMAT_LINES, 3, "0.500000\t/p/a.jpg\n");
    assert_collapsed(PIX_FORMAT_PATHS, 3, "/p/a.jpg\n");
}

static void a_table_is_aligned(void **state) {
    (void)state;
    pix_photo_row row = *row_of("/p/a.jpg");
    row.width = 4032;
    row.height = 3024;
    row.taken_at = "2024-05-01T13:45:10";
    assert_result(PIX_FORMAT_TABLE, 0.31231, &row,
                  "  0.3123  2024-05-01 13:45  4032x3024    /p/a.jpg\n");
    assert_result(PIX_FORMAT_TABLE, -0.5, row_of("/p/b.jpg"),
                  " -0.5000                                 /p/b.jpg\n");
    memory out;
    pix_print_heading(memory_open(&out));
    const char *heading = "   score  taken             pixels       path\n";
    assert_written(&out, heading, strlen(heading));
}

static void json_has_all_keys_in_a_fixed_order(void **state) {
    (void)state;
    pix_photo_row row = *row_of("/p/\"a\".jpg");
    assert_result(PIX_FORMAT_JSON, 0.25, &row,
                  "{\"path\":\"/p/\\\"a\\\".jpg\",\"score\":0.25,\"width\":null,\"height\":null,"
                  "\"format\":null,\"taken\":null,\"camera\":null,\"latitude\":null,"
                  "\"longitude\":null}\n");
    row.width = 640;
    row.height = 480;
    row.format = "jpeg";
    row.taken_at = "2024-05-01T13:45:10";
    row.camera = "ACME 1";
    row.has_location = true;
    row.latitude = -0.5;
    row.longitude = 12.25;
    assert_result(PIX_FORMAT_JSON, 0.123456789123, &row,
                  "{\"path\":\"/p/\\\"a\\\".jpg\",\"score\":0.123456789,\"width\":640,"
                  "\"height\":480,\"format\":\"jpeg\",\"taken\":\"2024-05-01T13:45:10\","
                  "\"camera\":\"ACME 1\",\"latitude\":-0.5000000,\"longitude\":12.2500000}\n");
}

static void a_path_that_is_not_utf8_is_base64(void **state) {
    (void)state;
    memory out;
    FILE *stream = memory_open(&out);
    pix_json_bytes(stream, "path", "\xFF", 1);
    pix_json_bytes(stream, "path",
                   "\xFF"
                   "a",
                   2);
    pix_json_bytes(stream, "path", "\xFF\xFE\xFD", 3);
    pix_json_bytes(stream, "path", "\xC3\xA9", 2);
    const char *expected = "\"path_base64\":\"/w==\"\"path_base64\":\"/2E=\""
                           "\"path_base64\":\"//79\"\"path\":\"\xC3\xA9\"";
    assert_written(&out, expected, strlen(expected));
}

static void strings_are_always_valid_json(void **state) {
    (void)state;
    memory out;
    pix_json_string(memory_open(&out), "a\0\x1f\"\\\n\t\x7f\xC3\xA9\xF0\x9F\x90\x95\xC3\xFFz", 17);
    const char *expected = "\"a\\u0000\\u001f\\\"\\\\\\n\\t\\u007f\xC3\xA9\xF0\x9F\x90\x95"
                           "\\ufffd\\ufffdz\"";
    assert_written(&out, expected, strlen(expected));
}

static void vectors_keep_nine_digits(void **state) {
    (void)state;
    memory out;
    FILE *stream = memory_open(&out);
    const float vector[] = {0.1F, -1.0F, 1.17549435e-38F};
    pix_json_vector(stream, vector, 3);
    pix_json_vector(stream, vector, 0);
    pix_json_number(stream, (double)NAN);
    const int32_t ids[] = {49406, 320, 49407};
    pix_json_ids(stream, ids, 3);
    pix_json_ids(stream, ids, 0);
    const char *expected = "[0.100000001,-1,1.17549435e-38][]null[49406,320,49407][]";
    assert_written(&out, expected, strlen(expected));
}

static void a_cut_text_says_what_was_dropped(void **state) {
    (void)state;
    memory out;
    pix_text_cut cut = {0};
    FILE *stream = memory_open(&out);
    assert_int_equal(pix_print_cut(stream, "the text", &cut), PIX_OK);
    cut.count = 3;
    assert_int_equal(pix_bytes_append_text(&cut.words, "on the beach "), PIX_OK);
    assert_int_equal(pix_print_cut(stream, "the text", &cut), PIX_OK);
    const char *expected = "pixgrep: the text is too long for the model by 3 tokens and was cut "
                           "before \"on the beach\"\n";
    assert_written(&out, expected, strlen(expected));
    pix_bytes_free(&cut.words);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_score_tab_path),
        cmocka_unit_test(control_bytes_never_reach_a_line),
        cmocka_unit_test(null_separated_paths_are_raw),
        cmocka_unit_test(what_is_folded_is_counted),
        cmocka_unit_test(a_table_is_aligned),
        cmocka_unit_test(json_has_all_keys_in_a_fixed_order),
        cmocka_unit_test(a_path_that_is_not_utf8_is_base64),
        cmocka_unit_test(strings_are_always_valid_json),
        cmocka_unit_test(vectors_keep_nine_digits),
        cmocka_unit_test(a_cut_text_says_what_was_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
