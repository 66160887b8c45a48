#include <math.h>
#include <stdlib.h>

#include "storage/statement.h"
#include "storage/vector.h"

static pix_status known(pix_store *store, const pix_recipe *recipe,
                        const uint8_t content[PIX_SHA256_BYTES], bool *found, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_KNOWN);
    pix_bind_bytes(&s, content, PIX_SHA256_BYTES);
    pix_bind_integer(&s, recipe->model_id);
    pix_bind_text(&s, recipe->precision);
    pix_bind_integer(&s, recipe->ignore_rotation);
    pix_bind_integer(&s, recipe->exact);
    pix_status status = pix_statement_step(&s, error);
    *found = !status && s.row;
    pix_statement_end(&s);
    return status;
}

pix_status pix_store_content_known(pix_store *store, const pix_recipe *recipe,
                                   const uint8_t content[PIX_SHA256_BYTES], bool *found,
                                   pix_error *error) {
    pix_store_lock(store);
    pix_status status = known(store, recipe, content, found, error);
    pix_store_unlock(store);
    return status;
}

static pix_status put_facts(pix_store *store, const uint8_t content[PIX_SHA256_BYTES],
                            const pix_content *facts, int64_t *id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_CONTENT_PUT);
    pix_bind_bytes(&s, content, PIX_SHA256_BYTES);
    pix_bind_integer(&s, facts->width);
    pix_bind_integer(&s, facts->height);
    pix_bind_integer(&s, facts->orientation);
    pix_bind_text(&s, facts->format ? facts->format : "");
    pix_bind_optional(&s, facts->taken_at);
    pix_bind_optional(&s, facts->camera);
    if (facts->has_location && isfinite(facts->latitude) && isfinite(facts->longitude)) {
        pix_bind_real(&s, facts->latitude);
        pix_bind_real(&s, facts->longitude);
    } else {
        pix_bind_null(&s);
        pix_bind_null(&s);
    }
    pix_status status = pix_statement_step(&s, error);
    if (!status)
        *id = sqlite3_column_int64(s.handle, 0);
    if (!status)
        status = pix_statement_step(&s, error);
    pix_statement_end(&s);
    return status;
}

static pix_status put_vector(pix_store *store, const pix_recipe *recipe, int64_t content_id,
                             const float *vector, size_t dimension, pix_error *error) {
    size_t size;
    if (!pix_size_multiply(dimension, sizeof *vector, &size))
        return pix_fail_memory(error);
    void *bytes = malloc(size);
    if (!bytes)
        return pix_fail_memory(error);
    pix_vector_store(vector, dimension, bytes);
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_PUT);
    pix_bind_integer(&s, content_id);
    pix_bind_integer(&s, recipe->model_id);
    pix_bind_text(&s, recipe->precision);
    pix_bind_integer(&s, recipe->ignore_rotation);
    pix_bind_integer(&s, recipe->exact);
    if (store->run_id)
        pix_bind_integer(&s, store->run_id);
    else
        pix_bind_null(&s);
    pix_bind_bytes(&s, bytes, size);
    pix_status status = pix_statement_run(&s, error);
    free(bytes);
    return status;
}

static pix_status put(pix_store *store, const pix_recipe *recipe,
                      const uint8_t content[PIX_SHA256_BYTES], const pix_content *facts,
                      const float *vector, int dimension, pix_error *error) {
    int expected;
    pix_status status = pix_store_model_dimension(store, recipe->model_id, &expected, error);
    if (status)
        return status;
    if (dimension != expected)
        return pix_fail(error, PIX_EMISMATCH, "%s: a vector of %d dimensions for a model of %d",
                        store->path, dimension, expected);
    if ((status = pix_vector_check(vector, (size_t)dimension, error)) ||
        (status = pix_store_change(store, error)))
        return status;
    int64_t content_id;
    status = put_facts(store, content, facts, &content_id, error);
    return status ? status
                  : put_vector(store, recipe, content_id, vector, (size_t)dimension, error);
}

pix_status pix_store_content_put(pix_store *store, const pix_recipe *recipe,
                                 const uint8_t content[PIX_SHA256_BYTES], const pix_content *facts,
                                 const float *vector, int dimension, pix_error *error) {
    pix_store_lock(store);
    pix_status status = put(store, recipe, content, facts, vector, dimension, error);
    pix_store_unlock(store);
    return status;
}

static pix_status load_vector(const pix_statement *s, int64_t content_id, float *vector,
                              size_t dimension, pix_error *error) {
    if (pix_vector_read(sqlite3_column_blob(s->handle, 0), sqlite3_column_bytes(s->handle, 0),
                        dimension, vector))
        return PIX_OK;
    return pix_fail(error, PIX_EFORMAT, "%s: the vector of content %lld is damaged", s->store->path,
                    (long long)content_id);
}

pix_status pix_store_vector_get(pix_store *store, int64_t model_id, int64_t content_id,
                                float *vector, int dimension, bool *found, pix_error *error) {
    *found = false;
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_CONTENT_VECTOR);
    pix_bind_integer(&s, content_id);
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        status = load_vector(&s, content_id, vector, (size_t)dimension, error);
        *found = !status;
    }
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}
