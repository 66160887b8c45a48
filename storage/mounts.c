/* File systems mounted below a root: a photo is taken for removed only where it was last seen. */
#include "storage/mounts.h"

#include <stdlib.h>
#include <string.h>

#include "storage/range.h"

void pix_mounts_forget(pix_store *store) {
    for (size_t i = 0; i < store->met_count; i++)
        free(store->met[i].path);
    free(store->met);
    store->met = NULL;
    store->met_count = store->met_capacity = 0;
}

const pix_met_mount *pix_mount_around(const pix_store *store, const char *path) {
    const pix_met_mount *deepest = NULL;
    for (size_t i = 0; i < store->met_count; i++)
        if (pix_path_is_below(path, store->met[i].path) &&
            (!deepest || strlen(store->met[i].path) > strlen(deepest->path)))
            deepest = &store->met[i];
    return deepest;
}

static pix_status find(pix_store *store, const char *path, const char *identity, int64_t *id,
                       pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_MOUNT_FIND);
    pix_bind_path(&s, path);
    pix_bind_text(&s, identity);
    pix_status status = pix_statement_step(&s, error);
    *id = !status && s.row ? sqlite3_column_int64(s.handle, 0) : 0;
    pix_statement_end(&s);
    if (status || *id != 0 || (status = pix_store_change(store, error)))
        return status;
    s = pix_statement_begin(store, PIX_SQL_MOUNT_ADD);
    pix_bind_path(&s, path);
    pix_bind_text(&s, identity);
    if (!(status = pix_statement_run(&s, error)))
        *id = sqlite3_last_insert_rowid(store->db);
    return status;
}

static pix_status meet(pix_store *store, int64_t run_id, const char *path, const char *identity,
                       pix_error *error) {
    int64_t id;
    pix_status status = pix_store_check_run(store, run_id, error);
    if (status || (status = find(store, path, identity, &id, error)))
        return status;
    for (size_t i = 0; i < store->met_count; i++)
        if (store->met[i].id == id)
            return PIX_OK;
    pix_met_mount *met =
        pix_array_reserve(store->met, &store->met_capacity, store->met_count, 1, sizeof *met);
    char *copy = strdup(path);
    if (met)
        store->met = met;
    if (!met || !copy) {
        free(copy);
        return pix_fail_memory(error);
    }
    store->met[store->met_count++] = (pix_met_mount){id, copy};
    return PIX_OK;
}

pix_status pix_store_mount_meet(pix_store *store, int64_t run_id, const char *path,
                                const char *identity, pix_error *error) {
    pix_store_lock(store);
    pix_status status = meet(store, run_id, path, identity, error);
    pix_store_unlock(store);
    return status;
}

static pix_status assume(pix_store *store, const pix_range *range, const char *identity,
                         pix_error *error) {
    int64_t id;
    pix_status status = find(store, range->folder, identity, &id, error);
    if (status || (status = pix_store_change(store, error)))
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_MOUNT_ASSUME);
    pix_bind_range(&s, range);
    pix_bind_integer(&s, id);
    return pix_statement_run(&s, error);
}

pix_status pix_store_mount_assume(pix_store *store, const char *path, const char *identity,
                                  pix_error *error) {
    pix_range range;
    pix_status status = pix_range_init(&range, path, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = assume(store, &range, identity, error);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}

pix_status pix_store_mounts(pix_store *store, const char *folder,
                            pix_status (*each)(void *context, const char *path,
                                               const char *identity),
                            void *context, pix_error *error) {
    pix_range range;
    pix_status status = pix_range_init(&range, folder, error);
    if (status)
        return status;
    pix_store_lock(store);
    pix_statement s = pix_statement_begin_fresh(store, PIX_SQL_MOUNTS);
    pix_bind_range(&s, &range);
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((status = each(context, pix_statement_text(&s, 0), pix_statement_text(&s, 1))))
            break;
    pix_statement_end(&s);
    pix_store_unlock(store);
    pix_range_free(&range);
    return status;
}

pix_status pix_image_mount_get(pix_store *store, int64_t image_id, int64_t *mount_id, char **path,
                               pix_error *error) {
    *mount_id = 0;
    *path = NULL;
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGE_MOUNT);
    pix_bind_integer(&s, image_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        *mount_id = sqlite3_column_int64(s.handle, 0);
        *path = strdup(pix_statement_text(&s, 1));
        if (!*path)
            status = pix_fail_memory(error);
    }
    pix_statement_end(&s);
    return status;
}

pix_status pix_image_mount_put(pix_store *store, int64_t image_id, int64_t mount_id,
                               pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s =
        pix_statement_begin(store, mount_id ? PIX_SQL_IMAGE_MOUNT_PUT : PIX_SQL_IMAGE_MOUNT_DROP);
    pix_bind_integer(&s, image_id);
    if (mount_id)
        pix_bind_integer(&s, mount_id);
    return pix_statement_run(&s, error);
}

pix_status pix_image_mount_note(pix_store *store, int64_t image_id, const char *path,
                                pix_error *error) {
    const pix_met_mount *now = pix_mount_around(store, path);
    return pix_image_mount_put(store, image_id, now ? now->id : 0, error);
}
