#include "storage/vector_cache.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/statement.h"

/* SQLite, too, keeps its side files beside the real index, whatever link led to it. */
static char *path_for(const char *database, const char *fingerprint) {
    char real[PATH_MAX];
    if (!realpath(database, real))
        return NULL;
    size_t length = strlen(real);
    if (length > 3 && strcmp(real + length - 3, ".db") == 0)
        real[length - 3] = '\0';
    char *path = NULL;
    return asprintf(&path, "%s.%.12s.pixv", real, fingerprint) < 0 ? NULL : path;
}

pix_vector_cache *pix_vector_cache_of(pix_store *store, int64_t model_id) {
    for (size_t i = 0; i < store->cache_count; i++)
        if (store->caches[i].model_id == model_id)
            return &store->caches[i];
    return NULL;
}

static pix_status add_cache(pix_store *store, const pix_statement *s, pix_error *error) {
    pix_vector_cache *caches =
        reallocarray(store->caches, store->cache_count + 1, sizeof *store->caches);
    if (!caches)
        return pix_fail_memory(error);
    store->caches = caches;
    pix_vector_cache *cache = &caches[store->cache_count];
    *cache = (pix_vector_cache){.model_id = sqlite3_column_int64(s->handle, 0),
                                .dimension = sqlite3_column_int(s->handle, 1)};
    (void)snprintf(cache->fingerprint, sizeof cache->fingerprint, "%s", pix_statement_text(s, 2));
    cache->path = path_for(store->path, cache->fingerprint);
    if (!cache->path)
        return pix_fail_memory(error);
    store->cache_count++;
    return PIX_OK;
}

/* Nothing is done for a model that is known already: what it is never changes. */
static pix_status find_models(pix_store *store, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_MODEL_CACHES);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if (!pix_vector_cache_of(store, sqlite3_column_int64(s.handle, 0)) &&
            (status = add_cache(store, &s, error)))
            break;
    pix_statement_end(&s);
    return status;
}

static void refresh(pix_vector_cache *cache) {
    bool replaced = false;
    cache->trouble.status = PIX_OK;
    if (cache->file) {
        pix_status status =
            pix_vector_file_refresh(cache->file, cache->path, &replaced, &cache->trouble);
        if (!status && !replaced)
            return;
    }
    pix_vector_file_close(cache->file);
    (void)pix_vector_file_open(cache->path, cache->fingerprint, cache->dimension, false,
                               &cache->file, &cache->trouble);
}

pix_status pix_vector_caches_refresh(pix_store *store, pix_error *error) {
    pix_status status = find_models(store, error);
    for (size_t i = 0; i < store->cache_count && !status; i++)
        refresh(&store->caches[i]);
    return status;
}

void pix_vector_caches_close(pix_store *store) {
    for (size_t i = 0; i < store->cache_count; i++) {
        pix_vector_file_close(store->caches[i].file);
        pix_vector_file_close(store->caches[i].writer);
        free(store->caches[i].path);
    }
    free(store->caches);
    store->caches = NULL;
    store->cache_count = 0;
}

pix_status pix_vector_cache_fits(pix_store *store, const pix_vector_file *file, bool *fits,
                                 pix_error *error) {
    const pix_writing *writing = &file->state.writing;
    pix_statement s = pix_statement_begin(store, PIX_SQL_WRITING_KNOWN);
    pix_bind_integer(&s, writing->id);
    pix_bind_integer(&s, writing->token);
    pix_bind_integer(&s, writing->commits);
    pix_status status = pix_statement_step(&s, error);
    *fits = !status && s.row;
    pix_statement_end(&s);
    return status;
}
