#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "query/tokenize.h"
#include "tests/support.h"

enum { START = 49406, END = 49407, MERGES = 49408 - 514 };

/* A vocabulary of the right size without anybody's words: every pair of printable Latin-1
 * characters, first within a word, then at its end, as far as they are needed. */
static const char *made_up_vocabulary(void) {
    static char path[128];
    if (path[0])
        return path;
    (void)snprintf(path, sizeof path, "%s/merges.txt", test_folder());
    pix_bytes text = {0};
    assert_int_equal(pix_bytes_append_text(&text, "#version: made up\n"), PIX_OK);
    int made = 0;
    for (int ends_word = 1; ends_word >= 0; ends_word--)
        for (uint32_t a = '!'; a <= 0xFF; a++)
            for (uint32_t b = '!'; b <= 0xFF && made < MERGES; b++) {
                if ((a > '~' && a < 0xA1) || a == 0xAD || (b > '~' && b < 0xA1) || b == 0xAD)
                    continue;
                made++;
                assert_int_equal(pix_bytes_append_utf8(&text, a), PIX_OK);
                assert_int_equal(pix_bytes_append_text(&text, " "), PIX_OK);
                assert_int_equal(pix_bytes_append_utf8(&text, b), PIX_OK);
                assert_int_equal(pix_bytes_append_text(&text, ends_word ? "</w>\n" : "\n"), PIX_OK);
            }
    test_write_file(path, text.data, text.size);
    pix_bytes_free(&text);
    return path;
}

/* Runs --tokenize over `size` bytes of input; `out` is the caller's. */
static size_t tokenize(const pix_query_options *options, const char *input, size_t size,
                       char **out) {
    FILE *in = fmemopen((void *)input, size, "r");
    size_t written = 0;
    FILE *stream = open_memstream(out, &written);
    assert_non_null(in);
    assert_non_null(stream);
    size_t failed;
    pix_error error;
    assert_ok(pix_tokenize(options, in, stream, &failed, &error), &error);
    (void)fclose(in);
    assert_int_equal(fclose(stream), 0);
    return failed;
}

static pix_query_options options_for(const char *vocabulary, pix_query_format format) {
    return (pix_query_options){
        .mode = PIX_QUERY_TOKENIZE, .format = format, .vocabulary = vocabulary, .threads = 1};
}

/* Both lines of JSON give the same ids. */
static void assert_same_ids(const char *a, const char *b) {
    pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_JSON);
    char *of_a, *of_b;
    assert_int_equal(tokenize(&options, a, strlen(a), &of_a), 0);
    assert_int_equal(tokenize(&options, b, strlen(b), &of_b), 0);
    assert_string_equal(of_a, of_b);
    free(of_a);
    free(of_b);
}

static void a_bad_line_keeps_its_place(void **state) {
    (void)state;
    static const char input[] = "\"ab\"\n"
                                "bad\n"
                                "\n"
                                "5\n"
                                "[\"ab\"]\n"
                                "\"ab\" \"ab\"\n"
                                "\"\xFF\"\n"
                                "\"a\\u0000b\"\n"
                                "  \"ab\"  \r\n"
                                "\"unfinished\n"
                                "\"ab\"";
    static const bool good[] = {true,  false, false, false, false, false,
                                false, true,  true,  false, true};
    pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_JSON);
    char *out;
    assert_int_equal(tokenize(&options, input, sizeof input - 1, &out), 7);
    char *line = out;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        json_t *value = json_loads(line, 0, NULL);
        if (good[i] ? !json_is_array(value) : !json_is_string(json_object_get(value, "error")))
            fail_msg("line %zu is '%s'", i, line);
        json_decref(value);
        line = end + 1;
    }
    assert_string_equal(line, "");
    free(out);
}

static void the_empty_string_is_start_and_end(void **state) {
    (void)state;
    pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_JSON);
    char *out;
    assert_int_equal(tokenize(&options, "\"\"\n", 3, &out), 0);
    assert_string_equal(out, "[49406,49407]\n");
    free(out);
}

static void half_a_surrogate_pair_is_a_replacement_character(void **state) {
    (void)state;
    assert_same_ids("\"a\\ud800b\"", "\"a\\ufffdb\"");
    assert_same_ids("\"\\uDFFF\"", "\"\\ufffd\"");
    assert_same_ids("\"\\ud800\\ud83d\\ude00\"", "\"\\ufffd\xF0\x9F\x98\x80\"");
    assert_same_ids("\"\\ude00\\ud83d\"", "\"\\ufffd\\ufffd\"");
    assert_same_ids("\"\\\\ud800\"", "\"\\u005cud800\"");
    assert_same_ids("\"\\\\\\ud800\"", "\"\\\\\\ufffd\"");
    assert_same_ids("\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"");
}

static void plain_lines_are_texts(void **state) {
    (void)state;
    pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_LINES);
    static const char input[] = "\n\"\n\0\nab";
    char *out;
    assert_int_equal(tokenize(&options, input, sizeof input - 1, &out), 0);
    char *line = out;
    /* nothing; a quotation mark; NUL, which ftfy removes; the pair "ab" at a word's end, one token
     */
    static const int counts[] = {2, 3, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        int count = 0, last = 0;
        for (char *p = line; p < end; count++) {
            last = (int)strtol(p, &p, 10);
            assert_true(count > 0 || last == START);
        }
        assert_int_equal(last, END);
        assert_int_equal(count, counts[i]);
        line = end + 1;
    }
    assert_string_equal(line, "");
    free(out);
}

