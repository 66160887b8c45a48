#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/lines.h"
#include "core/clip/prompts.h"
#include "query/classify.h"
#include "query/ensemble.h"
#include "tests/query_support.h"

enum { VIT_TINY = 64 }; /* its embed_dim */

/* A model of made-up weights that reads about a character a token, and 16 of them. */
static const char *small_model(void) {
    static const char merges[] = "#version: 0.2\nt h\ni n\ne r</w>\no n</w>\nt o</w>\na t</w>\n";
    static char *path;
    if (path)
        return path;
    char checkpoint[128], vocabulary[128];
    const char *folder = test_folder();
    (void)snprintf(checkpoint, sizeof checkpoint, "%s/model.safetensors", folder);
    (void)snprintf(vocabulary, sizeof vocabulary, "%s/merges.txt", folder);
    pix_clip_config config = test_small_config();
    config.logit_scale = 30;
    test_write_checkpoint(checkpoint, &config, NULL);
    test_write_file(vocabulary, merges, sizeof merges - 1);
    pix_import_report report;
    path = test_import_file(checkpoint, vocabulary, &report);
    assert_string_equal(report.no_vocabulary, "");
    return path;
}

/* A picture that can be read. */
static pix_query_input good(void) {
    static char *path;
    if (!path)
        path = test_picture("exact-224.png");
    return (pix_query_input){.value = path};
}

/* The small model asked about pictures, each label being the whole prompt. */
static pix_query_options ask(const char *labels, const pix_query_input *pictures, size_t count) {
    return (pix_query_options){.model = small_model(),
                               .labels = labels,
                               .templates = "{}",
                               .inputs = (pix_query_input *)pictures,
                               .input_count = count};
}

/* What a run left; freed by end_run. */
typedef struct outcome {
    pix_status status;
    pix_error error;
    size_t done, failed;
    char *out, *notes;
} outcome;

static void end_run(outcome *run) {
    free(run->out);
    free(run->notes);
}

static void classify(pix_query_options *options, const char *standard_input, outcome *run) {
    size_t size, notes_size;
    FILE *in = fmemopen((void *)standard_input, strlen(standard_input) + 1, "r");
    FILE *out = open_memstream(&run->out, &size);
    FILE *notes = open_memstream(&run->notes, &notes_size);
    assert_true(in && out && notes);
    options->mode = PIX_QUERY_CLASSIFY;
    options->threads = 1;
    if (options->k == 0)
        options->k = 10;
    run->error = (pix_error){0};
    run->status = pix_classify(options, options->format, in, out, notes, &run->done, &run->failed,
                               &run->error);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(notes), 0);
}

/* The lines of JSON of a run that succeeds, as one array. */
static json_t *classify_json(pix_query_options *options, size_t *failed) {
    outcome run;
    options->format = PIX_FORMAT_JSON;
    classify(options, "", &run);
    assert_ok(run.status, &run.error);
    *failed = run.failed;
    json_t *all = test_json_lines(run.out);
    end_run(&run);
    return all;
}

static json_t *labels_of(const json_t *lines, size_t i) {
    return json_object_get(json_array_get(lines, i), "labels");
}

static const char *label_of(const json_t *labels, size_t i) {
    return json_string_value(json_object_get(json_array_get(labels, i), "label"));
}

static double number_of(const json_t *labels, size_t i, const char *key) {
    return json_number_value(json_object_get(json_array_get(labels, i), key));
}

/* The place of the label among a picture's. */
static size_t place_of(const json_t *labels, const char *label) {
    for (size_t i = 0; i < json_array_size(labels); i++)
        if (strcmp(label_of(labels, i), label) == 0)
            return i;
    fail_msg("no label '%s'", label);
    return 0;
}

static void probabilities_are_the_softmax_of_scaled_scores(void **state) {
    (void)state;
    const pix_query_input inputs[] = {good()};
    pix_query_options options = ask("cat,dog,sun,sea", inputs, 1);
    size_t failed;
    json_t *lines = classify_json(&options, &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(json_array_size(lines), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "path")),
                        good().value);
    json_t *labels = labels_of(lines, 0);
    assert_int_equal(json_array_size(labels), 4);
    double sum = 0, total = 0;
    for (size_t i = 0; i < 4; i++) {
        sum += exp(30 * number_of(labels, i, "score"));
        total += number_of(labels, i, "probability");
        assert_true(i == 0 || number_of(labels, i, "score") <= number_of(labels, i - 1, "score"));
    }
    assert_true(number_of(labels, 0, "score") > number_of(labels, 3, "score") + 1e-4);
    assert_true(fabs(total - 1) < 1e-6);
    for (size_t i = 0; i < 4; i++) {
        double expected = exp(30 * number_of(labels, i, "score")) / sum;
        assert_true(fabs(number_of(labels, i, "probability") - expected) < 1e-6);
    }
    json_decref(lines);
}

