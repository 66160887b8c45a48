#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "query/options.h"
#include "tests/support.h"

enum { MAX_WORDS = 16 };

/* Parses the command line of the words up to NULL; a failure's text is in `error`. */
static pix_status parse(pix_query_options *options, pix_error *error, const char *const *words) {
    char *argv[MAX_WORDS + 2] = {(char *)"pixgrep"};
    int argc = 1;
    while (words[argc - 1]) {
        argv[argc] = (char *)words[argc - 1];
        argc++;
    }
    *error = (pix_error){0};
    return pix_query_options_parse(argc, argv, options, error);
}

#define PARSE(...) parse(&options, &error, (const char *const[]){__VA_ARGS__, NULL})

static void assert_refused(const char *const *words, const char *what) {
    pix_query_options options;
    pix_error error;
    pix_status status = parse(&options, &error, words);
    if (status != PIX_EINVALID || !strstr(error.text, what))
        fail_msg("'%s ...' gave %d '%s', not a complaint about '%s'", words[0], status, error.text,
                 what);
    pix_query_options_free(&options);
}

#define REFUSED(what, ...) assert_refused((const char *const[]){__VA_ARGS__, NULL}, what)

static void words_alone_are_a_search_for_ten(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("a", "dog"), &error);
    assert_int_equal(options.mode, PIX_QUERY_SEARCH);
    assert_int_equal(options.format, PIX_FORMAT_LINES);
    assert_int_equal(options.k, 0);
    assert_int_equal(options.threads, pix_cpu_count());
    assert_int_equal(options.input_count, 2);
    assert_string_equal(options.inputs[1].value, "dog");
    assert_null(options.database);
    pix_query_options_free(&options);
}

static void options_stand_anywhere_before_two_dashes(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("t-shirt", "-k", "50", "-", "--json", "--", "-5 degrees", "--json"), &error);
    assert_int_equal(options.k, 50);
    assert_int_equal(options.format, PIX_FORMAT_JSON);
    assert_int_equal(options.input_count, 4);
    assert_string_equal(options.inputs[0].value, "t-shirt");
    assert_string_equal(options.inputs[1].value, "-");
    assert_string_equal(options.inputs[2].value, "-5 degrees");
    assert_string_equal(options.inputs[3].value, "--json");
    pix_query_options_free(&options);
}

/* No option is a blank: what begins with a sign of its own is an expression. */
static void a_dash_and_a_blank_are_no_option(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("- fruit", "apple", "-k", "5", "- snow"), &error);
    assert_int_equal(options.k, 5);
    assert_int_equal(options.input_count, 3);
    assert_string_equal(options.inputs[0].value, "- fruit");
    assert_string_equal(options.inputs[2].value, "- snow");
    pix_query_options_free(&options);
    REFUSED("unknown option '-fruit'", "apple", "-fruit");
    assert_ok(PARSE("--db", "- x", "w"), &error);
    assert_string_equal(options.database, "- x");
    pix_query_options_free(&options);
}

static void literal_is_taken(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("a", "-", "--literal", "b"), &error);
    assert_true(options.literal);
    assert_int_equal(options.input_count, 3);
    pix_query_options_free(&options);
    assert_ok(PARSE("a"), &error);
    assert_false(options.literal);
    pix_query_options_free(&options);
}

/* Which words are FILEs of --like, as a string of L and w. */
static void assert_liked(const char *expected, const char *const *words) {
    pix_query_options options;
    pix_error error;
    char got[MAX_WORDS + 1] = "";
    assert_ok(parse(&options, &error, words), &error);
    for (size_t i = 0; i < options.input_count; i++)
        got[i] = options.inputs[i].is_like ? 'L' : 'w';
    assert_string_equal(got, expected);
    pix_query_options_free(&options);
}

#define LIKED(expected, ...) assert_liked(expected, (const char *const[]){__VA_ARGS__, NULL})

static void like_takes_files_up_to_the_next_option_or_sign(void **state) {
    (void)state;
    LIKED("L", "--like", "a.jpg");
    LIKED("wwLLL", "a", "dog", "--like", "a.jpg", "b.jpg", "2:c - d.jpg");
    LIKED("LLw", "--like=a.jpg", "b.jpg", "-k", "3", "dog");
    LIKED("LLL", "--like", "a.jpg", "--like", "b.jpg", "c.jpg");
    LIKED("LLwwwL", "--like", "a.jpg", "b.jpg", "-", "snow", "-", "--like", "c.jpg");
    LIKED("Lww", "--like", "a.jpg", "+", "snow");
    LIKED("Lw", "--like", "a.jpg", "- fruit");
    LIKED("Lw", "--like", "a.jpg", "+ fruit");
    LIKED("LL", "--like", "a.jpg", "+fruit");
    LIKED("LLL", "--like", "a.jpg", "--", "-b.jpg", "--json");
    LIKED("Lww", "--like", "a.jpg", "--", "-", "-5 degrees");
    REFUSED("option '--like' needs a value", "dog", "--like");
    REFUSED("--like: the value is empty", "--like", "", "a.jpg");
}