static void a_long_text_is_cut_only_when_asked(void **state) {
    (void)state;
    pix_bytes text = {0};
    assert_int_equal(pix_bytes_append_text(&text, "\""), PIX_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(pix_bytes_append_text(&text, "ab "), PIX_OK);
    assert_int_equal(pix_bytes_append_text(&text, "\"\n"), PIX_OK);
    for (int truncate = 0; truncate <= 1; truncate++) {
        pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_JSON);
        options.truncate = truncate == 1;
        char *out;
        assert_int_equal(tokenize(&options, text.data, text.size, &out), 0);
        json_t *ids = json_loads(out, 0, NULL);
        size_t count = json_array_size(ids);
        assert_int_equal(count, truncate ? 77 : 102);
        assert_int_equal(json_integer_value(json_array_get(ids, count - 1)), END);
        json_decref(ids);
        free(out);
    }
    pix_bytes_free(&text);
}

static void output_that_fails_ends_the_work(void **state) {
    (void)state;
    pix_query_options options = options_for(made_up_vocabulary(), PIX_FORMAT_LINES);
    FILE *endless = popen("yes ab", "r");
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(endless);
    assert_non_null(out);
    size_t failed;
    pix_error error;
    assert_ok(pix_tokenize(&options, endless, out, &failed, &error), &error);
    assert_true(ferror(out) != 0);
    (void)fclose(out);
    (void)pclose(endless);
}

static void a_missing_vocabulary_is_named(void **state) {
    (void)state;
    pix_query_options options = options_for("/nonexistent/vocab.gz", PIX_FORMAT_JSON);
    size_t failed;
    pix_error error;
    assert_int_equal(pix_tokenize(&options, stdin, stdout, &failed, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "/nonexistent/vocab.gz"));
}

/* Compares one line of output with the ids of the reference. */
static void assert_ids(const char *line, const json_t *expected, json_int_t number) {
    json_t *ids = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    if (!json_equal(ids, expected))
        fail_msg("text %lld: %.*s", (long long)number, (int)strcspn(line, "\n"), line);
    json_decref(ids);
}

static void every_reference_text_gives_its_ids(void **state) {
    (void)state;
    const char *vocabulary = test_reference("bpe_simple_vocab_16e6.txt.gz");
    FILE *file = fopen(test_reference("tokenizer/tokens.jsonl"), "r");
    if (!file || !test_exists(vocabulary)) {
        if (file)
            (void)fclose(file);
        test_skip("the reference texts and OpenAI's vocabulary are not there");
    }
    json_t *cases = json_array();
    pix_bytes input = {0};
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0) {
        json_t *one = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_int_equal(json_array_append_new(cases, one), 0);
        char *text = json_dumps(json_object_get(one, "text"), JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
        assert_int_equal(pix_bytes_append_text(&input, text), PIX_OK);
        assert_int_equal(pix_bytes_append_text(&input, "\n"), PIX_OK);
        free(text);
    }
    free(line);
    (void)fclose(file);
    pix_query_options options = options_for(vocabulary, PIX_FORMAT_JSON);
    char *full, *cut;
    assert_int_equal(tokenize(&options, input.data, input.size, &full), 0);
    options.truncate = true;
    assert_int_equal(tokenize(&options, input.data, input.size, &cut), 0);
    const char *full_line = full, *cut_line = cut;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        const json_t *truncated = json_object_get(one, "trunc77");
        const json_t *ids = json_object_get(one, "ids");
        assert_ids(full_line, ids, json_integer_value(json_object_get(one, "n")));
        assert_ids(cut_line, truncated ? truncated : ids,
                   json_integer_value(json_object_get(one, "n")));
        full_line = strchr(full_line, '\n') + 1;
        cut_line = strchr(cut_line, '\n') + 1;
    }
    assert_string_equal(full_line, "");
    assert_string_equal(cut_line, "");
    print_message("%zu texts\n", json_array_size(cases));
    free(full);
    free(cut);
    pix_bytes_free(&input);
    json_decref(cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_line_keeps_its_place),
        cmocka_unit_test(the_empty_string_is_start_and_end),
        cmocka_unit_test(half_a_surrogate_pair_is_a_replacement_character),
        cmocka_unit_test(plain_lines_are_texts),
        cmocka_unit_test(a_long_text_is_cut_only_when_asked),
        cmocka_unit_test(output_that_fails_ends_the_work),
        cmocka_unit_test(a_missing_vocabulary_is_named),
        cmocka_unit_test(every_reference_text_gives_its_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
