#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/files.h"
#include "core/text/clean.h"

typedef pix_status cleaner(const char *text, size_t size, pix_bytes *out);

static void check(cleaner *clean, const char *name, const char *text, size_t size, const char *want,
                  size_t want_size) {
    pix_bytes got = {0};
    assert_int_equal(clean(text, size, &got), PIX_OK);
    if (got.size != want_size || memcmp(got.data, want, want_size) != 0)
        fail_msg("%s(\"%.*s\") is \"%.*s\", not \"%.*s\"", name, (int)size, text, (int)got.size,
                 got.data, (int)want_size, want);
    pix_bytes_free(&got);
}

#define fixes_to(text, want)                                                                       \
    check(pix_fix_text, "pix_fix_text", text, sizeof(text) - 1, want, sizeof(want) - 1)
#define cleans_to(text, want)                                                                      \
    check(pix_clean, "pix_clean", text, sizeof(text) - 1, want, sizeof(want) - 1)

static void check_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0, lines = 0, wrong = 0;
    for (ssize_t size; (size = getline(&line, &room, file)) > 0; lines++) {
        json_t *object = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        const json_t *text = json_object_get(object, "text");
        const json_t *clean = json_object_get(object, "clean");
        const json_t *fixed = json_object_get(object, "fixed");
        if (!fixed)
            fixed = text;
        pix_bytes got_fixed = {0}, got_clean = {0};
        const char *bytes = json_string_value(text);
        assert_int_equal(pix_fix_text(bytes, json_string_length(text), &got_fixed), PIX_OK);
        assert_int_equal(pix_clean(bytes, json_string_length(text), &got_clean), PIX_OK);
        if (got_fixed.size != json_string_length(fixed) ||
            memcmp(got_fixed.data, json_string_value(fixed), got_fixed.size) != 0 ||
            got_clean.size != json_string_length(clean) ||
            memcmp(got_clean.data, json_string_value(clean), got_clean.size) != 0) {
            print_error(
                "line %zu: \"%s\": fixed \"%s\" (want \"%s\"), clean \"%s\" (want \"%s\")\n", lines,
                bytes, got_fixed.data, json_string_value(fixed), got_clean.data,
                json_string_value(clean));
            wrong++;
        }
        pix_bytes_free(&got_fixed);
        pix_bytes_free(&got_clean);
        json_decref(object);
    }
    free(line);
    assert_int_equal(fclose(file), 0);
    print_message("%s: %zu of %zu lines equal\n", path, lines - wrong, lines);
    assert_true(lines > 0);
    assert_int_equal(wrong, 0);
}

static void golden_lines_are_fixed_and_cleaned_as_the_reference_did(void **state) {
    (void)state;
    check_file(test_golden("tokenizer/tokens.jsonl"));
}

static void reference_lines_are_fixed_and_cleaned_as_the_reference_did(void **state) {
    (void)state;
    const char *path = test_reference("tokenizer/tokens.jsonl");
    if (!test_exists(path))
        test_skip("the reference data is not here");
    check_file(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_lines_are_fixed_and_cleaned_as_the_reference_did),
        cmocka_unit_test(reference_lines_are_fixed_and_cleaned_as_the_reference_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
