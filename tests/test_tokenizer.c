#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/base/files.h"
#include "core/text/tokenizer.h"

enum { CLIP_TOKENS = 49408, CONTEXT_LENGTH = 77 };

/* OpenAI's vocabulary, which is not ours to ship, from where a person may have it. */
static const char *vocabulary_path(void) {
    static char kept[1024];
    const char *home = getenv("HOME");
    const char *folders[] = {"/usr/local/share/pixgrep", "/usr/share/pixgrep"};
    const char *path = getenv("PIXGREP_VOCAB");
    if (path && test_exists(path))
        return path;
    path = test_reference("bpe_simple_vocab_16e6.txt.gz");
    if (test_exists(path))
        return path;
    (void)snprintf(kept, sizeof kept, "%s/.local/share/pixgrep/bpe_simple_vocab_16e6.txt.gz",
                   home ? home : "");
    if (test_exists(kept))
        return kept;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        (void)snprintf(kept, sizeof kept, "%s/bpe_simple_vocab_16e6.txt.gz", folders[i]);
        if (test_exists(kept))
            return kept;
    }
    return NULL;
}

static pix_tokenizer *load(const char *path, size_t token_count) {
    pix_error error;
    pix_bytes merges = {0};
    pix_tokenizer *tokenizer;
    assert_ok(pix_vocabulary_load(path, token_count, &merges, &error), &error);
    assert_ok(pix_tokenizer_new(merges.data, merges.size, &tokenizer, &error), &error);
    pix_bytes_free(&merges);
    return tokenizer;
}

static bool ids_equal(const pix_ids *ids, const json_t *want) {
    if (ids->count != json_array_size(want))
        return false;
    for (size_t i = 0; i < ids->count; i++)
        if (json_integer_value(json_array_get(want, i)) != ids->data[i])
            return false;
    return true;
}

static void check_file(const pix_tokenizer *tokenizer, const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t room = 0, lines = 0, wrong = 0;
    pix_ids ids = {0};
    for (ssize_t size; (size = getline(&line, &room, file)) > 0; lines++) {
        json_t *object = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        const json_t *text = json_object_get(object, "text");
        const json_t *cut = json_object_get(object, "trunc77");
        pix_status status = pix_tokenizer_encode(tokenizer, json_string_value(text),
                                                 json_string_length(text), &ids);
        assert_int_equal(status, PIX_OK);
        bool equal = ids_equal(&ids, json_object_get(object, "ids"));
        size_t count = ids.count, over = count > CONTEXT_LENGTH ? count - CONTEXT_LENGTH : 0;
        assert_int_equal(pix_tokenizer_truncate(tokenizer, &ids, CONTEXT_LENGTH), over);
        equal = equal && (over > 0) == (cut != NULL) && (!cut || ids_equal(&ids, cut));
        if (!equal)
            print_error("line %zu: \"%s\" has other ids\n", lines, json_string_value(text));
        wrong += !equal;
        json_decref(object);
    }
    pix_ids_free(&ids);
    free(line);
    assert_int_equal(fclose(file), 0);
    print_message("%s: %zu of %zu lines equal\n", path, lines - wrong, lines);
    assert_true(lines > 0);
    assert_int_equal(wrong, 0);
}

static void golden_lines_have_the_ids_of_the_reference(void **state) {
    (void)state;
    const char *path = vocabulary_path();
    if (!path)
        test_skip("OpenAI's vocabulary is not here (set PIXGREP_VOCAB)");
    pix_tokenizer *tokenizer = load(path, CLIP_TOKENS);
    check_file(tokenizer, test_golden("tokenizer/tokens.jsonl"));
    const char *full = test_reference("tokenizer/tokens.jsonl");
    if (test_exists(full))
        check_file(tokenizer, full);
    pix_tokenizer_free(tokenizer);
}

static pix_tokenizer *make(const char *merges) {
    pix_error error;
    pix_tokenizer *tokenizer;
    assert_ok(pix_tokenizer_new(merges, strlen(merges), &tokenizer, &error), &error);
    return tokenizer;
}

/* Byte symbols are 'a' = 64 and so on; 256 more at the end of a word. */
enum { END = 256, A = 64, B = 65, C = 66, D = 67, FIRST = 512 };

