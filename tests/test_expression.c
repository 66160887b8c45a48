#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "query/expression.h"
#include "tests/support.h"

enum { MAX_ARGUMENTS = 16 };

/* An argument that begins with LIKE is a FILE of --like. */
#define LIKE "\1"

static pix_status parse_as(bool literal, const char *const *words, pix_expression *out,
                           pix_error *error) {
    pix_query_input inputs[MAX_ARGUMENTS];
    size_t count = 0;
    for (; words[count]; count++) {
        bool like = words[count][0] == LIKE[0];
        inputs[count] = (pix_query_input){.value = words[count] + like, .is_like = like};
    }
    const pix_query_options options = {.inputs = inputs, .input_count = count, .literal = literal};
    return pix_expression_parse(&options, out, error);
}

/* Terms as lines of text: "+1 words:a dog", "-0.5 picture:/p/a.jpg". */
static void assert_terms(bool literal, const char *expected, const char *const *words) {
    pix_expression expression;
    pix_error error;
    pix_bytes got = {0};
    assert_ok(parse_as(literal, words, &expression, &error), &error);
    for (size_t i = 0; i < expression.count; i++) {
        const pix_term *term = &expression.terms[i];
        char head[64];
        (void)snprintf(head, sizeof head, "%s%+g %s:", i > 0 ? "\n" : "", term->weight,
                       term->is_picture ? "picture" : "words");
        assert_int_equal(pix_bytes_append_text(&got, head), PIX_OK);
        assert_int_equal(pix_bytes_append(&got, term->value.data, term->value.size), PIX_OK);
    }
    assert_string_equal(got.data, expected);
    pix_bytes_free(&got);
    pix_expression_free(&expression);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define TERMS(expected, ...) assert_terms(false, expected, LIST(__VA_ARGS__))
#define LITERAL(expected, ...) assert_terms(true, expected, LIST(__VA_ARGS__))
#define WORDS(value, ...) TERMS("+1 words:" value, __VA_ARGS__)
#define PICTURE(value, word) TERMS("+1 picture:" value, word)

static void assert_refused(const char *what, const char *const *words) {
    pix_expression expression;
    pix_error error;
    assert_int_equal(parse_as(false, words, &expression, &error), PIX_EINVALID);
    if (!strstr(error.text, what))
        fail_msg("'%s' is not about '%s'", error.text, what);
    if (strchr(error.text, '\n'))
        fail_msg("'%s' is more than a line", error.text);
    assert_null(expression.terms);
}

#define REFUSED(what, ...) assert_refused(what, LIST(__VA_ARGS__))

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

static void terms_are_added_and_subtracted(void **state) {
    (void)state;
    TERMS("+1 words:horse\n+1 words:stripes", "horse", "+", "stripes");
    TERMS("+1 words:apple\n-1 words:fruit", "apple", "-", "fruit");
    TERMS("+1 words:a red apple\n-1 words:some fruit\n+1 words:a tree", "a", "red apple", "-",
          "some", "fruit", "+", "a tree");
    TERMS("+1 picture:./new york city.jpg\n+1 words:night", "./new york city.jpg", "+", "night");
    TERMS("+1 picture:./a.jpg\n-1 picture:/p/b.jpg\n+1 words:b.jpg", "./a.jpg", "-", "/p/b.jpg",
          "+", "b.jpg");
}

/* One argument between quotes means what the same words mean as several. */
static void one_argument_is_an_expression_too(void **state) {
    (void)state;
    TERMS("+1 words:horse\n+1 words:stripes", "horse + stripes");
    TERMS("+1 words:horse\n+1 words:stripes", "horse +", "stripes");
    TERMS("+1 words:horse\n+1 words:stripes", "horse", "+ stripes");
    TERMS("+1 words:horse\n-1 words:a b\n+1 words:c", " horse\t-  a", "b\n+\nc ");
    TERMS("+2 words:golden retriever\n+1 picture:./swimming pool.jpg\n-0.5 words:people",
          "2:golden retriever + ./swimming pool.jpg - 0.5:people");
}

static void signs_inside_words_are_words(void **state) {
    (void)state;
    WORDS("t-shirt", "t-shirt");
    WORDS("-5 degrees", "-5 degrees");
    WORDS("-5 degrees", "-5", "degrees");
    WORDS("c++ +1 -x x- --", "c++ +1", "-x", "x- --");
    WORDS("a \"+\" '-' b", "a \"+\" '-' b");
    static const char *const dashes[] = {
        "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\u00AD",
        "\u2E3A", "\u2E3B", "\u301C", "\u3030", "\uFE31", "\uFE32", "\uFE58", "\uFE63",
        "\uFF0D", "\uFF0B", "\uFE62", "\u2795", "\u2796", "\u058A", "\u05BE", "\u1806"};
    for (size_t i = 0; i < sizeof dashes / sizeof *dashes; i++) {
        char words[32], expected[64];
        (void)snprintf(words, sizeof words, "a %s b", dashes[i]);
        (void)snprintf(expected, sizeof expected, "+1 words:%s", words);
        assert_terms(false, expected, LIST("a", dashes[i], "b"));
        assert_terms(false, expected, LIST(words));
    }
}

static void a_number_and_a_colon_are_a_weight(void **state) {
    (void)state;
    TERMS("+2 words:golden retriever", "2:golden retriever");
    TERMS("+2 words:golden retriever", "2:golden", "retriever");
    TERMS("+1.5 words:cat", "1.5:cat");
    TERMS("+0.5 words:cat", ".5:cat");
    TERMS("+1 words:cat", "1.:cat");
    TERMS("+2 picture:./pool.jpg\n-0.25 picture:/a b.jpg", "2:./pool.jpg", "-", "0.25:/a b.jpg");
    TERMS("+2 picture:/p/a.jpg", "2:file:///p/a.jpg");
    TERMS("+1e+06 words:a\n-1e-06 words:b", "1000000:a", "-", "0.000001:b");
    TERMS("+2 words:\u00E9t\u00E9", "2:\u00E9t\u00E9");
    TERMS("+2 words::a", "2::a");
}

static void other_colons_are_words(void **state) {
    (void)state;
    WORDS("16:9", "16:9");
    WORDS("a screen of 16:9", "a screen of", "16:9");
    WORDS("2:30 pm", "2:30 pm");
    WORDS("2: cats", "2: cats");
    WORDS("2: cats", "2:", "cats");
    WORDS("2:", "2:");
    WORDS("big 2:cat", "big", "2:cat");
    WORDS("big 0:cat", "big 0:cat");
    WORDS("1..:cat", "1..:cat");
    WORDS(".:cat", ".:cat");
    WORDS(":cat", ":cat");
    WORDS("x:cat", "x:cat");
    WORDS("1e3:cat", "1e3:cat");
    WORDS("0x2:cat", "0x2:cat");
    WORDS("1,5:cat", "1,5:cat");
    WORDS("inf:cat", "inf:cat");
    WORDS("nan:cat", "nan:cat");
    WORDS("\uFF12:cat", "\uFF12:cat");
}

static void a_weight_is_positive_and_finite(void **state) {
    (void)state;
    REFUSED("'0:': a weight is a number from 0.000001 to 1000000", "0:people");
    REFUSED("'0.0:': a weight", "a", "-", "0.0:people");
    REFUSED("'0.0000001:': a weight", "0.0000001:people");
    REFUSED("'1000001:': a weight", "1000001:./a.jpg");
    REFUSED("'-2:': a weight has no sign; write - 2:", "a", "+", "-2:people");
    REFUSED("'+.5:': a weight has no sign; write + .5:", "+.5:people");
    char huge[500];
    memset(huge, '9', sizeof huge);
    memcpy(huge + 400, ":cat", sizeof ":cat");
    REFUSED("9:': a weight", huge);
}

/* Names of files hold signs; the argument is the name. */
static void a_picture_is_its_whole_argument(void **state) {
    (void)state;
    PICTURE("./IMG - Copy.jpg", "./IMG - Copy.jpg");
    TERMS("+2 picture:/p/a + b.jpg\n+1 words:night", "2:/p/a + b.jpg", "+", "night");
    PICTURE("./+", "./+");
    WORDS("look at ./a.jpg", "look at ./a.jpg");
}

static void what_stands_side_by_side_needs_a_sign(void **state) {
    (void)state;
    REFUSED("'./b.jpg': a picture needs + or -", "a dog", "./b.jpg");
    REFUSED("'./b.jpg': a picture needs + or -", "./a.jpg", "./b.jpg");
    REFUSED("'./b.jpg': a picture needs + or -", "a dog", "2:./b.jpg");
    REFUSED("'york.jpg' follows the picture ./new without + or -", "./new", "york.jpg");
    REFUSED("'b' follows the picture ./a", "c", "+", "./a", "b", "-", "d");
}

static void signs_need_terms_on_both_sides(void **state) {
    (void)state;
    static const char *const hint = "--literal";
    static const struct {
        const char *what;
        const char *words[5];
    } cases[] = {
        {"begins with '-'", {"-", "fruit"}},
        {"begins with '+'", {"+ fruit"}},
        {"begins with '-'", {"-"}},
        {"begins with '-'", {"", "-", LIKE "a.jpg"}},
        {"nothing stands between '+' and '-'", {"a", "+", "-", "b"}},
        {"nothing stands between '-' and '-'", {"a - - b"}},
        {"nothing stands between '+' and '+'", {"C + +"}},
        {"nothing stands between '+' and '-'", {"a", "+", "", "- b"}},
        {"nothing follows '+' at the end", {"a", "+"}},
        {"nothing follows '-' at the end", {"./a.jpg", "- "}},
        {"nothing follows '-' at the end", {LIKE "a.jpg", "-", " "}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(cases[i].what, cases[i].words);
        assert_refused(hint, cases[i].words);
    }
}

static void literal_words_stand_as_they_are(void **state) {
    (void)state;
    LITERAL("+1 words:horse + stripes", "horse", "+", "stripes");
    LITERAL("+1 words:- 2:a  + ", "- 2:a ", "+ ");
    LITERAL("+1 words:./cat.jpg", "./cat.jpg");
    LITERAL("+1 words:a - b\n+1 picture:c.jpg", "a - b", LIKE "c.jpg");
    LITERAL("+1 picture:c.jpg\n+1 words:a - b", LIKE "c.jpg", "a -", "b");
    LITERAL("+1 words:a b\n+1 picture:c.jpg", "a", LIKE "c.jpg", "b");
}

static void files_of_like_are_added(void **state) {
    (void)state;
    assert_int_equal(setenv("HOME", "/home/me", 1), 0);
    TERMS("+1 picture:a.jpg", LIKE "a.jpg");
    TERMS("+1 picture:a.jpg\n+1 picture:2:b - c.jpg\n+1 picture:/home/me/d.jpg", LIKE "a.jpg",
          LIKE "2:b - c.jpg", LIKE "~/d.jpg");
    TERMS("+1 picture:/p/a b.jpg\n+1 picture:~me.jpg", LIKE "file:///p/a%20b.jpg", LIKE "~me.jpg");
    TERMS("+1 words:a dog\n+1 picture:a.jpg\n+1 picture:b.jpg\n-1 words:snow", "a", "dog",
          LIKE "a.jpg", LIKE "b.jpg", "-", "snow");
    TERMS("+1 words:a dog\n-1 picture:a.jpg\n-1 picture:b.jpg\n+1 words:c", "a dog", "-",
          LIKE "a.jpg", LIKE "b.jpg", "+", "c");
    TERMS("+1 words:a\n-1 words:b\n+1 picture:c.jpg", "a - b", LIKE "c.jpg");
    REFUSED("'dog' follows the picture a.jpg", LIKE "a.jpg", "dog");
    REFUSED("--like: the name of a picture is empty", LIKE "a.jpg", LIKE "");
}

static void an_empty_query_is_refused(void **state) {
    (void)state;
    REFUSED("the query is empty", "");
    REFUSED("the query is empty", " ", "\t\n");
    REFUSED("the query is empty", "\u3000");
    REFUSED("the query is empty", "\u00A0", "&nbsp;");
    WORDS("\u3000a", "\u3000a");
    REFUSED("term 2 of the query is empty", "a", "+", "\u3000");
    REFUSED("term 1 of the query is empty", "&nbsp;", "-", "./a.jpg");
}

static void words_that_name_a_file_are_noticed(void **state) {
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(test_folder()), 0);
    test_write_file("cat.jpg", "", 0);
    test_write_file("IMG - Copy.jpg", "", 0);
    test_write_file("cat", "", 0);
    assert_int_equal(mkdir("dogs.d", 0700), 0);
    assert_true(pix_words_name_picture("cat.jpg"));
    assert_true(pix_words_name_picture("IMG - Copy.jpg"));
    assert_true(pix_words_name_picture("dogs.d/../cat.jpg"));
    assert_false(pix_words_name_picture("./cat.jpg"));
    assert_false(pix_words_name_picture("dog.jpg"));
    assert_false(pix_words_name_picture("cat.jpg cat.jpg"));
    assert_false(pix_words_name_picture("cat"));
    assert_false(pix_words_name_picture("dogs.d"));
    /* The file changes nothing of what is searched for. */
    WORDS("cat.jpg", "cat.jpg");
    assert_int_equal(chdir(before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_name_is_words),
        cmocka_unit_test(a_picture_begins_like_a_path),
        cmocka_unit_test(a_uri_is_decoded),
        cmocka_unit_test(terms_are_added_and_subtracted),
        cmocka_unit_test(one_argument_is_an_expression_too),
        cmocka_unit_test(signs_inside_words_are_words),
        cmocka_unit_test(a_number_and_a_colon_are_a_weight),
        cmocka_unit_test(other_colons_are_words),
        cmocka_unit_test(a_weight_is_positive_and_finite),
        cmocka_unit_test(a_picture_is_its_whole_argument),
        cmocka_unit_test(what_stands_side_by_side_needs_a_sign),
        cmocka_unit_test(signs_need_terms_on_both_sides),
        cmocka_unit_test(literal_words_stand_as_they_are),
        cmocka_unit_test(files_of_like_are_added),
        cmocka_unit_test(an_empty_query_is_refused),
        cmocka_unit_test(words_that_name_a_file_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
