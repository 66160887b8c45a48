/* Models whose embedding has more rows than their vocabulary has tokens, from the weights to the
 * features of a text. */
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/clip/model.h"
#include "core/clip/session.h"
#include "core/weights/little_endian.h"
#include "tests/support.h"

enum { TOKENS = 520, GOLDEN_TOKENS = 512, ROW_BYTES = 128 * 2, EMBED = 32 };

static const char *in(const char *folder, const char *name) {
    static char buffers[8][4096];
    static int next;
    char *path = buffers[next++ % 8];
    (void)snprintf(path, sizeof buffers[0], "%s/%s", folder, name);
    return path;
}

static void read_golden(const char *name, pix_bytes *out) {
    pix_error error;
    *out = (pix_bytes){0};
    assert_ok(pix_file_read(test_golden("models/vit-p32/hf-f16/%s", name), SIZE_MAX, out, &error),
              &error);
}

/* The golden model with an embedding of `rows`, those of its own over and over, at the end of the
 * file. */
static void write_weights(const char *path, int rows) {
    static const char name[] = "\"text_model.embeddings.token_embedding.weight\":";
    static const char own[] = "{\"dtype\":\"F16\",\"shape\":[512,128],\"data_offsets\":[2,131074]}";
    pix_bytes golden, file = {0};
    char entry[128];
    read_golden("model.safetensors", &golden);
    size_t header = (size_t)pix_load64((const uint8_t *)golden.data), data = 8 + header;
    size_t data_size = golden.size - data;
    char *at = memmem(golden.data, data, name, sizeof name - 1);
    assert_non_null(at);
    at += sizeof name - 1;
    assert_memory_equal(at, own, sizeof own - 1);
    int size = snprintf(entry, sizeof entry,
                        "{\"dtype\":\"F16\",\"shape\":[%d,128],\"data_offsets\":[%zu,%zu]}", rows,
                        data_size, data_size + (size_t)rows * ROW_BYTES);
    uint64_t length = header - (sizeof own - 1) + (size_t)size;
    char *rest = at + sizeof own - 1;
    pix_bytes_append(&file, &length, sizeof length);
    pix_bytes_append(&file, golden.data + 8, (size_t)(at - golden.data) - 8);
    pix_bytes_append(&file, entry, (size_t)size);
    pix_bytes_append(&file, rest, golden.size - (size_t)(rest - golden.data));
    for (size_t i = 0; i < (size_t)rows; i++)
        pix_bytes_append(&file, golden.data + data + 2 + i % GOLDEN_TOKENS * ROW_BYTES, ROW_BYTES);
    assert_int_equal(file.size, 8 + length + data_size + (size_t)rows * ROW_BYTES);
    test_write_file(path, file.data, file.size);
    pix_bytes_free(&file);
    pix_bytes_free(&golden);
}

/* The config of such a model: what stands before, instead of and after the two numbers. */
static void write_config(const char *path, int rows, int end_token) {
    pix_bytes golden;
    char config[4096];
    read_golden("config.json", &golden);
    char *end = strstr(golden.data, "\"eos_token_id\": 511,");
    char *size = strstr(golden.data, "\"vocab_size\": 512");
    assert_true(end && size && end < size);
    *end = *size = '\0';
    int length = snprintf(config, sizeof config, "%s\"eos_token_id\": %d,%s\"vocab_size\": %d%s",
                          golden.data, end_token, end + strlen("\"eos_token_id\": 511,"), rows,
                          size + strlen("\"vocab_size\": 512"));
    assert_true(length > 0 && (size_t)length < sizeof config);
    test_write_file(path, config, (size_t)length);
    pix_bytes_free(&golden);
}

static pix_model *make(int rows, int end_token) {
    static const char merges[] = "#version: 0.2\na b</w>\nt h\ni n\ne r</w>\no n</w>\nt o</w>\n";
    const char *folder = test_folder(), *pixm = in(folder, "m.pixm");
    write_weights(in(folder, "model.safetensors"), rows);
    write_config(in(folder, "config.json"), rows, end_token);
    test_write_file(in(folder, "merges.txt"), merges, sizeof merges - 1);
    pix_import_report report;
    pix_model *model;
    pix_error error;
    assert_ok(pix_model_import(folder, "m", pixm, NULL, &report, &error), &error);
    assert_string_equal(report.vocabulary, in(folder, "merges.txt"));
    assert_int_equal(report.config.vocab_size, rows);
    assert_ok(pix_model_open(pixm, &model, &error), &error);
    return model;
}