static void texts_and_files_keep_their_order(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("a.jpg", "--text", "", "--embed", "b.jpg", "--text=-x", "--", "--text"),
              &error);
    static const struct {
        const char *value;
        bool is_text;
    } expected[] = {
        {"a.jpg", false}, {"", true}, {"b.jpg", false}, {"-x", true}, {"--text", false}};
    assert_int_equal(options.mode, PIX_QUERY_EMBED);
    assert_int_equal(options.input_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(options.inputs[i].value, expected[i].value);
        assert_int_equal(options.inputs[i].is_text, expected[i].is_text);
    }
    pix_query_options_free(&options);
}

static void every_common_option_is_taken(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("--db=x.db", "--model", "m", "--vocab", "v", "--exact", "--no-autorotate",
                    "--precision", "fp32", "--threads", "3", "w"),
              &error);
    assert_string_equal(options.database, "x.db");
    assert_string_equal(options.model, "m");
    assert_string_equal(options.vocabulary, "v");
    assert_true(options.exact && options.ignore_rotation);
    assert_int_equal(options.threads, 3);
    pix_query_options_free(&options);
}

static void null_asks_for_paths(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("-0l", "w"), &error);
    assert_int_equal(options.format, PIX_FORMAT_NULL);
    pix_query_options_free(&options);
    assert_ok(PARSE("--paths", "--null", "w"), &error);
    assert_int_equal(options.format, PIX_FORMAT_NULL);
    pix_query_options_free(&options);
    assert_ok(PARSE("-l", "w"), &error);
    assert_int_equal(options.format, PIX_FORMAT_PATHS);
    pix_query_options_free(&options);
}

/* Where lists of paths are read, -0 is about them and leaves the output alone. */
static void null_may_be_how_a_list_is_read(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("--embed", "-0", "--json", "-"), &error);
    assert_int_equal(options.format, PIX_FORMAT_JSON);
    assert_true(options.null_ended);
    pix_query_options_free(&options);
    assert_ok(PARSE("-0", "--classify", "a,b", "-"), &error);
    assert_int_equal(options.format, PIX_FORMAT_LINES);
    assert_true(options.null_ended);
    pix_query_options_free(&options);
}

static void labels_and_templates_are_taken(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("a.jpg", "--classify", "cat,dog", "-k", "3", "--truncate", "b.jpg"), &error);
    assert_int_equal(options.mode, PIX_QUERY_CLASSIFY);
    assert_string_equal(options.labels, "cat,dog");
    assert_null(options.templates);
    assert_int_equal(options.k, 3);
    assert_int_equal(options.input_count, 2);
    assert_true(options.truncate);
    pix_query_options_free(&options);
    assert_ok(PARSE("--classify=l.txt", "--templates", "{}", "a.jpg"), &error);
    assert_string_equal(options.templates, "{}");
    pix_query_options_free(&options);
    assert_ok(PARSE("--classify", "-", "--ensemble", "a.jpg"), &error);
    assert_string_equal(options.labels, "-");
    assert_string_equal(options.templates, "short");
    pix_query_options_free(&options);
}

static void help_wins_over_what_comes_after_it(void **state) {
    (void)state;
    pix_query_options options;
    pix_error error;
    assert_ok(PARSE("--help", "--nonsense"), &error);
    assert_int_equal(options.mode, PIX_QUERY_HELP);
    pix_query_options_free(&options);
    assert_ok(PARSE("--version"), &error);
    assert_int_equal(options.mode, PIX_QUERY_VERSION);
    pix_query_options_free(&options);
}

static void a_bad_word_is_named(void **state) {
    (void)state;
    REFUSED("unknown option '--colour'", "--colour", "w");
    REFUSED("unknown option '-lx'", "w", "-lx");
    REFUSED("unknown option '-5 degrees'", "-5 degrees");
    REFUSED("option '--json=1' takes no value", "--json=1", "w");
    REFUSED("option '--paths=1' takes no value", "--paths=1", "w");
    REFUSED("option '-k' needs a value", "w", "-k");
    REFUSED("option '--db' needs a value", "w", "--db");
    REFUSED("--db: the value is empty", "w", "--db", "");
    REFUSED("'int4' is neither fp32 nor int8", "--precision", "int4", "w");
}

