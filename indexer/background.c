#include "indexer/background.h"

#include <stdlib.h>

#include "core/clip/common_words.h"
#include "storage/background.h"

pix_status pix_background_refresh(pix_indexing *indexing, pix_error *error) {
    int64_t model_id = indexing->recipe.model_id;
    int dimension = pix_model_config(indexing->model)->embed_dim;
    bool due;
    float *words = NULL;
    size_t count = 0;
    pix_status status = pix_store_background_due(indexing->store, model_id, &due, error);
    if (status || !due)
        return status;
    status = pix_common_words_encode(indexing->model, indexing->threads, &words, &count, error);
    if (!status)
        status =
            pix_store_background_make(indexing->store, model_id, words, count, dimension, error);
    free(words);
    return status;
}