static void encode(pix_model *model, const char *text, pix_ids *ids, float *feature) {
    const pix_tokenizer *tokenizer;
    pix_session *session;
    pix_error error;
    assert_ok(pix_model_tokenizer(model, &tokenizer, &error), &error);
    assert_int_equal(pix_tokenizer_encode(tokenizer, text, strlen(text), ids), PIX_OK);
    assert_ok(pix_session_new(model, PIX_FP32, 0, 1, &session, &error), &error);
    assert_ok(pix_session_encode_text(session, ids->data, ids->count, feature, &error), &error);
    pix_session_free(session);
}

static void rows_that_no_token_names_change_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"", "ab to the inn", "on <|endoftext|> on"};
    static const struct {
        int rows, end_token;
    } cases[] = {{TOKENS + 1, TOKENS - 1}, {TOKENS + 56, TOKENS - 1}};
    pix_model *plain = make(TOKENS, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_model *model = make(cases[i].rows, cases[i].end_token);
        assert_int_equal(pix_clip_token_count(pix_model_config(model)), TOKENS);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            pix_ids ids = {0}, expected_ids = {0};
            float feature[EMBED], expected[EMBED];
            encode(plain, texts[k], &expected_ids, expected);
            encode(model, texts[k], &ids, feature);
            assert_int_equal(ids.data[0], TOKENS - 2);
            assert_int_equal(ids.data[ids.count - 1], TOKENS - 1);
            assert_int_equal(ids.count, expected_ids.count);
            assert_memory_equal(ids.data, expected_ids.data, ids.count * sizeof *ids.data);
            assert_memory_equal(feature, expected, sizeof feature);
            pix_ids_free(&ids);
            pix_ids_free(&expected_ids);
        }
        pix_model_close(model);
    }
    pix_model_close(plain);
}

/* More merges than OpenAI's vocabulary has, as its file has more than are used: what each of "!",
 * "!!" ... "!}", "!!!" and so on makes with each character. */
static void write_long_vocabulary(const char *path) {
    enum { CHARACTERS = '}' - '!' + 1, LEFT_SIDES = 600 };
    pix_bytes text = {0};
    for (int left = 0; left < LEFT_SIDES; left++)
        for (int right = 0; right < CHARACTERS; right++) {
            char side[4] = "!", line[16];
            int number = left - 1;
            if (left > CHARACTERS)
                side[1] = (char)('!' + (number / CHARACTERS - 1));
            if (left > 0)
                side[strlen(side)] = (char)('!' + number % CHARACTERS);
            int size = snprintf(line, sizeof line, "%s %c\n", side, '!' + right);
            pix_bytes_append(&text, line, (size_t)size);
        }
    test_write_file(path, text.data, text.size);
    pix_bytes_free(&text);
}

/* A query begins with 49406 and ends with 49407, whether the config names the end or, as old ones
 * do, says 2. */
static void a_query_has_the_published_start_and_end(void **state) {
    (void)state;
    static const struct {
        int rows, end_token;
    } cases[] = {{49410, 49407}, {49410, 2}, {49408, 49407}, {49409, 49408}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int start = cases[i].end_token == 2 ? 49406 : cases[i].end_token - 1;
        const char *folder = test_folder(), *pixm = in(folder, "m.pixm");
        write_weights(in(folder, "model.safetensors"), cases[i].rows);
        write_config(in(folder, "config.json"), cases[i].rows, cases[i].end_token);
        write_long_vocabulary(in(folder, "bpe_simple_vocab_16e6.txt"));
        pix_import_report report;
        pix_model *model;
        pix_error error;
        assert_ok(pix_model_import(folder, "m", pixm, NULL, &report, &error), &error);
        assert_string_equal(report.no_vocabulary, "");
        assert_ok(pix_model_open(pixm, &model, &error), &error);
        pix_ids ids = {0};
        float feature[EMBED];
        encode(model, "q", &ids, feature);
        assert_int_equal(ids.count, 3);
        assert_int_equal(ids.data[0], start);
        assert_int_equal(ids.data[2], start + 1);
        pix_ids_free(&ids);
        pix_model_close(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_no_token_names_change_nothing),
        cmocka_unit_test(a_query_has_the_published_start_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
