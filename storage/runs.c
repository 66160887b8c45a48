#include <time.h>

#include "storage/mounts.h"

static void forget_seen(pix_store *store) {
    store->run_id = 0;
    pix_id_set_free(&store->seen_images);
    pix_id_set_free(&store->seen_failures);
    pix_id_set_free(&store->held);
    pix_mounts_forget(store);
}

static pix_status begin(pix_store *store, int64_t model_id, int64_t *run_id, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_RUN_ADD);
    pix_bind_integer(&s, time(NULL));
    pix_bind_integer(&s, model_id);
    if ((status = pix_statement_run(&s, error)))
        return status;
    forget_seen(store);
    int64_t id = sqlite3_last_insert_rowid(store->db);
    if ((status = pix_store_held_load(store, error)))
        return status;
    *run_id = store->run_id = id;
    return PIX_OK;
}

pix_status pix_store_run_begin(pix_store *store, int64_t model_id, int64_t *run_id,
                               pix_error *error) {
    *run_id = 0;
    pix_store_lock(store);
    pix_status status = begin(store, model_id, run_id, error);
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