static void one_label_is_certain(void **state) {
    (void)state;
    const pix_query_input inputs[] = {good()};
    pix_query_options options = ask("cat,", inputs, 1);
    size_t failed;
    json_t *lines = classify_json(&options, &failed);
    json_t *labels = labels_of(lines, 0);
    assert_int_equal(json_array_size(labels), 1);
    assert_true(number_of(labels, 0, "probability") == 1);
    assert_true(fabs(number_of(labels, 0, "score")) < 1);
    json_decref(lines);
}

/* The best k of all: their probabilities stay those among all labels. */
static void only_the_best_are_printed(void **state) {
    (void)state;
    const pix_query_input inputs[] = {good()};
    pix_query_options options = ask("cat,dog,sun,sea", inputs, 1);
    size_t failed;
    json_t *all = classify_json(&options, &failed);
    options.k = 2;
    json_t *best = classify_json(&options, &failed);
    json_t *expected = labels_of(all, 0);
    assert_int_equal(json_array_remove(expected, 3), 0);
    assert_int_equal(json_array_remove(expected, 2), 0);
    assert_true(json_equal(expected, labels_of(best, 0)));
    json_decref(all);
    json_decref(best);
}

static void a_picture_that_fails_keeps_its_place(void **state) {
    (void)state;
    const pix_query_input inputs[] = {
        {.value = "/nonexistent/a.png"}, good(), {.value = "/nonexistent/\xFF"}, good()};
    pix_query_options options = ask("cat,dog", inputs, 4);
    size_t failed;
    json_t *lines = classify_json(&options, &failed);
    assert_int_equal(failed, 2);
    assert_int_equal(json_array_size(lines), 4);
    const json_t *first = json_array_get(lines, 0);
    assert_string_equal(json_string_value(json_object_get(first, "path")), "/nonexistent/a.png");
    assert_string_equal(json_string_value(json_object_get(first, "error")),
                        "cannot open: No such file or directory");
    assert_null(json_object_get(first, "labels"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 2), "path_base64")),
                        "L25vbmV4aXN0ZW50L/8=");
    assert_int_equal(json_array_size(labels_of(lines, 1)), 2);
    assert_int_equal(json_array_size(labels_of(lines, 3)), 2);
    json_decref(lines);
}

static void the_plain_form_is_path_probability_label(void **state) {
    (void)state;
    const pix_query_input inputs[] = {{.value = "/nonexistent/a\tb"}, good()};
    pix_query_options options = ask("cat\tfish,", inputs, 2);
    outcome run;
    classify(&options, "", &run);
    assert_ok(run.status, &run.error);
    assert_int_equal(run.failed, 1);
    char expected[4096];
    (void)snprintf(expected, sizeof expected, "/nonexistent/a\\tb\t\t\n%s\t1.000000\tcat\\tfish\n",
                   good().value);
    assert_string_equal(run.out, expected);
    assert_string_equal(run.notes,
                        "pixgrep: /nonexistent/a\\tb: cannot open: No such file or directory\n");
    end_run(&run);
    options.format = PIX_FORMAT_TABLE;
    classify(&options, "", &run);
    assert_ok(run.status, &run.error);
    (void)snprintf(expected, sizeof expected, "%s\n  100.00 %%  cat\\tfish\n", good().value);
    assert_string_equal(run.out, expected);
    end_run(&run);
}

static void pictures_and_labels_may_come_by_standard_input(void **state) {
    (void)state;
    const pix_query_input inputs[] = {{.value = "-"}, good()};
    pix_query_options options = ask("cat,", inputs, 2);
    options.null_ended = true;
    char expected[4096];
    outcome run;
    classify(&options, "/nonexistent/a\nb", &run);
    assert_ok(run.status, &run.error);
    (void)snprintf(expected, sizeof expected, "/nonexistent/a\\nb\t\t\n%s\t1.000000\tcat\n",
                   good().value);
    assert_string_equal(run.out, expected);
    end_run(&run);
    options.null_ended = false;
    classify(&options, good().value, &run);
    assert_ok(run.status, &run.error);
    assert_int_equal(run.failed, 0);
    assert_memory_equal(run.out, good().value, strlen(good().value));
    end_run(&run);
}

static void repeated_labels_are_told(void **state) {
    (void)state;
    const pix_query_input inputs[] = {good()};
    pix_query_options options = ask("cat,Cat", inputs, 1);
    outcome run;
    classify(&options, "", &run);
    assert_ok(run.status, &run.error);
    assert_string_equal(run.notes, "pixgrep: repeated labels count once: Cat\n");
    assert_non_null(strstr(run.out, "\t1.000000\tcat\n"));
    end_run(&run);
}

