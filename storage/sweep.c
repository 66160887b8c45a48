#include <stdlib.h>
#include <time.h>

#include "storage/range.h"
#include "storage/statement.h"

typedef struct sweep {
    pix_store *store;
    pix_range range;
    int64_t run_id, root_id;
    const char *const *kept;
    size_t kept_count;
    int64_t moved;
    int64_t *ids; /* of what goes; collected first, because changing rows disturbs reading them */
    size_t count, capacity;
} sweep;

static bool is_kept(const sweep *w, const char *path) {
    for (size_t i = 0; i < w->kept_count; i++)
        if (pix_path_is_below(path, w->kept[i]))
            return true;
    return false;
}

static pix_status add_id(sweep *w, int64_t id, pix_error *error) {
    int64_t *ids = pix_array_reserve(w->ids, &w->capacity, w->count, 1, sizeof *ids);
    if (!ids)
        return pix_fail_memory(error);
    ids[w->count++] = id;
    w->ids = ids;
    return PIX_OK;
}

/* Collects what `sql` yields (id, path, ...) in the range and the run did not see. */
static pix_status collect(sweep *w, pix_sql sql, const pix_id_set *seen, pix_error *error) {
    w->count = 0;
    w->moved = 0;
    bool images = sql == PIX_SQL_IMAGE_BELOW;
    pix_statement s = pix_statement_begin(w->store, sql);
    pix_bind_range(&s, &w->range);
    pix_bind_integer(&s, w->root_id);
    if (images)
        pix_bind_integer(&s, w->run_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        int64_t id = sqlite3_column_int64(s.handle, 0);
        if (pix_id_set_has(seen, id) || is_kept(w, pix_statement_text(&s, 1)))
            continue;
        if ((status = add_id(w, id, error)))
            break;
        w->moved += images && sqlite3_column_int(s.handle, 2);
    }
    pix_statement_end(&s);
    return status;
}

static pix_status hide_images(sweep *w, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->count && !status; i++) {
        pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGE_HIDE);
        pix_bind_integer(&s, time(NULL));
        pix_bind_integer(&s, w->ids[i]);
        status = pix_statement_run(&s, error);
    }
    return status;
}

static pix_status drop_failures(sweep *w, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->count && !status; i++) {
        pix_statement s = pix_statement_begin(w->store, PIX_SQL_FAILURE_DROP);
        pix_bind_integer(&s, w->ids[i]);
        status = pix_statement_run(&s, error);
    }
    return status;
}

static pix_status note_scan(sweep *w, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_ROOT_SCANNED);
    pix_bind_integer(&s, time(NULL));
    pix_bind_integer(&s, w->root_id);
    pix_bind_path(&s, w->range.folder);
    return pix_statement_run(&s, error);
}

static pix_status carry_out(sweep *w, pix_error *error) {
    pix_store *store = w->store;
    pix_status status = pix_store_change(store, error);
    if (status || (status = hide_images(w, error)) ||
        (status = collect(w, PIX_SQL_FAILURE_BELOW, &store->seen_failures, error)) ||
        (status = drop_failures(w, error)))
        return status;
    return note_scan(w, error);
}

static pix_status collect_images(sweep *w, int64_t *removed, int64_t *moved, pix_error *error) {
    pix_status status = pix_store_check_run(w->store, w->run_id, error);
    if (!status)
        status = collect(w, PIX_SQL_IMAGE_BELOW, &w->store->seen_images, error);
    if (status)
        return status;
    *removed = (int64_t)w->count;
    *moved = w->moved;
    return PIX_OK;
}

pix_status pix_store_sweep(pix_store *store, int64_t run_id, int64_t root_id, const char *folder,
                           const char *const *kept, size_t kept_count, int64_t *removed,
                           int64_t *moved, pix_error *error) {
    *removed = *moved = 0;
    sweep w = {.store = store,
               .run_id = run_id,
               .root_id = root_id,
               .kept = kept,
               .kept_count = kept_count};
    pix_status status = pix_range_init(&w.range, folder, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = collect_images(&w, removed, moved, error);
    if (!status)
        status = carry_out(&w, error);
    pix_store_unlock(store);
    free(w.ids);
    pix_range_free(&w.range);
    return status;
}