static void encodes_to(const pix_tokenizer *tokenizer, const char *text, const int32_t *want,
                       size_t count) {
    pix_ids ids = {0};
    assert_int_equal(pix_tokenizer_encode(tokenizer, text, strlen(text), &ids), PIX_OK);
    assert_int_equal(ids.count, count + 2);
    assert_int_equal(ids.data[0], pix_tokenizer_start(tokenizer));
    assert_int_equal(ids.data[count + 1], pix_tokenizer_end(tokenizer));
    for (size_t i = 0; i < count; i++)
        if (ids.data[i + 1] != want[i])
            fail_msg("\"%s\": id %zu is %d, not %d", text, i, (int)ids.data[i + 1], (int)want[i]);
    pix_ids_free(&ids);
}

#define ENCODES_TO(tokenizer, text, ...)                                                           \
    encodes_to(tokenizer, text, (const int32_t[]){__VA_ARGS__},                                    \
               sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void without_merges_every_byte_is_a_token(void **state) {
    (void)state;
    pix_tokenizer *tokenizer = make("");
    assert_int_equal(pix_tokenizer_start(tokenizer), 512);
    assert_int_equal(pix_tokenizer_end(tokenizer), 513);
    ENCODES_TO(tokenizer, "Ab!", A, B + END, 0 + END);
    /* U+00AD is bytes C2 AD: the last byte symbol is AD */
    ENCODES_TO(tokenizer, "\u00AD", 126, 255 + END);
    encodes_to(tokenizer, "", NULL, 0);
    encodes_to(tokenizer, " \n", NULL, 0);
    pix_tokenizer_free(tokenizer);
}

static void the_earliest_merge_goes_first_and_not_the_longest_token(void **state) {
    (void)state;
    /* greedy matching would find "ab" in "abc"; the merges say "a" "bc" */
    pix_tokenizer *tokenizer = make("b c</w>\na b\n");
    ENCODES_TO(tokenizer, "abc", A, FIRST);
    ENCODES_TO(tokenizer, "abcc", FIRST + 1, C, C + END);
    ENCODES_TO(tokenizer, "bc ab", FIRST, A, B + END);
    pix_tokenizer_free(tokenizer);
}

static void a_merge_is_done_everywhere_from_left_to_right(void **state) {
    (void)state;
    /* the first "ab" could take the "a" that the second one needs */
    pix_tokenizer *tokenizer = make("a a\na b\nab a\n");
    ENCODES_TO(tokenizer, "ababx", FIRST + 1, FIRST + 1, 'x' - '!' + END);
    ENCODES_TO(tokenizer, "aaax", FIRST, A, 'x' - '!' + END);
    pix_tokenizer_free(tokenizer);
}

/* Long words go another way than short ones; both must agree. */
static void long_words_merge_like_short_ones(void **state) {
    (void)state;
    pix_tokenizer *tokenizer = make("a b\na a\nab ab\nb a\naa ab\nabab aa\nc a</w>\nab c\n");
    uint64_t random = 7;
    char text[200];
    for (int round = 0; round < 2000; round++) {
        size_t size = 49 + (size_t)round % 60;
        /* a lone "z" cuts nothing off: no merge holds it, so the halves are as if alone */
        for (size_t i = 0; i < size; i++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            text[i] = "aabc"[random >> 60 & 3];
        }
        text[size / 2] = 'z';
        pix_ids whole = {0}, left = {0}, right = {0};
        assert_int_equal(pix_tokenizer_encode(tokenizer, text, size, &whole), PIX_OK);
        /* "z" ends the left half: only its own symbol differs */
        assert_int_equal(pix_tokenizer_encode(tokenizer, text, size / 2 + 1, &left), PIX_OK);
        assert_int_equal(
            pix_tokenizer_encode(tokenizer, text + size / 2 + 1, size - size / 2 - 1, &right),
            PIX_OK);
        assert_int_equal(whole.count, left.count + right.count - 2);
        left.data[left.count - 2] -= END;
        assert_memory_equal(whole.data, left.data, (left.count - 1) * sizeof *left.data);
        assert_memory_equal(whole.data + left.count - 1, right.data + 1,
                            (right.count - 1) * sizeof *right.data);
        pix_ids_free(&whole);
        pix_ids_free(&left);
        pix_ids_free(&right);
    }
    pix_tokenizer_free(tokenizer);
}

static void a_word_of_megabytes_takes_bounded_time(void **state) {
    (void)state;
    enum { SIZE = 4 << 20 };
    pix_tokenizer *tokenizer = make("a a\naa aa\naaaa aaaa\n");
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    pix_ids ids = {0};
    assert_int_equal(pix_tokenizer_encode(tokenizer, text, SIZE, &ids), PIX_OK);
    /* the last "a" ends the word and merges with nothing */
    assert_int_equal(ids.count, 2 + SIZE / 8 - 1 + 4);
    assert_int_equal(ids.data[1], FIRST + 2);
    free(text);
    pix_ids_free(&ids);
    pix_tokenizer_free(tokenizer);
}

static void words_are_cut_as_clip_does(void **state) {
    (void)state;
    pix_tokenizer *tokenizer = make("");
    enum { APOSTROPHE = '\'' - '!', S = 's' - '!' };
    ENCODES_TO(tokenizer, "a's", A + END, APOSTROPHE, S + END);
    /* long s folds to s; an apostrophe inside a run of marks begins nothing */
    ENCODES_TO(tokenizer, "'\u017F", APOSTROPHE, 0xC5 - 0xAE + 106, 0xBF - 0xAE + 106 + END);
    ENCODES_TO(tokenizer, "!'s", 0, APOSTROPHE + END, S + END);
    ENCODES_TO(tokenizer, "'lla", APOSTROPHE, 'l' - '!', 'l' - '!' + END, A + END);
    ENCODES_TO(tokenizer, "'la", APOSTROPHE + END, 'l' - '!', A + END);
    /* each digit alone, of any script and also a fraction */
    ENCODES_TO(tokenizer, "12", '1' - '!' + END, '2' - '!' + END);
    ENCODES_TO(tokenizer, "\u00BD\u00B2", 126, 0xBD - 0xAE + 106 + END, 126,
               0xB2 - 0xAE + 106 + END);
    /* a mark is no letter; U+0345 is in no class at all and disappears */
    ENCODES_TO(tokenizer, "a\u0316b", A + END, 0xCC - 0xAE + 106, 0x96 - 0x7F + 221 + END, B + END);
    ENCODES_TO(tokenizer, "b\u0345b", B + END, B + END);
    pix_tokenizer_free(tokenizer);
}

static void special_tokens_are_known_in_any_case(void **state) {
    (void)state;
    pix_tokenizer *tokenizer = make("");
    enum { START_ID = 512, END_ID = 513, LESS = '<' - '!', BAR = '|' - '!' };
    ENCODES_TO(tokenizer, "<|endoftext|>a<|StartOfText|>", END_ID, A + END, START_ID);
    ENCODES_TO(tokenizer, "&lt;|ENDOFTEXT|&gt;", END_ID);
    /* after another mark it is not one word */
    pix_ids ids = {0};
    assert_int_equal(pix_tokenizer_encode(tokenizer, "!<|endoftext|>", 14, &ids), PIX_OK);
    assert_int_equal(ids.count, 2 + 3 + 9 + 2);
    /* with a long s the expression matches, but it is no special token: 15 bytes */
    assert_int_equal(pix_tokenizer_encode(tokenizer, "<|\u017Ftartoftext|>", 16, &ids), PIX_OK);
    assert_int_equal(ids.count, 2 + 16);
    assert_int_equal(ids.data[1], LESS);
    assert_int_equal(ids.data[2], BAR);
    pix_ids_free(&ids);
    pix_tokenizer_free(tokenizer);
}

static void truncation_keeps_the_end_token(void **state) {
    (void)state;
    pix_tokenizer *tokenizer = make("");
    pix_ids ids = {0};
    assert_int_equal(pix_tokenizer_encode(tokenizer, "a b c d", 7, &ids), PIX_OK);
    assert_int_equal(pix_tokenizer_truncate(tokenizer, &ids, 6), 0);
    assert_int_equal(ids.count, 6);
    assert_int_equal(pix_tokenizer_truncate(tokenizer, &ids, 4), 2);
    assert_int_equal(ids.count, 4);
    assert_int_equal(ids.data[2], B + END);
    assert_int_equal(ids.data[3], pix_tokenizer_end(tokenizer));
    assert_int_equal(pix_tokenizer_truncate(tokenizer, &ids, 0), 4);
    assert_int_equal(ids.count, 0);
    pix_ids_free(&ids);
    pix_tokenizer_free(tokenizer);
}

static void decoding_gives_the_words_back(void **state) {
    (void)state;
    pix_error error;
    pix_tokenizer *tokenizer = make("a b\nab c</w>\n");
    pix_ids ids = {0};
    pix_bytes text = {0};
    const char *source = "ABC été! <|endoftext|>";
    assert_int_equal(pix_tokenizer_encode(tokenizer, source, strlen(source), &ids), PIX_OK);
    assert_int_equal(ids.data[1], FIRST + 1);
    assert_ok(pix_tokenizer_decode(tokenizer, ids.data, ids.count, &text, &error), &error);
    assert_string_equal(text.data, "<|startoftext|>abc été ! <|endoftext|><|endoftext|>");
    /* a character cut in two is replaced; a "</w>" that was typed reads as a space */
    const int32_t odd[] = {0xC3 - 0xAE + 106, '<' - '!', '/' - '!', 'w' - '!', '>' - '!', A + END};
    pix_bytes_clear(&text);
    assert_ok(pix_tokenizer_decode(tokenizer, odd, 6, &text, &error), &error);
    assert_string_equal(text.data, "\uFFFD a ");
    const int32_t outside[] = {516};
    assert_int_equal(pix_tokenizer_decode(tokenizer, outside, 1, &text, &error), PIX_EINVALID);
    assert_string_equal(error.text, "token 516 is not in the vocabulary (0 to 515)");
    pix_ids_free(&ids);
    pix_bytes_free(&text);
    pix_tokenizer_free(tokenizer);
}

static void bad_merges_are_named(void **state) {
    (void)state;
    static const struct {
        const char *merges, *text;
    } cases[] = {
        {"a b\nab cd\n", "merge 2: \"ab cd\" ends with what no earlier merge made"},
        {"xy b\n", "merge 1: \"xy b\" begins with what no earlier merge made"},
        {"a</w> b\n", "merge 1: \"a</w> b\" begins with what no earlier merge made"},
        {"a b\na b\n", "merge 2: \"a b\" makes what an earlier merge made"},
        {"a b", "merge 1: \"a b\" is not two parts and the end of a line"},
        {"a b c\n", "merge 1: \"a b c\" is not two parts and the end of a line"},
        {"ab\n", "merge 1: \"ab\" is not two parts and the end of a line"},
        {" b\n", "merge 1: \" b\" is not two parts and the end of a line"},
        {"\n", "merge 1: \"\" is not two parts and the end of a line"},
        {"a \u20AC\n", "merge 1: \"a \u20AC\" is not two parts and the end of a line"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_error error;
        pix_tokenizer *tokenizer;
        const char *merges = cases[i].merges;
        assert_int_equal(pix_tokenizer_new(merges, strlen(merges), &tokenizer, &error),
                         PIX_EFORMAT);
        assert_null(tokenizer);
        assert_string_equal(error.text, cases[i].text);
    }
}

static const char *write_vocabulary(const char *text) {
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/vocabulary", test_folder());
    test_write_file(path, text, strlen(text));
    return path;
}

static void merge_files_are_read_with_and_without_their_header(void **state) {
    (void)state;
    static const char *const files[] = {
        "#version: 0.2\na b\nab c</w>\nd d\n",
        "\"bpe_simple_vocab_16e6.txt#version: 0.2\r\na b\r\nab c</w>\r\n",
        "a b\nab c</w>",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pix_error error;
        pix_bytes merges = {0};
        assert_ok(pix_vocabulary_load(write_vocabulary(files[i]), 516, &merges, &error), &error);
        assert_string_equal(merges.data, "a b\nab c</w>\n");
        pix_bytes_free(&merges);
    }
    pix_tokenizer *none = load(write_vocabulary(files[0]), 514);
    assert_int_equal(pix_tokenizer_end(none), 513);
    pix_tokenizer_free(none);
}

static void load_fails(const char *text, size_t token_count, pix_status want, const char *why) {
    pix_error error;
    pix_bytes merges = {0};
    assert_int_equal(pix_vocabulary_load(write_vocabulary(text), token_count, &merges, &error),
                     want);
    if (!strstr(error.text, why))
        fail_msg("\"%s\" does not say \"%s\"", error.text, why);
    assert_int_equal(merges.size, 0);
    pix_bytes_free(&merges);
}

static void a_vocabulary_that_does_not_fit_is_a_mismatch(void **state) {
    (void)state;
    load_fails("#version\na b\n", 516, PIX_EMISMATCH,
               "holds 1 merges, a model of 516 tokens needs 2");
    load_fails("#version\na b\n", 512, PIX_EMISMATCH, "a model of 512 tokens cannot use");
    load_fails("", 515, PIX_EMISMATCH, "holds 0 merges");
    load_fails("#version\na bc\n", 515, PIX_EFORMAT, "merge 1: \"a bc\" ends with");
    pix_error error;
    pix_bytes merges = {0};
    assert_int_equal(pix_vocabulary_load("/nowhere/merges.txt", 515, &merges, &error),
                     PIX_ENOTFOUND);
}

/* A tokenizer.json of CLIP's shape with the merge "a b"; `as_pair` writes it as recent tools do. */
static char *make_json(bool as_pair, int shift, int end_id) {
    json_t *vocab = json_object();
    for (int i = 0; i < 256; i++) {
        /* the alphabet: 188 printable bytes, then U+0100 onwards */
        static const int starts[] = {0x21, 0xA1, 0xAE, 0x100};
        static const int firsts[] = {0, 94, 106, 188};
        int part = i < 94 ? 0 : i < 106 ? 1 : i < 188 ? 2 : 3;
        pix_bytes name = {0};
        uint32_t code = (uint32_t)(starts[part] + i - firsts[part]);
        assert_int_equal(pix_bytes_append_utf8(&name, code), PIX_OK);
        assert_int_equal(json_object_set_new(vocab, name.data, json_integer(i + shift)), 0);
        assert_int_equal(pix_bytes_append_text(&name, "</w>"), PIX_OK);
        assert_int_equal(json_object_set_new(vocab, name.data, json_integer(i + 256 + shift)), 0);
        pix_bytes_free(&name);
    }
    (void)json_object_set_new(vocab, "ab", json_integer(512));
    (void)json_object_set_new(vocab, "<|startoftext|>", json_integer(513));
    (void)json_object_set_new(vocab, "<|endoftext|>", json_integer(end_id));
    json_t *merge = as_pair ? json_pack("[ss]", "a", "b") : json_string("a b");
    json_t *root =
        json_pack("{s:{s:s,s:o,s:[o]}}", "model", "type", "BPE", "vocab", vocab, "merges", merge);
    char *text = json_dumps(root, 0);
    json_decref(root);
    assert_non_null(text);
    return text;
}

static void tokenizer_json_is_read_when_its_numbers_are_clips(void **state) {
    (void)state;
    for (int as_pair = 0; as_pair < 2; as_pair++) {
        char *text = make_json(as_pair, 0, 514);
        pix_error error;
        pix_bytes merges = {0};
        assert_ok(pix_vocabulary_load(write_vocabulary(text), 515, &merges, &error), &error);
        assert_string_equal(merges.data, "a b\n");
        pix_bytes_free(&merges);
        free(text);
    }
    char *text = make_json(true, 1, 514);
    load_fails(text, 515, PIX_EMISMATCH, "has the number ");
    free(text);
    text = make_json(false, 0, 600);
    load_fails(text, 515, PIX_EMISMATCH,
               "token \"<|endoftext|>\" has the number 600, in CLIP's vocabulary it has 514");
    load_fails(text, 516, PIX_EMISMATCH, "holds 1 merges, a model of 516 tokens needs 2");
    free(text);
    load_fails("{\"model\": 3}", 515, PIX_EFORMAT, "has no BPE model");
    load_fails("{\"model\": {", 515, PIX_EFORMAT, "line 1");
}

static void openai_words_decode_to_themselves(void **state) {
    (void)state;
    const char *path = vocabulary_path();
    if (!path)
        test_skip("OpenAI's vocabulary is not here (set PIXGREP_VOCAB)");
    pix_tokenizer *tokenizer = load(path, CLIP_TOKENS);
    static const int32_t diagram[] = {49406, 320, 22697, 49407};
    pix_ids ids = {0};
    pix_bytes text = {0};
    pix_error error;
    assert_int_equal(pix_tokenizer_encode(tokenizer, "a diagram", 9, &ids), PIX_OK);
    assert_int_equal(ids.count, 4);
    assert_memory_equal(ids.data, diagram, sizeof diagram);
    assert_ok(pix_tokenizer_decode(tokenizer, ids.data + 1, 2, &text, &error), &error);
    assert_string_equal(text.data, "a diagram ");
    pix_ids_free(&ids);
    pix_bytes_free(&text);
    pix_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_lines_have_the_ids_of_the_reference),
        cmocka_unit_test(openai_words_decode_to_themselves),
        cmocka_unit_test(without_merges_every_byte_is_a_token),
        cmocka_unit_test(the_earliest_merge_goes_first_and_not_the_longest_token),
        cmocka_unit_test(a_merge_is_done_everywhere_from_left_to_right),
        cmocka_unit_test(long_words_merge_like_short_ones),
        cmocka_unit_test(a_word_of_megabytes_takes_bounded_time),
        cmocka_unit_test(words_are_cut_as_clip_does),
        cmocka_unit_test(special_tokens_are_known_in_any_case),
        cmocka_unit_test(truncation_keeps_the_end_token),
        cmocka_unit_test(decoding_gives_the_words_back),
        cmocka_unit_test(bad_merges_are_named),
        cmocka_unit_test(merge_files_are_read_with_and_without_their_header),
        cmocka_unit_test(a_vocabulary_that_does_not_fit_is_a_mismatch),
        cmocka_unit_test(tokenizer_json_is_read_when_its_numbers_are_clips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
