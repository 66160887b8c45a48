#include "storage/statement.h"

#include <errno.h>
#include <string.h>

#include "storage/database.h"

static const char *const texts[PIX_SQL_COUNT] = {
#define X(name, text) [PIX_SQL_##name] = (text),
    PIX_SQL_MAP(X)
#undef X
};

pix_statement pix_statement_begin(pix_store *store, pix_sql sql) {
    pix_statement s = {.store = store, .result = SQLITE_OK};
    if (!store->statements[sql])
        s.result = sqlite3_prepare_v3(store->db, texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[sql], NULL);
    s.handle = store->statements[sql];
    return s;
}

pix_statement pix_statement_begin_fresh(pix_store *store, pix_sql sql) {
    pix_statement s = {.store = store, .owned = true};
    s.result = sqlite3_prepare_v2(store->db, texts[sql], -1, &s.handle, NULL);
    return s;
}

void pix_bind_integer(pix_statement *s, int64_t value) {
    if (s->result == SQLITE_OK)
        s->result = sqlite3_bind_int64(s->handle, ++s->bound, value);
}

void pix_bind_real(pix_statement *s, double value) {
    if (s->result == SQLITE_OK)
        s->result = sqlite3_bind_double(s->handle, ++s->bound, value);
}

void pix_bind_null(pix_statement *s) {
    if (s->result == SQLITE_OK)
        s->result = sqlite3_bind_null(s->handle, ++s->bound);
}

void pix_bind_text(pix_statement *s, const char *text) {
    if (s->result == SQLITE_OK)
        s->result = sqlite3_bind_text64(s->handle, ++s->bound, text, strlen(text), SQLITE_STATIC,
                                        SQLITE_UTF8);
}

void pix_bind_optional(pix_statement *s, const char *text) {
    if (text && *text)
        pix_bind_text(s, text);
    else
        pix_bind_null(s);
}

void pix_bind_bytes(pix_statement *s, const void *data, size_t size) {
    if (s->result == SQLITE_OK)
        s->result = sqlite3_bind_blob64(s->handle, ++s->bound, data, size, SQLITE_STATIC);
}

void pix_bind_path(pix_statement *s, const char *path) {
    pix_bind_bytes(s, path, strlen(path));
}

pix_status pix_statement_step(pix_statement *s, pix_error *error) {
    s->row = false;
    errno = 0;
    if (s->result == SQLITE_OK || s->result == SQLITE_ROW)
        s->result = sqlite3_step(s->handle);
    if (s->result == SQLITE_ROW || s->result == SQLITE_DONE) {
        s->row = s->result == SQLITE_ROW;
        return PIX_OK;
    }
    pix_store *store = s->store;
    pix_error cause;
    pix_status status = pix_database_fail(store->db, store->path, s->result, &cause);
    if (error)
        *error = cause;
    if (store->in_batch && status != PIX_EINVALID) {
        (void)sqlite3_reset(s->handle);
        pix_store_give_up(store, &cause);
    }
    return status;
}

const char *pix_statement_text(const pix_statement *s, int column) {
    const unsigned char *text = sqlite3_column_text(s->handle, column);
    return text ? (const char *)text : "";
}

void pix_statement_end(pix_statement *s) {
    if (s->owned) {
        (void)sqlite3_finalize(s->handle);
    } else if (s->handle) {
        (void)sqlite3_reset(s->handle);
        (void)sqlite3_clear_bindings(s->handle);
    }
    *s = (pix_statement){0};
}

pix_status pix_statement_run(pix_statement *s, pix_error *error) {
    pix_status status = pix_statement_step(s, error);
    pix_statement_end(s);
    return status;
}
