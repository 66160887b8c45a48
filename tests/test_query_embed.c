#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "query/embed.h"
#include "tests/query_support.h"

static const char *picture_model(void) {
    static char *path;
    pix_import_report report;
    if (!path)
        path = test_import_file(test_golden("models/vit-p32/vit-p32.pt"), NULL, &report);
    return path;
}

static pix_query_options ask(const char *model, const pix_query_input *inputs, size_t count) {
    return (pix_query_options){
        .model = model, .inputs = (pix_query_input *)inputs, .input_count = count};
}

/* What --embed writes for the inputs; the caller frees it. */
static char *embed(pix_query_options *options, const char *standard_input, size_t *failed,
                   char **notes) {
    char *out = NULL;
    size_t size, notes_size;
    FILE *in = fmemopen((void *)standard_input, strlen(standard_input), "r");
    FILE *stream = open_memstream(&out, &size);
    FILE *notes_stream = open_memstream(notes, &notes_size);
    assert_true(in && stream && notes_stream);
    options->mode = PIX_QUERY_EMBED;
    options->threads = 1;
    pix_error error;
    assert_ok(pix_embed(options, in, stream, notes_stream, failed, &error), &error);
    (void)fclose(in);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(fclose(notes_stream), 0);
    return out;
}

/* The lines of JSON as one array. */
static json_t *embed_json(pix_query_options *options, const char *standard_input, size_t *failed) {
    char *notes;
    options->format = PIX_FORMAT_JSON;
    char *out = embed(options, standard_input, failed, &notes);
    json_t *all = test_json_lines(out);
    free(out);
    free(notes);
    return all;
}

static const char *input_of(const json_t *lines, size_t i) {
    return json_string_value(json_object_get(json_array_get(lines, i), "input"));
}

static const char *error_of(const json_t *lines, size_t i) {
    return json_string_value(json_object_get(json_array_get(lines, i), "error"));
}

/* The line's vector into out[size], which must be of unit length. */
static void vector_of(const json_t *lines, size_t i, float *out, size_t size) {
    const json_t *vector = json_object_get(json_array_get(lines, i), "vector");
    if (json_array_size(vector) != size)
        fail_msg("line %zu has %zu numbers; error: %s", i, json_array_size(vector),
                 error_of(lines, i));
    double squares = 0;
    for (size_t j = 0; j < size; j++) {
        double value = json_number_value(json_array_get(vector, j));
        out[j] = (float)value;
        squares += value * value;
    }
    assert_true(fabs(squares - 1) < 1e-6);
}

static void a_failed_input_keeps_its_place(void **state) {
    (void)state;
    char *good = test_picture("exact-224.png");
    const pix_query_input inputs[] = {
        {.value = good}, {.value = "/nonexistent/a.png"}, {.value = "some words", .is_text = true},
        {.value = good}, {.value = test_folder()},        {.value = good}};
    pix_query_options options = ask(picture_model(), inputs, 6);
    size_t failed;
    json_t *lines = embed_json(&options, "", &failed);
    assert_int_equal(json_array_size(lines), 6);
    assert_int_equal(failed, 3);
    float first[32], vector[32];
    vector_of(lines, 0, first, 32);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(input_of(lines, i), inputs[i].value);
        bool fails = i == 1 || i == 2 || i == 4;
        if (fails != (error_of(lines, i) != NULL))
            fail_msg("line %zu: error %s", i, error_of(lines, i));
        if (!fails) {
            vector_of(lines, i, vector, 32);
            /* the batch may differ: 2e-7 on unit features */
            assert_true(test_max_difference(first, vector, 32) <= 4e-7);
        }
    }
    assert_non_null(strstr(error_of(lines, 1), "No such file"));
    json_decref(lines);
    free(good);
}

static void many_pictures_come_out_in_order(void **state) {
    (void)state;
    static const char *const names[] = {"exact-224.png", "rgb16.png", "tiny-7x5.png",
                                        "checker-300.png"};
    enum { KINDS = 4, COUNT = 203 };
    pix_bytes list = {0};
    char *paths[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        paths[i] = test_picture(names[i]);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(pix_bytes_append_text(&list, paths[i % KINDS]), PIX_OK);
        assert_int_equal(pix_bytes_append_text(&list, "\n"), PIX_OK);
    }
    const pix_query_input inputs[] = {{.value = "-"}, {.value = paths[2]}};
    pix_query_options options = ask(picture_model(), inputs, 2);
    size_t failed;
    json_t *lines = embed_json(&options, list.data, &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(json_array_size(lines), COUNT + 1);
    float first[KINDS][32], vector[32];
    for (size_t i = 0; i < KINDS; i++)
        vector_of(lines, i, first[i], 32);
    assert_true(test_max_difference(first[0], first[1], 32) > 1e-3);
    for (size_t i = 0; i <= COUNT; i++) {
        size_t kind = i == COUNT ? 2 : i % KINDS;
        assert_string_equal(input_of(lines, i), paths[kind]);
        vector_of(lines, i, vector, 32);
        assert_true(test_max_difference(first[kind], vector, 32) <= 4e-7);
    }
    json_decref(lines);
    pix_bytes_free(&list);
    for (size_t i = 0; i < KINDS; i++)
        free(paths[i]);
}

static void a_name_that_is_not_utf8_is_base64(void **state) {
    (void)state;
    const pix_query_input inputs[] = {{.value = "/nonexistent/\xFF"}};
    pix_query_options options = ask(picture_model(), inputs, 1);
    size_t failed;
    json_t *lines = embed_json(&options, "", &failed);
    assert_int_equal(failed, 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(lines, 0), "input_base64")),
        "L25vbmV4aXN0ZW50L/8=");
    json_decref(lines);
}

