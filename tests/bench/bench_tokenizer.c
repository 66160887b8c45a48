/* bench_tokenizer VOCABULARY [TEXT-FILE]: how long loading, building and encoding take.
 *
 * The file's lines are encoded one by one; without one, made-up captions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/threads.h"
#include "core/text/clean.h"
#include "core/text/tokenizer.h"

enum { TOKENS = 49408, ROUNDS = 20, CAPTIONS = 20000 };

static double seconds_since(int64_t start) {
    return (double)(pix_now_ns() - start) / 1e9;
}

static pix_status make_captions(pix_bytes *out) {
    static const char *const who[] = {"a dog",       "two children",  "an old man",
                                      "The skyline", "a red bicycle", "Several cyclists"};
    static const char *const what[] = {"running along", "resting beside", "photographed near",
                                       "painted in front of"};
    static const char *const where[] = {"the river at dusk", "a crowded market stall",
                                        "St. Mary's church", "the 1967 exhibition"};
    char line[200];
    pix_status status = PIX_OK;
    for (size_t i = 0; i < CAPTIONS && !status; i++) {
        (void)snprintf(line, sizeof line, "%s %s %s, photo no. %zu.\n", who[i % 6], what[i / 6 % 4],
                       where[i / 24 % 4], i);
        status = pix_bytes_append_text(out, line);
    }
    return status;
}

static pix_status encode_lines(const pix_tokenizer *tokenizer, const pix_bytes *text, pix_ids *ids,
                               size_t *tokens) {
    const char *line = text->data, *end = text->data + text->size;
    pix_status status = PIX_OK;
    while (line < end && !status) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((newline ? newline : end) - line);
        status = pix_tokenizer_encode(tokenizer, line, size, ids);
        *tokens += ids->count;
        line += size + 1;
    }
    return status;
}

static pix_status clean_lines(const pix_bytes *text, pix_bytes *out) {
    const char *line = text->data, *end = text->data + text->size;
    pix_status status = PIX_OK;
    while (line < end && !status) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((newline ? newline : end) - line);
        pix_bytes_clear(out);
        status = pix_clean(line, size, out);
        line += size + 1;
    }
    return status;
}

static pix_status build(const pix_bytes *merges, pix_tokenizer **out, pix_error *error) {
    double best = 1e9;
    *out = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        pix_tokenizer_free(*out);
        int64_t start = pix_now_ns();
        pix_status status = pix_tokenizer_new(merges->data, merges->size, out, error);
        double took = seconds_since(start);
        if (status)
            return status;
        if (i == 0)
            printf("build, first    %8.2f ms\n", took * 1e3);
        best = took < best ? took : best;
    }
    printf("build, best     %8.2f ms\n", best * 1e3);
    return PIX_OK;
}

static pix_status measure(const pix_tokenizer *tokenizer, const pix_bytes *text) {
    double best = 1e9, best_clean = 1e9;
    size_t tokens = 0;
    pix_ids ids = {0};
    pix_bytes clean = {0};
    pix_status status = PIX_OK;
    for (int i = 0; i < ROUNDS && !status; i++) {
        int64_t start = pix_now_ns();
        tokens = 0;
        status = encode_lines(tokenizer, text, &ids, &tokens);
        double took = seconds_since(start);
        best = took < best ? took : best;
        start = pix_now_ns();
        if (!status)
            status = clean_lines(text, &clean);
        took = seconds_since(start);
        best_clean = took < best_clean ? took : best_clean;
    }
    printf("clean           %8.1f MB/s\n", (double)text->size / best_clean / 1e6);
    printf("clean + encode  %8.1f MB/s, %.1f million tokens/s\n", (double)text->size / best / 1e6,
           (double)tokens / best / 1e6);
    pix_ids_free(&ids);
    pix_bytes_free(&clean);
    return status;
}

int main(int argc, char **argv) {
    pix_error error = {0};
    pix_bytes merges = {0}, text = {0};
    pix_tokenizer *tokenizer = NULL;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s VOCABULARY [TEXT-FILE]\n", argv[0]);
        return 2;
    }
    int64_t start = pix_now_ns();
    pix_status status = pix_vocabulary_load(argv[1], TOKENS, &merges, &error);
    printf("load            %8.2f ms\n", seconds_since(start) * 1e3);
    if (!status)
        status = build(&merges, &tokenizer, &error);
    if (!status)
        status = argc > 2 ? pix_file_read(argv[2], (size_t)1 << 30, &text, &error)
                          : make_captions(&text);
    if (!status)
        status = measure(tokenizer, &text);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", argv[0], *error.text ? error.text : "failed");
    pix_tokenizer_free(tokenizer);
    pix_bytes_free(&merges);
    pix_bytes_free(&text);
    return status ? 1 : 0;
}
