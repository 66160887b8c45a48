/* bench_encode MODEL.pixm fp32|int8 [THREADS [images|texts]]: images a second in batches of 1, 8
 * and 32; milliseconds for a text of seven tokens, for a word in 80 templates, and for words in so
 * many each as --classify with a thousand labels has.
 *
 * Of several rounds the best counts: what the code can do, not what the machine's other work
 * leaves of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/clip/prompts.h"
#include "core/clip/session.h"

enum { LARGEST = 32, ROUNDS = 8, TEXT_ROUNDS = 60, ENSEMBLE_ROUNDS = 3 };

/* Labels are read in blocks of some, each in all templates, as pixgrep does. */
enum { TEMPLATES = 80, LABELS = 12, BLOCKS = 4 };

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

/* The template number `index` filled with a word: those installed, and once more of drawings. */
static pix_status read_prompt(const pix_tokenizer *tokenizer, const pix_list *templates,
                              size_t index, const char *word, pix_ids *ids) {
    char label[64];
    pix_bytes prompt = {0};
    if (templates->count == 0)
        return PIX_ENOTFOUND;
    (void)snprintf(label, sizeof label, index < templates->count ? "%s" : "drawing of a %s", word);
    pix_status status = pix_prompt_fill(templates->entries[index % templates->count].text, label,
                                        strlen(label), &prompt);
    if (!status)
        status = pix_tokenizer_encode(tokenizer, (const char *)prompt.data, prompt.size, ids);
    pix_bytes_free(&prompt);
    return status;
}

/* Prompts of BLOCKS * LABELS words, the templates of a block's words one after another. */
static pix_status read_prompts(const pix_tokenizer *tokenizer, pix_ids *prompts, pix_error *error) {
    static const char *const words[] = {"dog",    "horse",  "lighthouse", "wooden bridge",
                                        "violin", "teapot", "tree frog",  "fire engine"};
    pix_list templates;
    pix_status status = pix_templates_open(PIX_TEMPLATES_LONG, &templates, error);
    const size_t block = (size_t)TEMPLATES * LABELS;
    for (size_t i = 0; i < BLOCKS * block && !status; i++) {
        size_t label = i / block * LABELS + i % LABELS;
        char word[64];
        (void)snprintf(word, sizeof word, "%s %zu", words[label % 8], label);
        if (read_prompt(tokenizer, &templates, i / LABELS % TEMPLATES, word, &prompts[i]))
            status = pix_fail(error, PIX_ENOMEM, "cannot make a prompt of %s", word);
    }
    pix_list_free(&templates);
    return status;
}

/* The best time of `count` texts. */
static pix_status time_texts(pix_session *session, const pix_ids *texts, size_t count, int rounds,
                             float *features, double *best, pix_error *error) {
    pix_status status = PIX_OK;
    *best = 1e9;
    for (int round = 0; round < rounds && !status; round++) {
        int64_t start = pix_now_ns();
        status = pix_session_encode_texts(session, texts, count, features, error);
        double took = seconds_since(start);
        *best = took < *best ? took : *best;
    }
    return status;
}

static pix_status bench_ensembles(pix_session *session, pix_model *model, const char *precision,
                                  pix_error *error) {
    const size_t block = (size_t)TEMPLATES * LABELS, count = BLOCKS * block;
    const pix_tokenizer *tokenizer;
    double one, all = 0;
    pix_status status = pix_model_tokenizer(model, &tokenizer, error);
    if (status)
        return status;
    pix_ids *prompts = calloc(count, sizeof *prompts), word[TEMPLATES];
    float *features = calloc(block, (size_t)pix_model_config(model)->embed_dim * sizeof *features);
    status = prompts && features ? read_prompts(tokenizer, prompts, error) : pix_fail_memory(error);
    for (size_t i = 0; i < TEMPLATES && !status; i++)
        word[i] = prompts[i * LABELS];
    if (!status)
        status = time_texts(session, word, TEMPLATES, 5 * ENSEMBLE_ROUNDS, features, &one, error);
    if (!status)
        printf("%s text in %d templates: %.1f ms\n", precision, TEMPLATES, one * 1e3);
    for (size_t i = 0; i < BLOCKS && !status; i++) {
        status =
            time_texts(session, prompts + i * block, block, ENSEMBLE_ROUNDS, features, &one, error);
        all += one;
    }
    if (!status)
        printf("%s 1,000 labels in %d templates: %.1f s (%.0f prompts/s, measured with %d)\n",
               precision, TEMPLATES, all * 1000 / (BLOCKS * LABELS), (double)count / all,
               BLOCKS * LABELS);
    for (size_t i = 0; prompts && i < count; i++)
        pix_ids_free(&prompts[i]);
    free(prompts);
    free(features);
    return status;
}

int main(int argc, char **argv) {
    pix_error error = {0};
    pix_model *model = NULL;
    pix_session *session = NULL;
    pix_precision precision;
    int threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : pix_cpu_count();
    const char *part = argc > 4 ? argv[4] : "";
    bool images = strcmp(part, "texts") != 0, texts = strcmp(part, "images") != 0;
    if (argc < 3 || argc > 5 || !pix_precision_parse(argv[2], &precision) || threads < 1 ||
        (*part && images && texts)) {
        (void)fprintf(stderr, "usage: %s MODEL.pixm fp32|int8 [THREADS [images|texts]]\n", argv[0]);
        return 2;
    }
    pix_status status = pix_model_open(argv[1], &model, &error);
    if (!status)
        status = pix_session_new(model, precision, images ? LARGEST : 0, threads, &session, &error);
    if (!status && images)
        status = bench_images(session, pix_model_config(model), argv[2], &error);
    if (!status && texts)
        status = bench_text(session, pix_model_config(model), argv[2], &error);
    if (!status && texts && pix_model_has_text(model, NULL))
        status = bench_ensembles(session, model, argv[2], &error);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", argv[0], error.text);
    pix_session_free(session);
    pix_model_close(model);
    return status ? 1 : 0;
}
