/* Against float64 arithmetic over what the encoder gives for each term; the bundled model reads
 * words and pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/session.h"
#include "query/encoder.h"
#include "query/expression_vector.h"
#include "tests/query_support.h"

/* With an encoder of its own, its words as they are. */
static pix_status test_expression_encode(const pix_expression *expression, pix_model *model,
                                         const pix_query_options *options, float *vector,
                                         FILE *notes, pix_error *error) {
    pix_encoder *encoder;
    int batch = pix_expression_batch(expression, model);
    pix_status status = pix_encoder_new(model, options, batch, &encoder, error);
    if (!status)
        status = pix_expression_encode(expression, encoder, NULL, vector, notes, error);
    pix_encoder_free(encoder);
    return status;
}

enum { MAX_ARGUMENTS = 24, MAX_DIMENSION = 1024 };

static pix_model *model;
static size_t dimension;

static const pix_query_options plain = {.threads = 1};

/* The vector of the arguments up to NULL; the notes are the caller's. */
static pix_status vector_of(const char *const *words, float *vector, char **notes,
                            pix_error *error) {
    pix_query_input inputs[MAX_ARGUMENTS];
    pix_query_options options = plain;
    for (; words[options.input_count]; options.input_count++)
        inputs[options.input_count] = (pix_query_input){.value = words[options.input_count]};
    options.inputs = inputs;
    pix_expression expression;
    assert_ok(pix_expression_parse(&options, &expression, error), error);
    size_t size;
    FILE *stream = open_memstream(notes, &size);
    assert_non_null(stream);
    pix_status status = test_expression_encode(&expression, model, &options, vector, stream, error);
    assert_int_equal(fclose(stream), 0);
    pix_expression_free(&expression);
    return status;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void encode(const char *const *words, float *vector) {
    pix_error error;
    char *notes;
    assert_ok(vector_of(words, vector, &notes, &error), &error);
    assert_string_equal(notes, "");
    free(notes);
}

/* What the encoder makes of one text, or of one picture. */
static void encode_alone(const char *value, bool picture, float *vector) {
    pix_encoder *encoder;
    pix_error error;
    int place;
    assert_ok(pix_encoder_new(model, &plain, picture ? 1 : 0, &encoder, &error), &error);
    if (picture) {
        assert_ok(pix_encoder_add_picture(encoder, value, &place, &error), &error);
        assert_ok(pix_encoder_run_pictures(encoder, vector, &error), &error);
        assert_ok(pix_normalise(vector, dimension, &error), &error);
    } else {
        pix_text_cut cut = {0};
        assert_ok(pix_encoder_text(encoder, value, strlen(value), vector, &cut, &error), &error);
        assert_int_equal(cut.count, 0);
        pix_bytes_free(&cut.words);
    }
    pix_encoder_free(encoder);
}

typedef struct part {
    double weight;
    const char *value;
    bool picture;
} part;

/* The sum of the parts is what the arguments mean.  Each term's vector may differ by 4e-7 with what
 * is encoded beside it; the sums here are no shorter than their parts. */
static void assert_sum(const part *parts, size_t count, const char *const *words) {
    double sum[MAX_DIMENSION] = {0}, squares = 0;
    float vector[MAX_DIMENSION];
    for (size_t i = 0; i < count; i++) {
        encode_alone(parts[i].value, parts[i].picture, vector);
        for (size_t j = 0; j < dimension; j++)
            sum[j] += parts[i].weight * (double)vector[j];
    }
    for (size_t j = 0; j < dimension; j++)
        squares += sum[j] * sum[j];
    encode(words, vector);
    double length = 0;
    for (size_t j = 0; j < dimension; j++) {
        double expected = sum[j] / sqrt(squares);
        if (fabs((double)vector[j] - expected) > 1e-6)
            fail_msg("number %zu is %.9g, not %.9g", j, (double)vector[j], expected);
        length += (double)vector[j] * (double)vector[j];
    }
    assert_true(fabs(length - 1) < 1e-6);
}

#define SUM(parts, ...) assert_sum(parts, sizeof parts / sizeof *parts, LIST(__VA_ARGS__))

static void one_term_is_its_vector_to_the_bit(void **state) {
    (void)state;
    float alone[MAX_DIMENSION], vector[MAX_DIMENSION];
    char *picture = test_picture("rgb16.png");
    char weighted[4096];
    encode_alone("a red apple", false, alone);
    encode(LIST("a", "red apple"), vector);
    assert_memory_equal(vector, alone, dimension * sizeof *vector);
    encode(LIST("0.3:a red apple"), vector);
    assert_memory_equal(vector, alone, dimension * sizeof *vector);
    encode_alone(picture, true, alone);
    encode(LIST(picture), vector);
    assert_memory_equal(vector, alone, dimension * sizeof *vector);
    (void)snprintf(weighted, sizeof weighted, "7:%s", picture);
    encode(LIST(weighted), vector);
    assert_memory_equal(vector, alone, dimension * sizeof *vector);
    free(picture);
}

static void words_are_summed_by_weight(void **state) {
    (void)state;
    static const part added[] = {{1, "a horse", false}, {1, "stripes", false}};
    SUM(added, "a horse", "+", "stripes");
    static const part subtracted[] = {{1, "an apple", false}, {-1, "fruit", false}};
    SUM(subtracted, "an apple - fruit");
    static const part weighted[] = {
        {2, "golden retriever", false}, {-0.5, "people", false}, {3.25, "snow", false}};
    SUM(weighted, "2:golden retriever", "-", "0.5:people", "+", "3.25:snow");
    static const part extreme[] = {{1e6, "a cat", false}, {-1e-6, "a dog", false}};
    SUM(extreme, "1000000:a cat - 0.000001:a dog");
}

static void words_and_pictures_are_summed(void **state) {
    (void)state;
    char *one = test_picture("rgb16.png"), *two = test_picture("checker-300.png");
    char weighted[4096];
    (void)snprintf(weighted, sizeof weighted, "0.75:%s", two);
    const part parts[] = {
        {2, "a cat", false}, {-1, one, true}, {1, "snow", false}, {0.75, two, true}};
    SUM(parts, "2:a cat", "-", one, "+", "snow", "+", weighted);
    free(one);
    free(two);
}

/* More than a batch holds: each picture has its own weight. */
static void many_pictures_take_several_batches(void **state) {
    (void)state;
    static const char *const names[] = {"exact-224.png", "rgb16.png", "tiny-7x5.png",
                                        "checker-300.png"};
    enum { KINDS = 4 };
    size_t count = (size_t)pix_model_batch_size(model) * 2 + 3;
    pix_query_input *inputs = test_zeroed(2 * count, sizeof *inputs);
    char *paths[KINDS];
    float vectors[KINDS][MAX_DIMENSION], vector[MAX_DIMENSION];
    double sum[MAX_DIMENSION] = {0}, squares = 0;
    for (size_t i = 0; i < KINDS; i++) {
        paths[i] = test_picture(names[i]);
        encode_alone(paths[i], true, vectors[i]);
    }
    pix_query_options options = plain;
    options.inputs = inputs;
    for (size_t i = 0; i < count; i++) {
        size_t kind = (i * i) % KINDS;
        double weight = i % 5 == 4 ? -1 : 1;
        if (i > 0)
            inputs[options.input_count++].value = weight < 0 ? "-" : "+";
        inputs[options.input_count++].value = paths[kind];
        for (size_t j = 0; j < dimension; j++)
            sum[j] += weight * (double)vectors[kind][j];
    }
    pix_expression expression;
    pix_error error;
    assert_ok(pix_expression_parse(&options, &expression, &error), &error);
    assert_int_equal(expression.count, count);
    assert_ok(test_expression_encode(&expression, model, &options, vector, stderr, &error), &error);
    for (size_t j = 0; j < dimension; j++)
        squares += sum[j] * sum[j];
    for (size_t j = 0; j < dimension; j++)
        assert_true(fabs((double)vector[j] - sum[j] / sqrt(squares)) < 1e-6);
    pix_expression_free(&expression);
    free(inputs);
    for (size_t i = 0; i < KINDS; i++)
        free(paths[i]);
}

static void assert_fails(pix_status expected, const char *what, const char *const *words) {
    float vector[MAX_DIMENSION];
    pix_error error;
    char *notes;
    assert_int_equal(vector_of(words, vector, &notes, &error), expected);
    if (!strstr(error.text, what))
        fail_msg("'%s' is not about '%s'", error.text, what);
    free(notes);
}

static void terms_that_cancel_out_are_refused(void **state) {
    (void)state;
    static const char what[] = "the terms of the query cancel each other out";
    char *picture = test_picture("rgb16.png");
    assert_fails(PIX_EINVALID, what, LIST("a cat - a cat"));
    assert_fails(PIX_EINVALID, what, LIST("2:a cat - A  CAT - a cat"));
    assert_fails(PIX_EINVALID, what, LIST(picture, "+", "0.5:a cat", "-", picture, "- 0.5:a cat"));
    free(picture);
    float vector[MAX_DIMENSION];
    encode(LIST("a cat - a dog"), vector);
    encode(LIST("2:a cat - a cat"), vector);
}

static void a_missing_picture_is_named(void **state) {
    (void)state;
    assert_fails(PIX_ENOTFOUND, "./none.png: cannot open: No such file",
                 LIST("a", "-", "./none.png"));
    assert_fails(PIX_ENOTFOUND,
                 "./a.png + b: cannot open: No such file or directory (+ and - join a picture "
                 "outside its quotes)",
                 LIST("./a.png + b"));
}

/* Each long term has its line, a term alone the line it always had. */
static void a_cut_term_is_numbered(void **state) {
    (void)state;
    int context = pix_model_config(model)->context_length;
    pix_bytes words = {0};
    for (int i = 0; i < context - 2; i++)
        assert_int_equal(pix_bytes_append_text(&words, "dog "), PIX_OK);
    float full[MAX_DIMENSION], vector[MAX_DIMENSION];
    encode(LIST(words.data), full);
    assert_int_equal(pix_bytes_append_text(&words, "cat"), PIX_OK);
    static const char tail[] = " is too long for the model by 1 token and was cut before \"cat\"\n";
    char expected[512], *notes;
    pix_error error;
    assert_ok(vector_of(LIST(words.data), vector, &notes, &error), &error);
    (void)snprintf(expected, sizeof expected, "pixgrep: the text%s", tail);
    assert_string_equal(notes, expected);
    assert_memory_equal(vector, full, dimension * sizeof *vector);
    free(notes);
    assert_ok(vector_of(LIST("a bird", "+", words.data, "-", words.data, "+", words.data), vector,
                        &notes, &error),
              &error);
    (void)snprintf(expected, sizeof expected,
                   "pixgrep: term 2 of the query%s"
                   "pixgrep: term 3 of the query%s"
                   "pixgrep: term 4 of the query%s",
                   tail, tail, tail);
    assert_string_equal(notes, expected);
    free(notes);
    pix_bytes_free(&words);
}

static int open_model(void **state) {
    (void)state;
    pix_error error;
    if (pix_model_open(test_built("share/pixgrep/models/tiny.pixm"), &model, &error)) {
        print_error("%s\n", error.text);
        return -1;
    }
    dimension = (size_t)pix_model_config(model)->embed_dim;
    return dimension <= MAX_DIMENSION ? 0 : -1;
}

static int close_model(void **state) {
    (void)state;
    pix_model_close(model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_term_is_its_vector_to_the_bit),
        cmocka_unit_test(words_are_summed_by_weight),
        cmocka_unit_test(words_and_pictures_are_summed),
        cmocka_unit_test(many_pictures_take_several_batches),
        cmocka_unit_test(terms_that_cancel_out_are_refused),
        cmocka_unit_test(a_missing_picture_is_named),
        cmocka_unit_test(a_cut_term_is_numbered),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
