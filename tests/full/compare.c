/* compare - one full-size checkpoint through import, both towers and their PyTorch results.
 *
 *     compare CHECKPOINT GOLDEN_FOLDER
 *
 * Prints what differs by how much and how fast the vision tower ran, and all of it once more as a
 * row of a table; exits 1 when a limit of the reference data is exceeded. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/threads.h"
#include "core/clip/session.h"
#include "core/tensor/dot.h"
#include "tests/model_support.h"

static void need(const char *folder, const char *name, test_array *array) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    if (!test_array_load(path, array)) {
        (void)fprintf(stderr, "compare: %s is missing\n", path);
        exit(1);
    }
}

static void check(pix_status status, const pix_error *error) {
    if (status) {
        (void)fprintf(stderr, "compare: %s\n", error->text);
        exit(1);
    }
}

/* What the table has a column for. */
static struct { double images, texts, logits, per_second; } row;

/* Prints the largest difference and says whether it is within the limit. */
static bool within(const char *what, const float *ours, const float *golden, size_t count,
                   double limit, double *kept) {
    double difference = test_max_difference(ours, golden, count);
    bool good = difference <= limit;
    *kept = difference;
    (void)printf("  %-28s off by %.2g, limit %.0e%s\n", what, difference, limit,
                 good ? "" : "  TOO FAR");
    return good;
}

static void normalise_rows(float *rows, size_t count, size_t width) {
    pix_error error;
    for (size_t i = 0; i < count; i++)
        check(pix_normalise(rows + i * width, width, &error), &error);
}

static float *room(size_t count) {
    float *values = malloc(count * sizeof *values);
    if (!values)
        exit(1);
    return values;
}

static bool features(const char *golden, const char *kind, float *rows, size_t count, size_t width,
                     double *difference) {
    char name[64], label[64];
    test_array unit;
    (void)snprintf(name, sizeof name, "%s_features_norm", kind);
    (void)snprintf(label, sizeof label, "unit %s features", kind);
    need(golden, name, &unit);
    normalise_rows(rows, count, width);
    bool good =
        unit.count == count * width && within(label, rows, unit.f, count * width, 1e-5, difference);
    test_array_free(&unit);
    return good;
}

static bool logits(const char *golden, const pix_model *model, const float *image, size_t images,
                   const float *text, size_t texts) {
    const pix_clip_config *config = pix_model_config(model);
    size_t width = (size_t)config->embed_dim;
    test_array want, probability;
    need(golden, "logits_per_image", &want);
    need(golden, "probs_per_image", &probability);
    float *ours = room(images * texts), *chance = room(images * texts);
    for (size_t i = 0; i < images; i++) {
        double sum = 0, top = (double)config->logit_scale;
        for (size_t t = 0; t < texts; t++) {
            double logit = top * pix_dot(image + i * width, text + t * width, width);
            ours[i * texts + t] = (float)logit;
            sum += exp(logit - top);
        }
        for (size_t t = 0; t < texts; t++)
            chance[i * texts + t] = (float)(exp((double)ours[i * texts + t] - top) / sum);
    }
    double ignored;
    bool good = within("logits", ours, want.f, images * texts, 1e-3, &row.logits);
    good = within("probabilities", chance, probability.f, images * texts, 1e-4, &ignored) && good;
    free(ours);
    free(chance);
    test_array_free(&want);
    test_array_free(&probability);
    return good;
}

static bool compare(pix_model *model, const char *golden) {
    const pix_clip_config *config = pix_model_config(model);
    size_t width = (size_t)config->embed_dim;
    test_array pixels, tokens;
    pix_session *session;
    pix_error error;
    need(golden, "pixels", &pixels);
    need(golden, "tokens", &tokens);
    size_t images = pixels.shape[0], texts = tokens.shape[0], context = tokens.shape[1];
    float *image = room(images * width), *one = room(images * width), *text = room(texts * width);
    check(pix_session_new(model, PIX_FP32, (int)images, pix_cpu_count(), &session, &error), &error);
    check(pix_session_encode_pixels(session, pixels.f, (int)images, image, &error), &error);
    for (size_t i = 0; i < images; i++)
        check(pix_session_encode_pixels(session, pixels.f + i * (pixels.count / images), 1,
                                        one + i * width, &error),
              &error);
    for (size_t i = 0; i < texts; i++)
        check(pix_session_encode_text(session, tokens.i + i * context, context, text + i * width,
                                      &error),
              &error);
    double ignored;
    bool good = features(golden, "image", image, images, width, &row.images);
    good = features(golden, "text", text, texts, width, &row.texts) && good;
    good = logits(golden, model, image, images, text, texts) && good;
    normalise_rows(one, images, width);
    good = within("a batch and one at a time", image, one, images * width, 1e-6, &ignored) && good;
    pix_session_free(session);
    free(image);
    free(one);
    free(text);
    test_array_free(&pixels);
    test_array_free(&tokens);
    return good;
}

static void measure(pix_model *model) {
    int batch = pix_model_batch_size(model);
    size_t size = (size_t)pix_model_config(model)->image_size;
    size_t bytes = (size_t)batch * size * size * 3;
    uint8_t *rgb = calloc(bytes, 1);
    float *out = room((size_t)batch * (size_t)pix_model_config(model)->embed_dim);
    pix_session *session;
    pix_error error;
    check(rgb ? pix_session_new(model, PIX_FP32, batch, pix_cpu_count(), &session, &error)
              : pix_fail_memory(&error),
          &error);
    int64_t best = INT64_MAX;
    for (int round = 0; round < 4; round++) {
        int64_t start = pix_now_ns();
        check(pix_session_encode_images(session, rgb, batch, out, &error), &error);
        int64_t taken = pix_now_ns() - start;
        best = taken < best ? taken : best;
    }
    row.per_second = batch * 1e9 / (double)best;
    (void)printf("  %.1f images/s in batches of %d, %d threads\n", row.per_second, batch,
                 pix_cpu_count());
    pix_session_free(session);
    free(rgb);
    free(out);
}

int main(int count, char **arguments) {
    if (count != 3) {
        (void)fprintf(stderr, "usage: compare CHECKPOINT GOLDEN_FOLDER\n");
        return 2;
    }
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/full.pixm", test_folder());
    pix_import_report report;
    pix_model *model;
    pix_error error;
    bool checked;
    int64_t start = pix_now_ns();
    check(pix_model_import(arguments[1], "full", path, NULL, &report, &error), &error);
    double seconds = (double)(pix_now_ns() - start) / 1e9;
    (void)printf("%s: %s, %lld parameters, imported in %.1f s\n", arguments[1], report.format,
                 (long long)report.parameters, seconds);
    (void)printf("  fingerprint %s\n", report.fingerprint);
    check(pix_model_open(path, &model, &error), &error);
    check(pix_model_verify(model, &checked, &error), &error);
    bool good = compare(model, arguments[2]);
    measure(model);
    pix_model_close(model);
    struct stat info;
    if (stat(path, &info) != 0)
        return 1;
    (void)printf("| %s | %.1f M | %.1f s | %.0f MB | %.1g | %.1g | %.1g | %.2g |\n", report.format,
                 (double)report.parameters / 1e6, seconds, (double)info.st_size / 1e6, row.images,
                 row.texts, row.logits, row.per_second);
    return good ? 0 : 1;
}
