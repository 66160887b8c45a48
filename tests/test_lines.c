#include <stdio.h>
#include <string.h>

#include "core/base/lines.h"
#include "tests/support.h"

static FILE *stream_of(const char *data, size_t size) {
    FILE *in = fmemopen((void *)data, size, "r");
    assert_non_null(in);
    return in;
}

#define STREAM(text) stream_of(text, sizeof(text) - 1)

/* The next line of the stream is `expected`, and NULL at its end. */
static void assert_line(FILE *in, int end, pix_bytes *line, const char *expected, size_t size) {
    bool more;
    pix_error error;
    assert_ok(pix_line_read(in, end, "it", line, &more, &error), &error);
    assert_int_equal(more, expected != NULL);
    if (expected) {
        assert_int_equal(line->size, size);
        assert_memory_equal(line->data, expected, size + 1);
    }
}

static void lines_come_without_their_ends(void **state) {
    (void)state;
    FILE *in = STREAM("one\n\ntw\0o\r\nlast");
    pix_bytes line = {0};
    assert_line(in, '\n', &line, "one", 3);
    assert_line(in, '\n', &line, "", 0);
    assert_line(in, '\n', &line, "tw\0o\r", 5);
    assert_line(in, '\n', &line, "last", 4);
    assert_line(in, '\n', &line, NULL, 0);
    (void)fclose(in);
    in = STREAM("a\nb\0\0c\0");
    assert_line(in, '\0', &line, "a\nb", 3);
    assert_line(in, '\0', &line, "", 0);
    assert_line(in, '\0', &line, "c", 1);
    assert_line(in, '\0', &line, NULL, 0);
    (void)fclose(in);
    pix_bytes_free(&line);
}

static void a_stream_that_cannot_be_read_is_named(void **state) {
    (void)state;
    FILE *in = fopen(test_folder(), "r");
    assert_non_null(in);
    pix_bytes line = {0};
    pix_error error;
    bool more = true;
    assert_int_equal(pix_line_read(in, '\n', "standard input", &line, &more, &error), PIX_EIO);
    assert_string_equal(error.text, "cannot read standard input: Is a directory");
    assert_false(more);
    pix_bytes_free(&line);
    (void)fclose(in);
}

static void a_list_is_what_a_person_meant(void **state) {
    (void)state;
    FILE *in = STREAM("\xEF\xBB\xBF"
                      "cat\r\n\r\n  \t\n hot dog, with mustard \nna\xC3\xAFve\n\xEF\xBB\xBF");
    static const pix_list_entry expected[] = {
        {(char *)"cat", 1},
        {(char *)"hot dog, with mustard", 4},
        {(char *)"na\xC3\xAFve", 5},
        {(char *)"\xEF\xBB\xBF", 6}, /* only the first character can be a mark */
    };
    pix_list list = {0};
    pix_error error;
    assert_ok(pix_list_read(&list, in, "list.txt", &error), &error);
    assert_int_equal(list.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.entries[i].text, expected[i].text);
        assert_int_equal(list.entries[i].line, expected[i].line);
    }
    pix_list_free(&list);
    assert_int_equal(list.count, 0);
    (void)fclose(in);
}

static void a_list_of_ten_thousand_is_whole(void **state) {
    (void)state;
    pix_bytes text = {0};
    for (int i = 1; i <= 10000; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "label %d\n", i);
        assert_int_equal(pix_bytes_append_text(&text, line), PIX_OK);
    }
    FILE *in = stream_of(text.data, text.size);
    pix_list list = {0};
    pix_error error;
    assert_ok(pix_list_read(&list, in, "list.txt", &error), &error);
    assert_int_equal(list.count, 10000);
    assert_string_equal(list.entries[9999].text, "label 10000");
    assert_int_equal(list.entries[9999].line, 10000);
    pix_list_free(&list);
    pix_bytes_free(&text);
    (void)fclose(in);
}

static void assert_not_text(FILE *in, const char *expected) {
    pix_list list = {0};
    pix_error error;
    assert_int_equal(pix_list_read(&list, in, "list.txt", &error), PIX_EFORMAT);
    assert_string_equal(error.text, expected);
    pix_list_free(&list);
    (void)fclose(in);
}

static void what_is_not_utf8_is_told_with_its_line(void **state) {
    (void)state;
    assert_not_text(STREAM("cat\nna\xEFve\n"), "list.txt, line 2: not UTF-8 text");
    assert_not_text(STREAM("cat\n\nd\0og\n"), "list.txt, line 3: not UTF-8 text");
    assert_not_text(STREAM("\xFF\xFE"
                           "c\0a\0t\0\n\0"),
                    "list.txt, line 1: not UTF-8 text");
}

static void a_file_that_is_not_there_is_named(void **state) {
    (void)state;
    pix_list list = {0};
    pix_error error;
    assert_int_equal(pix_list_read_file(&list, "/nonexistent/l.txt", &error), PIX_ENOTFOUND);
    assert_string_equal(error.text, "/nonexistent/l.txt: No such file or directory");
    assert_int_equal(list.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_ends),
        cmocka_unit_test(a_stream_that_cannot_be_read_is_named),
        cmocka_unit_test(a_list_is_what_a_person_meant),
        cmocka_unit_test(a_list_of_ten_thousand_is_whole),
        cmocka_unit_test(what_is_not_utf8_is_told_with_its_line),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
