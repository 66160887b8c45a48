#include "storage/roots.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/statement.h"

pix_status pix_root_find(pix_store *store, const char *path, int64_t *id, pix_error *error) {
    *id = 0;
    pix_statement s = pix_statement_begin(store, PIX_SQL_ROOT_FIND);
    pix_bind_path(&s, path);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        *id = sqlite3_column_int64(s.handle, 0);
    pix_statement_end(&s);
    return status;
}

pix_status pix_root_find_above(pix_store *store, const char *path, int64_t *id, pix_error *error) {
    *id = 0;
    char *above = strdup(path);
    if (!above)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    for (char *slash; !status && *id == 0 && above[1] && (slash = strrchr(above, '/'));) {
        slash[slash == above ? 1 : 0] = '\0';
        status = pix_root_find(store, above, id, error);
    }
    free(above);
    return status;
}

static pix_status update(pix_store *store, int64_t id, const char *identity, bool is_mount,
                         pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_ROOT_UPDATE);
    pix_bind_text(&s, identity);
    pix_bind_integer(&s, is_mount);
    pix_bind_integer(&s, id);
    return pix_statement_run(&s, error);
}

pix_status pix_root_add(pix_store *store, const char *path, const char *identity, bool is_mount,
                        int64_t *id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_ROOT_ADD);
    pix_bind_path(&s, path);
    pix_bind_text(&s, identity);
    pix_bind_integer(&s, is_mount);
    pix_bind_integer(&s, time(NULL));
    pix_status status = pix_statement_run(&s, error);
    if (!status)
        *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

pix_status pix_root_take(pix_store *store, const pix_range *range, int64_t id, pix_error *error) {
    static const pix_sql steps[] = {PIX_SQL_ROOT_TAKE_IMAGES, PIX_SQL_ROOT_TAKE_FAILURES,
                                    PIX_SQL_ROOT_DROP_OTHERS};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !status; i++) {
        pix_statement s = pix_statement_begin(store, steps[i]);
        pix_bind_range(&s, range);
        pix_bind_integer(&s, id);
        status = pix_statement_run(&s, error);
    }
    return status;
}

static pix_status put(pix_store *store, const pix_range *range, const char *identity, bool is_mount,
                      int64_t *id, pix_error *error) {
    pix_status status = pix_root_find(store, range->folder, id, error);
    bool known = *id != 0;
    if (!status && !known)
        status = pix_root_find_above(store, range->folder, id, error);
    if (status || (*id != 0 && !known))
        return status;
    if ((status = pix_store_change(store, error)))
        return status;
    if (known)
        return update(store, *id, identity, is_mount, error);
    status = pix_root_add(store, range->folder, identity, is_mount, id, error);
    return status ? status : pix_root_take(store, range, *id, error);
}

pix_status pix_store_root_put(pix_store *store, const char *path, const char *identity,
                              bool is_mount, int64_t *id, pix_error *error) {
    *id = 0;
    pix_range range;
    pix_status status = pix_range_init(&range, path, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = put(store, &range, identity, is_mount, id, error);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}

pix_status pix_store_roots(pix_store *store,
                           pix_status (*each)(void *context, const pix_root *root), void *context,
                           pix_error *error) {
    pix_store_lock(store);
    pix_statement s = pix_statement_begin_fresh(store, PIX_SQL_ROOTS);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        pix_root root = {
            .id = sqlite3_column_int64(s.handle, 0),
            .path = pix_statement_text(&s, 1),
            .identity = pix_statement_text(&s, 2),
            .is_mount = sqlite3_column_int(s.handle, 3) != 0,
            .scanned_at = sqlite3_column_int64(s.handle, 4),
            .photos = sqlite3_column_int64(s.handle, 5),
        };
        if ((status = each(context, &root)))
            break;
    }
    pix_statement_end(&s);
    pix_store_unlock(store);
    return status;
}
