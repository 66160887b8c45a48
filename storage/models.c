#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storage/statement.h"

static pix_status find(pix_store *store, const char *fingerprint, pix_store_model *model,
                       pix_error *error) {
    *model = (pix_store_model){0};
    pix_statement s = pix_statement_begin(store, PIX_SQL_MODEL_FIND);
    pix_bind_text(&s, fingerprint);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        model->id = sqlite3_column_int64(s.handle, 0);
        model->dimension = sqlite3_column_int(s.handle, 1);
        (void)snprintf(model->name, sizeof model->name, "%s", pix_statement_text(&s, 2));
    }
    pix_statement_end(&s);
    return status;
}

static pix_status add(pix_store *store, const char *name, const char *fingerprint, int dimension,
                      int64_t *id, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_MODEL_ADD);
    pix_bind_text(&s, fingerprint);
    pix_bind_text(&s, name);
    pix_bind_integer(&s, dimension);
    pix_bind_integer(&s, time(NULL));
    status = pix_statement_run(&s, error);
    if (!status)
        *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

static pix_status rename_model(pix_store *store, int64_t id, const char *name, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_MODEL_RENAME);
    pix_bind_text(&s, name);
    pix_bind_integer(&s, id);
    return pix_statement_run(&s, error);
}

static pix_status put(pix_store *store, const char *name, const char *fingerprint, int dimension,
                      int64_t *id, pix_error *error) {
    if (strlen(fingerprint) != PIX_SHA256_HEX - 1 || dimension <= 0)
        return pix_fail(error, PIX_EINVALID, "model %s: no fingerprint or dimension", name);
    pix_store_model model;
    pix_status status = find(store, fingerprint, &model, error);
    if (status)
        return status;
    if (model.id == 0)
        return add(store, name, fingerprint, dimension, id, error);
    if (model.dimension != dimension)
        return pix_fail(error, PIX_EMISMATCH, "%s: model %s has %d dimensions there, not %d",
                        store->path, name, (int)model.dimension, dimension);
    *id = model.id;
    bool renamed = strncmp(model.name, name, sizeof model.name - 1) != 0;
    return renamed ? rename_model(store, model.id, name, error) : PIX_OK;
}

pix_status pix_store_model_put(pix_store *store, const char *name, const char *fingerprint,
                               int dimension, int64_t *id, pix_error *error) {
    *id = 0;
    pix_store_lock(store);
    pix_status status = put(store, name, fingerprint, dimension, id, error);
    pix_store_unlock(store);
    return status;
}

pix_status pix_store_model_dimension(pix_store *store, int64_t model_id, int *dimension,
                                     pix_error *error) {
    *dimension = 0;
    pix_statement s = pix_statement_begin(store, PIX_SQL_MODEL_DIMENSION);
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *dimension = sqlite3_column_int(s.handle, 0);
    else if (!status)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: there is no model %lld", store->path,
                          (long long)model_id);
    pix_statement_end(&s);
    return status;
}

pix_status pix_store_models(pix_store *store,
                            pix_status (*each)(void *context, const pix_store_model *model),
                            void *context, pix_error *error) {
    pix_store_lock(store);
    pix_statement s = pix_statement_begin_fresh(store, PIX_SQL_MODELS);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        pix_store_model model = {
            .id = sqlite3_column_int64(s.handle, 0),
            .dimension = sqlite3_column_int(s.handle, 3),
            .embeddings = sqlite3_column_int64(s.handle, 4),
        };
        (void)snprintf(model.name, sizeof model.name, "%s", pix_statement_text(&s, 1));
        (void)snprintf(model.fingerprint, sizeof model.fingerprint, "%s",
                       pix_statement_text(&s, 2));
        if ((status = each(context, &model)))
            break;
    }
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}
