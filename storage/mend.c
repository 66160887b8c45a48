/* Vectors that are none: damaged on the disk, or by hand. */
#include <stdlib.h>

#include "storage/statement.h"
#include "storage/vector.h"

typedef struct id_list {
    int64_t *items;
    size_t count, capacity;
} id_list;

static pix_status find_damaged(pix_store *store, int64_t model_id, id_list *ids, pix_error *error) {
    int dimension;
    pix_status status = pix_store_model_dimension(store, model_id, &dimension, error);
    if (status)
        return status;
    float *vector = calloc((size_t)dimension, sizeof *vector);
    if (!vector)
        return pix_fail_memory(error);
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&s, model_id);
    pix_bind_integer(&s, 0);
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        if (pix_vector_read(sqlite3_column_blob(s.handle, 2), sqlite3_column_bytes(s.handle, 2),
                            (size_t)dimension, vector))
            continue;
        int64_t *items =
            pix_array_reserve(ids->items, &ids->capacity, ids->count, 1, sizeof *items);
        if (!items) {
            status = pix_fail_memory(error);
            break;
        }
        ids->items = items;
        items[ids->count++] = sqlite3_column_int64(s.handle, 0);
    }
    pix_statement_end(&s);
    free(vector);
    return status;
}

static pix_status drop(pix_store *store, const id_list *ids, pix_error *error) {
    pix_status status = ids->count > 0 ? pix_store_change(store, error) : PIX_OK;
    for (size_t i = 0; i < ids->count && !status; i++) {
        pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_DROP);
        pix_bind_integer(&s, ids->items[i]);
        status = pix_statement_run(&s, error);
    }
    return status;
}

pix_status pix_store_vectors_mend(pix_store *store, int64_t model_id, int64_t *dropped,
                                  pix_error *error) {
    id_list ids = {0};
    *dropped = 0;
    pix_store_lock(store);
    pix_status status = find_damaged(store, model_id, &ids, error);
    if (!status)
        status = drop(store, &ids, error);
    if (!status)
        *dropped = (int64_t)ids.count;
    pix_store_unlock(store);
    free(ids.items);
    return status;
}
