#include "indexer/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/common_words.h"
#include "indexer/format.h"

static int dimension_of(const pix_vectors *vectors) {
    return vectors->model ? pix_model_config(vectors->model)->embed_dim : 0;
}

/* The mean of common words: where the vectors of texts are, as opposed to those of photos. */
static pix_status find_text_mean(pix_vectors *vectors, pix_error *error) {
    const size_t dimension = (size_t)dimension_of(vectors);
    float *words = NULL;
    size_t count = 0;
    pix_status status =
        pix_common_words_encode(vectors->model, vectors->threads, &words, &count, error);
    if (!status && count == 0)
        status = pix_fail(error, PIX_ENOTFOUND, "the model reads no text");
    if (!status && !(vectors->text_mean = calloc(dimension + 1, sizeof *vectors->text_mean)))
        status = pix_fail_memory(error);
    for (size_t i = 0; i < count * dimension && !status; i++)
        vectors->text_mean[i % dimension] += words[i] / (float)count;
    free(words);
    return status;
}

static pix_status text_mean(void *context, float *mean, pix_error *error) {
    pix_vectors *vectors = context;
    pix_status status = vectors->text_mean ? PIX_OK : find_text_mean(vectors, error);
    if (!status)
        memcpy(mean, vectors->text_mean, (size_t)dimension_of(vectors) * sizeof *mean);
    return status;
}

void pix_vectors_free(pix_vectors *vectors) {
    free(vectors->text_mean);
    *vectors = (pix_vectors){0};
}

void pix_vectors_update(pix_vectors *vectors, pix_vector_update_kind kind) {
    const pix_vector_update update = {.kind = kind,
                                      .model_id = vectors->model_id,
                                      .text_mean = vectors->model ? text_mean : NULL,
                                      .context = vectors};
    pix_error error;
    if (!pix_vector_index_update(vectors->store, &update, &error) || vectors->complained)
        return;
    vectors->complained = true;
    pix_complain("%s: %s: searches are slower for it", vectors->operation, error.text);
}
