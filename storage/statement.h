/* statement.h - one use of one statement of the store.
 *
 *     pix_statement s = pix_statement_begin(store, PIX_SQL_ROOT_FIND);
 *     pix_bind_path(&s, path);
 *     status = pix_statement_step(&s, error);
 *     if (!status && s.row)
 *         id = sqlite3_column_int64(s.handle, 0);
 *     pix_statement_end(&s);
 *
 * Trouble while preparing or binding is reported by the first step.  The store's lock is held from
 * begin to end; bound memory must live until the end. */
#ifndef PIX_STORAGE_STATEMENT_H
#define PIX_STORAGE_STATEMENT_H

#include "storage/store_internal.h"

typedef struct pix_statement {
    pix_store *store;
    sqlite3_stmt *handle;
    int result; /* SQLite's, of the last thing done */
    int bound;
    bool row;   /* the last step found one */
    bool owned; /* not the store's: finalised at the end */
} pix_statement;

pix_statement pix_statement_begin(pix_store *store, pix_sql sql);

/* For loops that call back: the statement is fresh, so the callback may run the same one. */
pix_statement pix_statement_begin_fresh(pix_store *store, pix_sql sql);

void pix_bind_integer(pix_statement *s, int64_t value);
void pix_bind_real(pix_statement *s, double value);
void pix_bind_null(pix_statement *s);
void pix_bind_text(pix_statement *s, const char *text);
void pix_bind_optional(pix_statement *s, const char *text); /* NULL or "" is SQL's NULL */
void pix_bind_bytes(pix_statement *s, const void *data, size_t size);
void pix_bind_path(pix_statement *s, const char *path);

/* On an error in a batch the batch is lost (pix_store_give_up), except that a broken constraint
 * undoes this statement alone and is PIX_EINVALID. */
pix_status pix_statement_step(pix_statement *s, pix_error *error);
/* A column of the row as text; "" for NULL, which a file made elsewhere may hold where the schema
 * has none. */
const char *pix_statement_text(const pix_statement *s, int column);
void pix_statement_end(pix_statement *s);

/* Steps a statement that yields no rows, and ends it. */
pix_status pix_statement_run(pix_statement *s, pix_error *error);

#endif
