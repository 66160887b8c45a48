#include <stdlib.h>
#include <time.h>

#include "storage/range.h"
#include "storage/statement.h"

/* A row that the run did not see. */
typedef struct unseen {
    int64_t id, content_id;
    bool moved;
    bool alive; /* its content is, under another path */
} unseen;

typedef struct sweep {
    pix_store *store;
    pix_range range;
    int64_t run_id, root_id;
    const char *const *kept;
    size_t kept_count;
    unseen *rows; /* collected first, because changing rows disturbs reading them */
    size_t count, capacity;
} sweep;

static bool is_kept(const sweep *w, const char *path) {
    for (size_t i = 0; i < w->kept_count; i++)
        if (pix_path_is_below(path, w->kept[i]))
            return true;
    return false;
}

static pix_status add_row(sweep *w, const unseen *row, pix_error *error) {
    unseen *rows = pix_array_reserve(w->rows, &w->capacity, w->count, 1, sizeof *rows);
    if (!rows)
        return pix_fail_memory(error);
    rows[w->count++] = *row;
    w->rows = rows;
    return PIX_OK;
}

/* Collects what `sql` yields (id, path, ...) in the range and the run did not see. */
static pix_status collect(sweep *w, pix_sql sql, const pix_id_set *seen, pix_error *error) {
    w->count = 0;
    bool images = sql == PIX_SQL_IMAGE_BELOW;
    pix_statement s = pix_statement_begin(w->store, sql);
    pix_bind_range(&s, &w->range);
    pix_bind_integer(&s, w->root_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        unseen row = {.id = sqlite3_column_int64(s.handle, 0)};
        if (pix_id_set_has(seen, row.id) || is_kept(w, pix_statement_text(&s, 1)))
            continue;
        if (images)
            row.content_id = sqlite3_column_int64(s.handle, 2);
        if ((status = add_row(w, &row, error)))
            break;
    }
    pix_statement_end(&s);
    return status;
}

/* Whether this run met the content under a new path. */
static pix_status look_for_new_path(const sweep *w, unseen *row, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGE_MOVED);
    pix_bind_integer(&s, row->content_id);
    pix_bind_integer(&s, w->run_id);
    pix_bind_integer(&s, row->id);
    pix_status status = pix_statement_step(&s, error);
    row->moved = s.row;
    pix_statement_end(&s);
    return status;
}

/* Whether a photo of the content is left: one that this run saw, or one of another root, on which
 * that root's own sweep decides. */
static pix_status look_for_copies(const sweep *w, unseen *row, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGE_COPIES);
    pix_bind_integer(&s, row->content_id);
    pix_status status = PIX_OK;
    while (!row->alive && !(status = pix_statement_step(&s, error)) && s.row)
        row->alive = sqlite3_column_int64(s.handle, 1) != w->root_id ||
                     pix_id_set_has(&w->store->seen_images, sqlite3_column_int64(s.handle, 0));
    pix_statement_end(&s);
    return status;
}

/* Finds what has moved, and how many rows are the last of their content, if that could be more than
 * `most`. */
static pix_status judge(sweep *w, int64_t most, int64_t *last, pix_error *error) {
    *last = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->count && !status; i++)
        status = look_for_new_path(w, &w->rows[i], error);
    for (size_t i = 0; (int64_t)w->count > most && i < w->count && !status; i++) {
        status = look_for_copies(w, &w->rows[i], error);
        *last += !w->rows[i].alive;
    }
    return status;
}

static pix_status run_on(pix_store *store, pix_sql sql, int64_t first, int64_t second,
                         pix_error *error) {
    pix_statement s = pix_statement_begin(store, sql);
    pix_bind_integer(&s, first);
    pix_bind_integer(&s, second);
    return pix_statement_run(&s, error);
}

pix_status pix_store_image_hide(pix_store *store, int64_t id, pix_error *error) {
    pix_status status = run_on(store, PIX_SQL_IMAGE_HIDE, time(NULL), id, error);
    return status ? status : pix_store_held_release(store, id, error);
}

/* Of too many that are gone, those that nothing else stands for are held. */
static pix_status take_images(sweep *w, bool too_many, pix_swept *swept, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->count && !status; i++) {
        const unseen *row = &w->rows[i];
        if (too_many && !row->alive) {
            status = run_on(w->store, PIX_SQL_HELD_ADD, row->id, time(NULL), error);
            swept->held++;
        } else {
            status = pix_store_image_hide(w->store, row->id, error);
            swept->removed++;
            swept->moved += row->moved;
        }
    }
    return status;
}

static pix_status drop_failures(sweep *w, pix_error *error) {
    pix_status status = collect(w, PIX_SQL_FAILURE_BELOW, &w->store->seen_failures, error);
    for (size_t i = 0; i < w->count && !status; i++) {
        pix_statement s = pix_statement_begin(w->store, PIX_SQL_FAILURE_DROP);
        pix_bind_integer(&s, w->rows[i].id);
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

static pix_status carry_out(sweep *w, int64_t most, pix_swept *swept, pix_error *error) {
    pix_store *store = w->store;
    int64_t last;
    pix_status status = pix_store_check_run(store, w->run_id, error);
    if (status || (status = collect(w, PIX_SQL_IMAGE_BELOW, &store->seen_images, error)) ||
        (status = judge(w, most, &last, error)) || (status = pix_store_change(store, error)) ||
        (status = take_images(w, last > most, swept, error)))
        return status;
    if (swept->held == 0) /* what failed may return with the rest */
        status = drop_failures(w, error);
    return status ? status : note_scan(w, error);
}

pix_status pix_store_sweep(pix_store *store, int64_t run_id, int64_t root_id, const char *folder,
                           const char *const *kept, size_t kept_count, int64_t most,
                           pix_swept *swept, pix_error *error) {
    *swept = (pix_swept){0};
    sweep w = {.store = store,
               .run_id = run_id,
               .root_id = root_id,
               .kept = kept,
               .kept_count = kept_count};
    pix_status status = pix_range_init(&w.range, folder, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = carry_out(&w, most, swept, error);
    pix_store_unlock(store);
    free(w.rows);
    pix_range_free(&w.range);
    return status;
}
