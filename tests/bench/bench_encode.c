/* bench_encode MODEL.pixm PRECISION [THREADS]: images a second in batches of 1, 8 and 32, and
 * milliseconds for a text of seven tokens.
 *
 * Of several rounds the best counts: what the code can do, not what the machine's other work
 * leaves of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/clip/session.h"

enum { LARGEST = 32, ROUNDS = 8, TEXT_ROUNDS = 60 };

static double seconds_since(int64_t start) {
    return (double)(pix_now_ns() - start) / 1e9;
}

static pix_status bench_images(pix_session *session, const pix_clip_config *config,
                               const char *precision, pix_error *error) {
    static const int batches[] = {1, 8, LARGEST};
    size_t crop = 3 * (size_t)config->image_size * (size_t)config->image_size;
    uint8_t *rgb = malloc(LARGEST * crop);
    float *features = malloc(LARGEST * (size_t)config->embed_dim * sizeof *features);
    pix_status status = rgb && features ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < LARGEST * crop && !status; i++)
        rgb[i] = (uint8_t)(i * 2654435761U >> 24);
    for (size_t b = 0; b < 3 && !status; b++) {
        double best = 1e9;
        for (int round = 0; round < ROUNDS * LARGEST / batches[b] / 4 + 3 && !status; round++) {
            int64_t start = pix_now_ns();
            status = pix_session_encode_images(session, rgb, batches[b], features, error);
            double took = seconds_since(start);
            best = took < best ? took : best;
        }
        if (!status)
            printf("%s images, batch %d: %.1f /s\n", precision, batches[b], batches[b] / best);
    }
    free(rgb);
    free(features);
    return status;
}

/* "a photo of a dog", between start and end. */
static pix_status bench_text(pix_session *session, const pix_clip_config *config,
                             const char *precision, pix_error *error) {
    const int32_t ids[] = {config->vocab_size - 2, 320, 1125, 539, 320, 1929,
                           config->vocab_size - 1};
    float *feature = malloc((size_t)config->embed_dim * sizeof *feature);
    if (!feature)
        return pix_fail_memory(error);
    double best = 1e9;
    pix_status status = PIX_OK;
    for (int round = 0; round < TEXT_ROUNDS && !status; round++) {
        int64_t start = pix_now_ns();
        status = pix_session_encode_text(session, ids, sizeof ids / sizeof *ids, feature, error);
        double took = seconds_since(start);
        best = took < best ? took : best;
    }
    if (!status)
        printf("%s text of 7 tokens: %.2f ms\n", precision, best * 1e3);
    free(feature);
    return status;
}

int main(int argc, char **argv) {
    pix_error error = {0};
    pix_model *model = NULL;
    pix_session *session = NULL;
    pix_precision precision;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : pix_cpu_count();
    if (argc < 3 || argc > 4 || !pix_precision_parse(argv[2], &precision) || threads < 1) {
        (void)fprintf(stderr, "usage: %s MODEL.pixm fp32|int8 [THREADS]\n", argv[0]);
        return 2;
    }
    pix_status status = pix_model_open(argv[1], &model, &error);
    if (!status)
        status = pix_session_new(model, precision, LARGEST, threads, &session, &error);
    if (!status)
        status = bench_images(session, pix_model_config(model), argv[2], &error);
    if (!status)
        status = bench_text(session, pix_model_config(model), argv[2], &error);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", argv[0], error.text);
    pix_session_free(session);
    pix_model_close(model);
    return status ? 1 : 0;
}