/* 14 characters and two tokens around them fill the context; one more does not fit. */
static void a_label_past_the_context_is_refused_or_cut(void **state) {
    (void)state;
    const pix_query_input inputs[] = {good()};
    pix_query_options options = ask("abcdefghklmnpq,abcdefghklmnp", inputs, 1);
    outcome run;
    classify(&options, "", &run);
    assert_ok(run.status, &run.error);
    end_run(&run);
    options.templates = "a {}";
    classify(&options, "", &run);
    assert_int_equal(run.status, PIX_ELIMIT);
    assert_string_equal(run.error.text,
                        "label 'abcdefghklmnpq': too long for the model by 1 token in 'a {}'; "
                        "shorten it, or let it be cut with --truncate");
    assert_string_equal(run.out, "");
    end_run(&run);
    options.truncate = true;
    classify(&options, "", &run);
    assert_ok(run.status, &run.error);
    assert_string_equal(run.notes, "");
    end_run(&run);
}

static void without_words_in_the_model_nothing_is_classified(void **state) {
    (void)state;
    pix_import_report report;
    char *path = test_import_file(test_golden("models/vit-p32/vit-p32.pt"), NULL, &report);
    const pix_query_input inputs[] = {{.value = "/nonexistent/a.png"}};
    pix_query_options options = {
        .model = path, .labels = "cat,dog", .inputs = (pix_query_input *)inputs, .input_count = 1};
    outcome run;
    classify(&options, "", &run);
    assert_int_equal(run.status, PIX_EUNSUPPORTED);
    assert_non_null(strstr(run.error.text, "text cannot be encoded"));
    assert_string_equal(run.out, "");
    end_run(&run);
    free(path);
}

enum { CLASSES = 10 }; /* of the reference's ensemble */

/* Their names as a list, `times` over. */
static void golden_classes(pix_list *classes, size_t times) {
    json_t *index = json_load_file(test_reference("ensemble/index.json"), 0, NULL);
    const json_t *names = json_object_get(index, "classes");
    assert_int_equal(json_array_size(names), CLASSES);
    *classes = (pix_list){0};
    for (size_t i = 0; i < times * CLASSES; i++) {
        const char *name = json_string_value(json_array_get(names, i % CLASSES));
        assert_int_equal(pix_list_add(classes, name, strlen(name), 0), PIX_OK);
    }
    json_decref(index);
}

typedef struct told {
    size_t times, done;
} told;

static void tell(void *context, size_t done) {
    told *t = context;
    assert_true(done > t->done);
    t->times++;
    t->done = done;
}

/* Unit features within 1e-5 of PyTorch's: the limit for float32 code.  Three times the classes, so
 * that they are encoded in several parts, which progress is told of. */
static void ensembles_are_those_of_the_reference(void **state) {
    (void)state;
    const char *weights = test_reference("ensemble/zeroshot_weights_class_by_embed.npy");
    if (!test_reference_model() || !test_exists(weights))
        test_skip("the reference model and its ensemble are not there");
    test_array golden;
    assert_true(test_array_load(weights, &golden));
    pix_list classes;
    pix_ensemble *ensemble;
    pix_model *model;
    pix_encoder *encoder;
    pix_error error;
    pix_query_options options = {.threads = 1, .precision = "fp32"};
    golden_classes(&classes, 3);
    assert_ok(pix_model_open(test_reference_model(), &model, &error), &error);
    assert_ok(pix_encoder_new(model, &options, 0, &encoder, &error), &error);
    assert_ok(pix_ensemble_open(test_reference("data/templates/openai-imagenet-80.txt"), encoder,
                                &ensemble, &error),
              &error);
    assert_int_equal(pix_ensemble_templates(ensemble)->count, 80);
    assert_true(golden.rank == 2 && golden.shape[0] == CLASSES && golden.shape[1] == VIT_TINY);
    float *vectors = test_zeroed(classes.count * VIT_TINY, sizeof *vectors);
    told progress = {0};
    const pix_ensemble_listener listener = {.progress = tell, .context = &progress};
    assert_ok(pix_ensemble_encode(ensemble, &classes, false, vectors, &listener, &error), &error);
    assert_int_equal(pix_ensemble_hits(ensemble), 0);
    assert_int_equal(progress.done, classes.count);
    assert_true(progress.times > 1);
    double largest = 0;
    for (size_t i = 0; i < classes.count; i += CLASSES) {
        double difference =
            test_max_difference(vectors + i * VIT_TINY, golden.f, (size_t)CLASSES * VIT_TINY);
        largest = difference > largest ? difference : largest;
    }
    print_message("10 classes x 80 templates: largest difference %.2g\n", largest);
    assert_true(largest <= 1e-5);
    float *again = test_zeroed(classes.count * VIT_TINY, sizeof *again);
    assert_ok(pix_ensemble_encode(ensemble, &classes, false, again, &listener, &error), &error);
    assert_int_equal(pix_ensemble_hits(ensemble), classes.count);
    assert_memory_equal(again, vectors, classes.count * VIT_TINY * sizeof *again);
    free(again);
    free(vectors);
    pix_ensemble_close(ensemble);
    pix_encoder_free(encoder);
    pix_model_close(model);
    pix_list_free(&classes);
    test_array_free(&golden);
}

