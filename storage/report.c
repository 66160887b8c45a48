#include <stdio.h>

#include "storage/filter.h"
#include "storage/statement.h"

pix_status pix_store_failures(pix_store *store,
                              pix_status (*each)(void *context, const pix_failure *failure),
                              void *context, pix_error *error) {
    pix_store_lock(store);
    pix_statement s = pix_statement_begin_fresh(store, PIX_SQL_FAILURES);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        pix_failure failure = {
            .path = pix_statement_text(&s, 0),
            .stage = pix_statement_text(&s, 1),
            .reason = pix_statement_text(&s, 2),
            .mtime_ns = sqlite3_column_int64(s.handle, 3),
            .size_bytes = sqlite3_column_int64(s.handle, 4),
            .tries = sqlite3_column_int64(s.handle, 5),
            .first_at = sqlite3_column_int64(s.handle, 6),
        };
        if ((status = each(context, &failure)))
            break;
    }
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}

static pix_status count(pix_store *store, pix_store_totals *totals, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_TOTALS);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        totals->photos = sqlite3_column_int64(s.handle, 0);
        totals->contents = sqlite3_column_int64(s.handle, 1);
        totals->missing = sqlite3_column_int64(s.handle, 2);
        totals->failures = sqlite3_column_int64(s.handle, 3);
        totals->file_bytes = sqlite3_column_int64(s.handle, 4);
        totals->held = sqlite3_column_int64(s.handle, 5);
    }
    pix_statement_end(&s);
    return status;
}

static pix_status last_run(pix_store *store, pix_store_totals *totals, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_RUN_LAST);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        totals->last_run_at = sqlite3_column_int64(s.handle, 0);
        (void)snprintf(totals->last_outcome, sizeof totals->last_outcome, "%s",
                       pix_statement_text(&s, 1));
    }
    pix_statement_end(&s);
    return status;
}

pix_status pix_store_photo_count(pix_store *store, int64_t *photos, pix_error *error) {
    *photos = 0;
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_TALLY);
    pix_bind_integer(&s, 0);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *photos = sqlite3_column_int64(s.handle, 0);
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}

pix_status pix_store_totals_get(pix_store *store, pix_store_totals *totals, pix_error *error) {
    *totals = (pix_store_totals){0};
    pix_store_lock(store);
    pix_status status = count(store, totals, error);
    if (!status)
        status = last_run(store, totals, error);
    pix_store_unlock(store);
    return status;
}

/* A text column in row_text, as an offset, because the buffer may move; SIZE_MAX for NULL. */
static pix_status keep_text(pix_store *store, sqlite3_stmt *handle, int column, size_t *offset,
                            pix_error *error) {
    *offset = SIZE_MAX;
    if (sqlite3_column_type(handle, column) == SQLITE_NULL)
        return PIX_OK;
    const unsigned char *text = sqlite3_column_text(handle, column);
    if (!text)
        return pix_fail_memory(error);
    *offset = store->row_text.size;
    size_t size = (size_t)sqlite3_column_bytes(handle, column);
    return pix_bytes_append(&store->row_text, text, size + 1) ? pix_fail_memory(error) : PIX_OK;
}

static const char *kept_text(const pix_store *store, size_t offset) {
    return offset == SIZE_MAX ? NULL : store->row_text.data + offset;
}

static pix_status read_photo(pix_store *store, pix_statement *s, pix_photo_row *row,
                             pix_error *error) {
    enum { PATH, WIDTH, HEIGHT, FORMAT, TAKEN_AT, CAMERA, LATITUDE, LONGITUDE, CONTENT };
    size_t path, format, taken_at, camera;
    pix_bytes_clear(&store->row_text);
    pix_status status;
    if ((status = keep_text(store, s->handle, PATH, &path, error)) ||
        (status = keep_text(store, s->handle, FORMAT, &format, error)) ||
        (status = keep_text(store, s->handle, TAKEN_AT, &taken_at, error)) ||
        (status = keep_text(store, s->handle, CAMERA, &camera, error)))
        return status;
    if (path == SIZE_MAX)
        return pix_fail(error, PIX_EFORMAT, "%s: photo %lld has no path", store->path,
                        (long long)row->id);
    row->path = kept_text(store, path);
    row->path_size = (size_t)sqlite3_column_bytes(s->handle, PATH);
    row->content_id = sqlite3_column_int64(s->handle, CONTENT);
    row->width = sqlite3_column_int(s->handle, WIDTH);
    row->height = sqlite3_column_int(s->handle, HEIGHT);
    row->format = kept_text(store, format);
    if (row->format && !row->format[0])
        row->format = NULL;
    row->taken_at = kept_text(store, taken_at);
    if (row->taken_at && !pix_is_time(row->taken_at))
        row->taken_at = NULL;
    row->camera = kept_text(store, camera);
    row->latitude = sqlite3_column_double(s->handle, LATITUDE);
    row->longitude = sqlite3_column_double(s->handle, LONGITUDE);
    row->has_location = sqlite3_column_type(s->handle, LATITUDE) != SQLITE_NULL &&
                        pix_is_place(row->latitude, row->longitude);
    return PIX_OK;
}

pix_status pix_store_photo_get(pix_store *store, int64_t image_id, pix_photo_row *row,
                               pix_error *error) {
    *row = (pix_photo_row){.id = image_id};
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_GET);
    pix_bind_integer(&s, image_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        status = read_photo(store, &s, row, error);
    else if (!status)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: there is no photo %lld", store->path,
                          (long long)image_id);
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}