static void the_plain_form_is_input_tab_numbers(void **state) {
    (void)state;
    char *good = test_picture("exact-224.png");
    const pix_query_input inputs[] = {{.value = "/nonexistent/a\tb"}, {.value = good}};
    pix_query_options options = ask(picture_model(), inputs, 2);
    size_t failed;
    char *notes;
    char *out = embed(&options, "", &failed, &notes);
    assert_int_equal(failed, 1);
    static const char first[] = "/nonexistent/a\\tb\t\n";
    assert_memory_equal(out, first, sizeof first - 1);
    assert_non_null(strstr(notes, "pixgrep: /nonexistent/a\\tb: cannot open: No such"));
    char *second = out + sizeof first - 1;
    assert_memory_equal(second, good, strlen(good));
    char *number = second + strlen(good);
    assert_int_equal(*number, '\t');
    int count = 0;
    for (; *number != '\n'; count++) {
        char *end;
        (void)strtod(number + 1, &end);
        assert_true(end > number + 1);
        number = end;
    }
    assert_int_equal(count, 32);
    assert_string_equal(number, "\n");
    free(out);
    free(notes);
    free(good);
}

/* Unit features within 1e-5 of PyTorch's: the limit for float32 code. */
static void assert_golden(const json_t *lines, const char *name, size_t count) {
    test_array golden;
    assert_true(test_array_load(test_reference("models/vit-tiny/golden/%s.npy", name), &golden));
    assert_true(golden.rank == 2 && golden.shape[0] >= count && golden.shape[1] == 64);
    for (size_t i = 0; i < count; i++) {
        float vector[64];
        vector_of(lines, i, vector, 64);
        double difference = test_max_difference(vector, golden.f + i * 64, 64);
        if (!(difference <= 1e-5))
            fail_msg("%s %zu differs by %g", name, i, difference);
    }
    test_array_free(&golden);
}

static void texts_have_the_vectors_of_the_reference(void **state) {
    (void)state;
    if (!test_reference_model())
        test_skip("the reference model and OpenAI's vocabulary are not there");
    json_t *index = json_load_file(test_reference("models/vit-tiny/golden/index.json"), 0, NULL);
    const json_t *texts = json_object_get(index, "texts");
    pix_query_input inputs[32];
    size_t count = json_array_size(texts);
    assert_true(count > 0 && count <= 32);
    for (size_t i = 0; i < count; i++)
        inputs[i] = (pix_query_input){.value = json_string_value(json_array_get(texts, i)),
                                      .is_text = true};
    pix_query_options options = ask(test_reference_model(), inputs, count);
    options.precision = "fp32";
    size_t failed;
    json_t *lines = embed_json(&options, "", &failed);
    assert_int_equal(failed, 0);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(input_of(lines, i), inputs[i].value);
    assert_golden(lines, "text_features_norm", count);
    json_decref(lines);
    json_decref(index);
}

static void photographs_have_the_vectors_of_the_reference(void **state) {
    (void)state;
    if (!test_reference_model())
        test_skip("the reference model and OpenAI's vocabulary are not there");
    pix_query_options options = test_reference_photographs();
    size_t failed;
    json_t *lines = embed_json(&options, "", &failed);
    assert_int_equal(failed, 0);
    assert_golden(lines, "image_features_norm", 2);
    json_decref(lines);
}

static void a_text_past_the_context_is_cut_with_a_warning(void **state) {
    (void)state;
    if (!test_reference_model())
        test_skip("the reference model and OpenAI's vocabulary are not there");
    pix_bytes text = {0};
    for (int i = 0; i < 75; i++)
        assert_int_equal(pix_bytes_append_text(&text, "dog "), PIX_OK);
    char *shorter = strdup(text.data);
    assert_int_equal(pix_bytes_append_text(&text, "on the Beach"), PIX_OK);
    const pix_query_input inputs[] = {{.value = text.data, .is_text = true},
                                      {.value = shorter, .is_text = true}};
    pix_query_options options = ask(test_reference_model(), inputs, 2);
    size_t failed;
    char *notes;
    char *out = embed(&options, "", &failed, &notes);
    assert_int_equal(failed, 0);
    assert_string_equal(notes, "pixgrep: the text is too long for the model by 3 tokens and was "
                               "cut before \"on the beach\"\n");
    char *first = strchr(out, '\t');
    char *second = strchr(strchr(out, '\n'), '\t');
    assert_int_equal(strcspn(first, "\n"), strlen(second) - 1);
    assert_memory_equal(first, second, strlen(second));
    pix_bytes_free(&text);
    free(shorter);
    free(out);
    free(notes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_input_keeps_its_place),
        cmocka_unit_test(many_pictures_come_out_in_order),
        cmocka_unit_test(a_name_that_is_not_utf8_is_base64),
        cmocka_unit_test(the_plain_form_is_input_tab_numbers),
        cmocka_unit_test(texts_have_the_vectors_of_the_reference),
        cmocka_unit_test(photographs_have_the_vectors_of_the_reference),
        cmocka_unit_test(a_text_past_the_context_is_cut_with_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