/* What --classify prints for the reference's two photographs, with templates named so. */
static json_t *classify_photographs(const char *templates) {
    pix_list classes;
    pix_bytes labels = {0};
    golden_classes(&classes, 1);
    for (size_t i = 0; i < classes.count; i++) {
        assert_int_equal(pix_bytes_append_text(&labels, classes.entries[i].text), PIX_OK);
        assert_int_equal(pix_bytes_append_text(&labels, ","), PIX_OK);
    }
    pix_query_options options = test_reference_photographs();
    options.labels = labels.data;
    options.templates = templates;
    size_t failed;
    json_t *lines = classify_json(&options, &failed);
    assert_int_equal(failed, 0);
    assert_int_equal(json_array_size(lines), 2);
    pix_list_free(&classes);
    pix_bytes_free(&labels);
    return lines;
}

/* The largest difference of a number of the two photographs' labels, times `scale`, from the
 * reference's array of that name. */
static double golden_difference(const json_t *lines, const char *key, double scale,
                                const char *name) {
    test_array golden;
    pix_list classes;
    golden_classes(&classes, 1);
    assert_true(test_array_load(test_reference("ensemble/%s.npy", name), &golden));
    assert_true(golden.rank == 2 && golden.shape[1] == classes.count);
    double largest = 0;
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < classes.count; j++) {
            const json_t *labels = labels_of(lines, i);
            assert_int_equal(json_array_size(labels), classes.count);
            double value = number_of(labels, place_of(labels, classes.entries[j].text), key);
            double difference = fabs(scale * value - (double)golden.f[i * classes.count + j]);
            largest = difference > largest ? difference : largest;
        }
    print_message("%s: largest difference %.2g\n", name, largest);
    pix_list_free(&classes);
    test_array_free(&golden);
    return largest;
}

/* Probabilities within 1e-4 and logits at scale 100 within 1e-3 of PyTorch's, in float32. */
static void photographs_are_classified_as_by_the_reference(void **state) {
    (void)state;
    if (!test_reference_model() || !test_exists(test_reference("ensemble/probs.npy")))
        test_skip("the reference model and its ensemble are not there");
    char *templates = strdup(test_reference("data/templates/openai-imagenet-80.txt"));
    json_t *lines = classify_photographs(templates);
    assert_true(golden_difference(lines, "probability", 1, "probs") <= 1e-4);
    assert_true(golden_difference(lines, "score", 100, "logits_scale100") <= 1e-3);
    json_decref(lines);
    free(templates);
}

static void without_templates_it_is_the_single_one_of_the_reference(void **state) {
    (void)state;
    if (!test_reference_model() ||
        !test_exists(test_reference("ensemble/single_template_logits.npy")))
        test_skip("the reference model and its ensemble are not there");
    pix_model *model;
    pix_error error;
    assert_ok(pix_model_open(test_reference_model(), &model, &error), &error);
    double scale = (double)pix_model_config(model)->logit_scale;
    pix_model_close(model);
    json_t *lines = classify_photographs(NULL);
    assert_true(golden_difference(lines, "score", scale, "single_template_logits") <= 1e-3);
    json_decref(lines);
}

int main(void) {
    (void)setenv("XDG_CACHE_HOME", test_folder(), 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_the_softmax_of_scaled_scores),
        cmocka_unit_test(one_label_is_certain),
        cmocka_unit_test(only_the_best_are_printed),
        cmocka_unit_test(a_picture_that_fails_keeps_its_place),
        cmocka_unit_test(the_plain_form_is_path_probability_label),
        cmocka_unit_test(pictures_and_labels_may_come_by_standard_input),
        cmocka_unit_test(repeated_labels_are_told),
        cmocka_unit_test(a_label_past_the_context_is_refused_or_cut),
        cmocka_unit_test(without_words_in_the_model_nothing_is_classified),
        cmocka_unit_test(ensembles_are_those_of_the_reference),
        cmocka_unit_test(photographs_are_classified_as_by_the_reference),
        cmocka_unit_test(without_templates_it_is_the_single_one_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
