#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/labels.h"
#include "tests/support.h"

/* The labels of the value are those of `expected`, up to NULL, and the note is `noted`. */
static void assert_labels(const char *value, const char *standard_input, const char *noted,
                          const char *const *expected) {
    FILE *in = fmemopen((void *)standard_input, strlen(standard_input), "r");
    assert_non_null(in);
    pix_list labels;
    pix_bytes note = {0};
    pix_error error;
    assert_ok(pix_labels_open(value, in, &labels, &note, &error), &error);
    size_t count = 0;
    for (; expected[count]; count++) {
        assert_true(count < labels.count);
        assert_string_equal(labels.entries[count].text, expected[count]);
    }
    assert_int_equal(labels.count, count);
    assert_string_equal(note.data ? note.data : "", noted);
    pix_list_free(&labels);
    pix_bytes_free(&note);
    (void)fclose(in);
}

#define ARE(value, noted, ...)                                                                     \
    assert_labels(value, "x", noted, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *value, pix_status expected, const char *what) {
    FILE *in = fmemopen((void *)"\n", 1, "r");
    assert_non_null(in);
    pix_list labels;
    pix_bytes note = {0};
    pix_error error;
    assert_int_equal(pix_labels_open(value, in, &labels, &note, &error), expected);
    if (!strstr(error.text, what))
        fail_msg("'%s' is not about '%s'", error.text, what);
    assert_null(labels.entries);
    pix_bytes_free(&note);
    (void)fclose(in);
}

/* A file of that text in `folder`. */
static const char *file_of(const char *folder, const char *name, const char *text) {
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    test_write_file(path, text, strlen(text));
    return path;
}

static void a_value_with_a_comma_is_a_list(void **state) {
    (void)state;
    ARE("cat,dog", "", "cat", "dog");
    ARE(" hot dog ,, \t,Gr\xC3\xBC\xC3\x9F"
        "e,",
        "", "hot dog",
        "Gr\xC3\xBC\xC3\x9F"
        "e");
    ARE("cat,", "", "cat");
}

static void anything_else_is_a_file_with_a_label_a_line(void **state) {
    (void)state;
    const char *folder = test_folder();
    ARE(file_of(folder, "labels", "cat\r\n\r\nsalt, pepper\n  kite (bird of prey)"), "", "cat",
        "salt, pepper", "kite (bird of prey)");
    ARE(file_of(folder, "a,b", "one\n"), "", "one");
    assert_labels("-", "sun\nmoon\n", "", (const char *const[]){"sun", "moon", NULL});
}

static void labels_the_model_reads_alike_count_once(void **state) {
    (void)state;
    ARE("Cat,dog,cat,hot  dog,DOG,hot dog,caf\xC3\xA9,cafe\xCC\x81",
        "repeated labels count once: cat, DOG, hot dog, cafe\xCC\x81", "Cat", "dog", "hot  dog",
        "caf\xC3\xA9");
    ARE("a,a,a,a,a,a,a", "repeated labels count once: a, a, a, a, a, ...", "a");
    ARE("xb,x\001b", "repeated labels count once: x\\x01b", "xb");
}

/* Unicode has more blanks than ASCII; the model reads nothing in them. */
static void what_the_model_reads_as_nothing_is_no_label(void **state) {
    (void)state;
    ARE("\xE3\x80\x80,cat,\xC2\xA0,\xE3\x80\x80", "", "cat");
}

static void what_gives_no_labels_is_told(void **state) {
    (void)state;
    assert_refused(",", PIX_EINVALID, ",: there is no label in it");
    assert_refused("-", PIX_EINVALID, "standard input: there is no label in it");
    assert_refused(file_of(test_folder(), "empty", ""), PIX_EINVALID,
                   "empty: there is no label in it");
    assert_refused("dog", PIX_ENOTFOUND,
                   "dog: there is no such file of labels; labels themselves are written with "
                   "commas: cat,dog");
    assert_refused("cat,\xFF", PIX_EINVALID, "not UTF-8");
    assert_refused(file_of(test_folder(), "latin1", "na\xEFve\n"), PIX_EFORMAT,
                   "latin1, line 1: not UTF-8 text");
    assert_refused(test_folder(), PIX_EIO, ": Is a directory");
}

static void thousands_of_labels_keep_their_order(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    pix_bytes text = {0};
    for (int i = 0; i < 2 * COUNT; i++) {
        char line[16];
        (void)snprintf(line, sizeof line, "l%d\n", i * 7 % COUNT);
        assert_int_equal(pix_bytes_append_text(&text, line), PIX_OK);
    }
    pix_list labels;
    pix_bytes note = {0};
    pix_error error;
    assert_ok(
        pix_labels_open(file_of(test_folder(), "many", text.data), stdin, &labels, &note, &error),
        &error);
    assert_int_equal(labels.count, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(strtol(labels.entries[i].text + 1, NULL, 10), i * 7 % COUNT);
    pix_list_free(&labels);
    pix_bytes_free(&note);
    pix_bytes_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_with_a_comma_is_a_list),
        cmocka_unit_test(anything_else_is_a_file_with_a_label_a_line),
        cmocka_unit_test(labels_the_model_reads_alike_count_once),
        cmocka_unit_test(what_the_model_reads_as_nothing_is_no_label),
        cmocka_unit_test(what_gives_no_labels_is_told),
        cmocka_unit_test(thousands_of_labels_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