static void numbers_are_whole_and_in_range(void **state) {
    (void)state;
    REFUSED("'0' is not a number from 1", "-k", "0", "w");
    REFUSED("'-1' is not a number from 1", "-k", "-1", "w");
    REFUSED("'5x' is not a number from 1", "-k5x", "w");
    REFUSED("'1e3' is not a number from 1", "--results=1e3", "w");
    REFUSED("'99999999999999999999' is not a number", "-k", "99999999999999999999", "w");
    REFUSED("'0' is not a number from 1 to 1024", "--threads", "0", "w");
    REFUSED("'4097' is not a number from 1 to 4096", "--crop", "--size", "4097", "f");
}

static void what_contradicts_is_refused(void **state) {
    (void)state;
    REFUSED("--embed and --crop exclude each other", "--embed", "--crop", "f");
    REFUSED("--embed and --classify exclude each other", "--embed", "--classify", "a,b", "f");
    REFUSED("--ensemble and --templates exclude each other", "--classify", "a,b", "f", "--ensemble",
            "--templates", "long");
    REFUSED("both the labels and the pictures", "--classify", "-", "f", "-");
    REFUSED("--ensemble does not go with --tokenize", "--ensemble", "--tokenize");
    REFUSED("--ensemble does not go with --cache", "--ensemble", "--cache", "list");
    REFUSED("--tokenize and --cache exclude each other", "--tokenize", "--cache", "list");
    REFUSED("--templates does not go with --embed", "--embed", "f", "--templates", "long");
    REFUSED("--null does not go with --tokenize", "--tokenize", "-0");
    REFUSED("--paths does not go with --classify", "--classify", "a,b", "f", "-l");
    REFUSED("--embed is given twice", "--embed", "f", "--embed");
    REFUSED("--json and paths only", "--json", "-l", "w");
    REFUSED("--json and paths only", "-0", "--json", "w");
    REFUSED("--json and paths only", "--json", "-l", "-0", "w");
    REFUSED("--results does not go with --embed", "-k", "3", "--embed", "f");
    REFUSED("--paths does not go with --tokenize", "-l", "--tokenize");
    REFUSED("--json does not go with --crop", "--crop", "f", "--json");
    REFUSED("--text does not go with a search", "w", "--text", "x");
    REFUSED("--truncate does not go with a search", "w", "--truncate");
    REFUSED("--literal does not go with --embed", "--embed", "f", "--literal");
    REFUSED("--like does not go with --classify", "--classify", "a,b", "f", "--like", "g");
    REFUSED("--size does not go with --embed", "--embed", "f", "--size", "5");
}

static void each_mode_wants_its_own_words(void **state) {
    (void)state;
    REFUSED("what shall be searched for", "--json");
    REFUSED("--embed needs", "--embed");
    REFUSED("--crop needs one file, not 0", "--crop");
    REFUSED("--crop needs one file, not 2", "--crop", "a", "b");
    REFUSED("--classify needs pictures", "--classify", "a,b");
    REFUSED("option '--classify' needs a value", "--classify");
    REFUSED("--classify: the value is empty", "--classify", "", "f");
    REFUSED("'w': --tokenize reads", "--tokenize", "w");
}

static void the_help_names_every_option(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    pix_query_options_help(out);
    assert_int_equal(fclose(out), 0);
    static const char *const names[] = {
        "--tokenize",      "--embed",     "--crop",    "-k, --results N", "-l, --paths",
        "-0, --null",      "--json",      "--text",    "--size",          "--db",
        "--model",         "--vocab",     "--exact",   "--help",          "--version",
        "--no-autorotate", "--precision", "--threads", "--truncate",      "--classify",
        "--templates",     "--ensemble",  "--literal", "--like FILE..."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strstr(text, names[i]))
            fail_msg("the help does not name %s", names[i]);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_alone_are_a_search_for_ten),
        cmocka_unit_test(options_stand_anywhere_before_two_dashes),
        cmocka_unit_test(a_dash_and_a_blank_are_no_option),
        cmocka_unit_test(literal_is_taken),
        cmocka_unit_test(like_takes_files_up_to_the_next_option_or_sign),
        cmocka_unit_test(texts_and_files_keep_their_order),
        cmocka_unit_test(every_common_option_is_taken),
        cmocka_unit_test(null_asks_for_paths),
        cmocka_unit_test(null_may_be_how_a_list_is_read),
        cmocka_unit_test(labels_and_templates_are_taken),
        cmocka_unit_test(help_wins_over_what_comes_after_it),
        cmocka_unit_test(a_bad_word_is_named),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(what_contradicts_is_refused),
        cmocka_unit_test(each_mode_wants_its_own_words),
        cmocka_unit_test(the_help_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
