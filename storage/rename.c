#include <string.h>

#include "storage/range.h"
#include "storage/statement.h"

static pix_status rename_below(pix_store *store, pix_sql sql, const pix_range *from, const char *to,
                               int64_t root_id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, sql);
    pix_bind_range(&s, from);
    pix_bind_path(&s, to);
    pix_bind_integer(&s, (int64_t)from->length + 1);
    pix_bind_integer(&s, root_id);
    return pix_statement_run(&s, error);
}

static pix_status rename_all(pix_store *store, int64_t run_id, const pix_range *from,
                             const pix_range *to, int64_t root_id, int64_t *photos,
                             pix_error *error) {
    pix_status status = pix_store_check_run(store, run_id, error);
    if (status || (status = pix_store_change(store, error)) ||
        (status = rename_below(store, PIX_SQL_IMAGE_RENAME, from, to->folder, root_id, error)))
        return status;
    *photos = sqlite3_changes64(store->db);
    status = rename_below(store, PIX_SQL_FAILURE_RENAME, from, to->folder, root_id, error);
    /* A photo that is shown has no failure, also when it was found there before the rename was. */
    return status ? status : pix_range_run(to, store, PIX_SQL_FAILURE_DROP_SHOWN, NULL, error);
}

pix_status pix_store_rename(pix_store *store, int64_t run_id, int64_t root_id, const char *from,
                            const char *to, int64_t *photos, pix_error *error) {
    *photos = 0;
    pix_range range, target;
    pix_status status = pix_range_init(&range, from, error);
    if (status)
        return status;
    if (!(status = pix_range_init(&target, to, error))) {
        pix_store_lock(store);
        status = rename_all(store, run_id, &range, &target, root_id, photos, error);
        pix_store_unlock(store);
        pix_range_free(&target);
    }
    pix_range_free(&range);
    return status;
}
