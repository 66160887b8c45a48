#include <time.h>

#include "storage/range.h"
#include "storage/statement.h"

static pix_status drop_unused_contents(pix_store *store, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_CONTENT_DROP_UNUSED);
    return pix_statement_run(&s, error);
}

static pix_status forget(pix_store *store, const pix_range *range, int64_t *photos,
                         pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status || (status = pix_range_run(range, store, PIX_SQL_IMAGE_DROP_BELOW, photos, error)) ||
        (status = pix_range_run(range, store, PIX_SQL_FAILURE_DROP_BELOW, NULL, error)) ||
        (status = pix_range_run(range, store, PIX_SQL_ROOT_DROP_BELOW, NULL, error)))
        return status;
    return drop_unused_contents(store, error);
}

pix_status pix_store_forget(pix_store *store, const char *path, int64_t *photos, pix_error *error) {
    *photos = 0;
    pix_range range;
    pix_status status = pix_range_init(&range, path, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = forget(store, &range, photos, error);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}

pix_status pix_store_failures_retry(pix_store *store, const char *path, int64_t *count,
                                    pix_error *error) {
    *count = 0;
    pix_range range;
    pix_status status = pix_range_init(&range, path, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = pix_store_change(store, error);
    if (!status)
        status = pix_range_run(&range, store, PIX_SQL_FAILURE_RETRY, count, error);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}

static pix_status purge(pix_store *store, int days, pix_error *error) {
    if (days < 0)
        return pix_fail(error, PIX_EINVALID, "a purge after %d days", days);
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_DROP_OLD);
    pix_bind_integer(&s, time(NULL));
    pix_bind_integer(&s, (int64_t)days * 86400);
    if ((status = pix_statement_run(&s, error)))
        return status;
    s = pix_statement_begin(store, PIX_SQL_MOUNT_DROP_UNUSED);
    status = pix_statement_run(&s, error);
    return status ? status : drop_unused_contents(store, error);
}

pix_status pix_store_purge(pix_store *store, int days, pix_error *error) {
    pix_store_lock(store);
    pix_status status = purge(store, days, error);
    pix_store_unlock(store);
    return status;
}
