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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_lines_have_the_ids_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
