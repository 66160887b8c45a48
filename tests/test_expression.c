#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "query/expression.h"
#include "tests/support.h"

enum { MAX_ARGUMENTS = 4 };

static size_t to_inputs(const char *const *words, pix_query_input inputs[MAX_ARGUMENTS]) {
    size_t count = 0;
    for (; words[count]; count++)
        inputs[count] = (pix_query_input){.value = words[count]};
    return count;
}

static pix_status parse(pix_expression *out, pix_error *error, const char *const *words) {
    pix_query_input inputs[MAX_ARGUMENTS];
    return pix_expression_parse(inputs, to_inputs(words, inputs), out, error);
}

static void assert_means(bool is_picture, const char *value, const char *const *words) {
    pix_expression expression;
    pix_error error;
    assert_ok(parse(&expression, &error, words), &error);
    assert_int_equal(expression.is_picture, is_picture);
    assert_string_equal(expression.value.data, value);
    pix_expression_free(&expression);
}

#define WORDS(value, ...) assert_means(false, value, (const char *const[]){__VA_ARGS__, NULL})
#define PICTURE(value, word) assert_means(true, value, (const char *const[]){word, NULL})

static void assert_refused(const char *what, const char *const *words) {
    pix_expression expression;
    pix_error error;
    assert_int_equal(parse(&expression, &error, words), PIX_EINVALID);
    if (!strstr(error.text, what))
        fail_msg("'%s' is not about '%s'", error.text, what);
    assert_null(expression.value.data);
}

#define REFUSED(what, ...) assert_refused(what, (const char *const[]){__VA_ARGS__, NULL})

static void a_bare_name_is_words(void **state) {
    (void)state;
    WORDS("cat.jpg", "cat.jpg");
    WORDS("a dog on a beach", "a dog", "on", "a beach");
    WORDS("sub/folder.jpg", "sub/folder.jpg");
    WORDS(".hidden", ".hidden");
    WORDS("..", "..");
    WORDS("~tilde", "~tilde");
    WORDS("http://x/y.jpg", "http://x/y.jpg");
    WORDS("either / or", "either / or");
}

static void a_picture_begins_like_a_path(void **state) {
    (void)state;
    assert_int_equal(setenv("HOME", "/home/me", 1), 0);
    PICTURE("./cat.jpg", "./cat.jpg");
    PICTURE("../cat.jpg", "../cat.jpg");
    PICTURE("/p/cat.jpg", "/p/cat.jpg");
    PICTURE("/home/me/cat.jpg", "~/cat.jpg");
}

static void a_uri_is_decoded(void **state) {
    (void)state;
    PICTURE("/p/a b+c%.jpg", "file:///p/a%20b+c%25.jpg");
    PICTURE("/p/\xC3\xA9", "file://localhost/p/%C3%a9");
    REFUSED("not a file of this machine", "file://server/p/a.jpg");
    REFUSED("not a file of this machine", "file://");
    REFUSED("not followed by a byte", "file:///p/%2");
    REFUSED("not followed by a byte", "file:///p/%zz");
    REFUSED("not followed by a byte", "file:///p/%00");
    REFUSED("not followed by a byte", "file:///p/%");
}

static void pictures_and_words_do_not_mix(void **state) {
    (void)state;
    REFUSED("'./b.jpg': a picture", "a dog", "./b.jpg");
    REFUSED("'./a.jpg': a picture", "./a.jpg", "./b.jpg");
}

static void an_empty_query_is_refused(void **state) {
    (void)state;
    REFUSED("the query is empty", "");
    REFUSED("the query is empty", " ", "\t\n");
    REFUSED("the query is empty", "\u3000");
    REFUSED("the query is empty", "\u00A0", "&nbsp;");
    WORDS("\u3000a", "\u3000a");
}

static bool names_picture(const char *const *words) {
    pix_query_input inputs[MAX_ARGUMENTS];
    return pix_expression_names_picture(inputs, to_inputs(words, inputs));
}

#define NAMES_PICTURE(...) names_picture((const char *const[]){__VA_ARGS__, NULL})

static void words_that_name_a_file_are_noticed(void **state) {
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(test_folder()), 0);
    test_write_file("cat.jpg", "", 0);
    test_write_file("cat", "", 0);
    assert_int_equal(mkdir("dogs.d", 0700), 0);
    assert_true(NAMES_PICTURE("cat.jpg"));
    assert_true(NAMES_PICTURE("dogs.d/../cat.jpg"));
    assert_false(NAMES_PICTURE("./cat.jpg"));
    assert_false(NAMES_PICTURE("dog.jpg"));
    assert_false(NAMES_PICTURE("cat.jpg", "cat.jpg"));
    assert_false(NAMES_PICTURE("cat"));
    assert_false(NAMES_PICTURE("dogs.d"));
    assert_int_equal(chdir(before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_name_is_words),
        cmocka_unit_test(a_picture_begins_like_a_path),
        cmocka_unit_test(a_uri_is_decoded),
        cmocka_unit_test(pictures_and_words_do_not_mix),
        cmocka_unit_test(an_empty_query_is_refused),
        cmocka_unit_test(words_that_name_a_file_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
