/* The bundled model: what PyTorch makes of the same pictures and texts (models/train/goldens.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/session.h"
#include "core/tensor/dot.h"
#include "tests/model_support.h"

static pix_model *model;

static void golden(const char *name, test_array *array) {
    if (!test_array_load(test_golden("tiny/%s.npy", name), array))
        fail_msg("tests/golden/tiny/%s.npy is missing", name);
}

/* Unit vectors that trained weights give in int8. */
static void is_near(const float *ours, const float *want, size_t count, size_t embed,
                    const char *name) {
    double least = 1, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double cosine = pix_dot(ours + i * embed, want + i * embed, embed);
        least = cosine < least ? cosine : least;
        sum += cosine;
    }
    print_message("%s in int8: cosine at least %.5f, %.5f on average\n", name, least,
                  sum / (double)count);
    assert_true(least >= 0.999 && sum / (double)count >= 0.9995);
}

static void matches(const float *ours, const char *name, size_t count, pix_precision precision) {
    test_array want;
    golden(name, &want);
    assert_int_equal(want.count, count);
    if (precision == PIX_INT8) {
        is_near(ours, want.f, want.shape[0], want.shape[1], name);
        test_array_free(&want);
        return;
    }
    double difference = test_max_difference(ours, want.f, count);
    print_message("%s: off by %.2g\n", name, difference);
    assert_true(difference <= 1e-5);
    test_array_free(&want);
}

static void pictures_match(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    test_array crops;
    golden("crops", &crops);
    size_t count = crops.shape[0], embed = (size_t)pix_model_config(model)->embed_dim;
    assert_int_equal(crops.shape[1], pix_model_config(model)->image_size);
    float *features = test_zeroed(count * embed, sizeof *features);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, precision, (int)count, 1, &session, &error), &error);
    assert_ok(pix_session_encode_images(session, crops.u, (int)count, features, &error), &error);
    for (size_t i = 0; i < count; i++)
        assert_ok(pix_normalise(features + i * embed, embed, &error), &error);
    matches(features, "image_features", count * embed, precision);
    pix_session_free(session);
    free(features);
    test_array_free(&crops);
}

static void texts_match(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    test_array tokens;
    golden("tokens", &tokens);
    size_t count = tokens.shape[0], length = tokens.shape[1];
    size_t embed = (size_t)pix_model_config(model)->embed_dim;
    float *features = test_zeroed(count * embed, sizeof *features);
    const pix_tokenizer *tokenizer;
    pix_session *session;
    pix_error error;
    assert_ok(pix_model_tokenizer(model, &tokenizer, &error), &error);
    assert_ok(pix_session_new(model, precision, 0, 1, &session, &error), &error);
    FILE *file = fopen(test_golden("tiny/texts.txt"), "r");
    assert_non_null(file);
    char line[256];
    pix_ids ids = {0};
    for (size_t i = 0; i < count; i++) {
        assert_non_null(fgets(line, sizeof line, file));
        assert_int_equal(pix_tokenizer_encode(tokenizer, line, strlen(line), &ids), PIX_OK);
        assert_true(ids.count <= length);
        assert_memory_equal(ids.data, tokens.i + i * length, ids.count * sizeof *ids.data);
        for (size_t j = ids.count; j < length; j++)
            assert_int_equal(tokens.i[i * length + j], 0);
        assert_ok(
            pix_session_encode_text(session, ids.data, ids.count, features + i * embed, &error),
            &error);
        assert_ok(pix_normalise(features + i * embed, embed, &error), &error);
    }
    (void)fclose(file);
    pix_ids_free(&ids);
    matches(features, "text_features", count * embed, precision);
    pix_session_free(session);
    free(features);
    test_array_free(&tokens);
}

static int open_model(void **state) {
    (void)state;
    pix_error error;
    if (pix_model_open(test_built("share/pixgrep/models/tiny.pixm"), &model, &error) == PIX_OK)
        return 0;
    print_error("%s\n", error.text);
    return -1;
}

static int close_model(void **state) {
    (void)state;
    pix_model_close(model);
    return 0;
}

int main(void) {
    pix_precision fp32 = PIX_FP32, int8 = PIX_INT8;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(pictures_match, &fp32),
        cmocka_unit_test_prestate(pictures_match, &int8),
        cmocka_unit_test_prestate(texts_match, &fp32),
        cmocka_unit_test_prestate(texts_match, &int8),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
