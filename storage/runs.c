#include <time.h>

#include "storage/mounts.h"

enum { DAY_S = 86400 };

static void forget_seen(pix_store *store) {
    store->run_id = 0;
    pix_id_set_free(&store->seen_images);
    pix_id_set_free(&store->seen_failures);
    pix_id_set_free(&store->came);
    pix_id_set_free(&store->held);
    pix_mounts_forget(store);
}

static pix_status add(pix_store *store, int64_t model_id, int64_t *id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_RUN_ADD);
    pix_bind_integer(&s, time(NULL));
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_run(&s, error);
    *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

/* *id is 0 when the last run is not to go on.  Its row stays as it is until the small one ends. */
static pix_status go_on(pix_store *store, int64_t model_id, int64_t *id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_RUN_GO_ON);
    pix_bind_integer(&s, model_id);
    pix_bind_integer(&s, time(NULL) - DAY_S);
    pix_bind_integer(&s, time(NULL));
    pix_status status = pix_statement_step(&s, error);
    *id = !status && s.row ? sqlite3_column_int64(s.handle, 0) : 0;
    pix_statement_end(&s);
    return status;
}

static pix_status begin(pix_store *store, int64_t model_id, bool small, int64_t *run_id,
                        pix_error *error) {
    int64_t id = 0;
    pix_status status = pix_store_change(store, error);
    if (!status && small)
        status = go_on(store, model_id, &id, error);
    if (!status && id == 0)
        status = add(store, model_id, &id, error);
    if (status)
        return status;
    forget_seen(store);
    if ((status = pix_store_held_load(store, error)))
        return status;
    *run_id = store->run_id = id;
    return PIX_OK;
}

pix_status pix_store_run_begin(pix_store *store, int64_t model_id, int64_t *run_id,
                               pix_error *error) {
    *run_id = 0;
    pix_store_lock(store);
    pix_status status = begin(store, model_id, false, run_id, error);
    pix_store_unlock(store);
    return status;
}

pix_status pix_store_run_go_on(pix_store *store, int64_t model_id, int64_t *run_id,
                               pix_error *error) {
    *run_id = 0;
    pix_store_lock(store);
    pix_status status = begin(store, model_id, true, run_id, error);
    pix_store_unlock(store);
    return status;
}

static pix_status end(pix_store *store, int64_t run_id, const pix_run_counts *counts,
                      const char *outcome, pix_error *error) {
    pix_status status = pix_store_check_run(store, run_id, error);
    if (!status)
        status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_RUN_END);
    pix_bind_integer(&s, time(NULL));
    pix_bind_text(&s, outcome);
    const int64_t values[] = {counts->seen,          counts->unchanged, counts->added,
                              counts->changed,       counts->moved,     counts->duplicates,
                              counts->removed,       counts->returned,  counts->failed,
                              counts->failed_before, counts->encoded};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        pix_bind_integer(&s, values[i]);
    pix_bind_integer(&s, run_id);
    status = pix_statement_run(&s, error);
    if (!status)
        forget_seen(store);
    return status;
}

pix_status pix_store_run_end(pix_store *store, int64_t run_id, const pix_run_counts *counts,
                             const char *outcome, pix_error *error) {
    pix_store_lock(store);
    pix_status status = end(store, run_id, counts, outcome, error);
    pix_store_unlock(store);
    return status;
}
