#include <stdlib.h>
#include <string.h>

#include "storage/roots.h"
#include "storage/statement.h"

typedef struct move {
    pix_store *store;
    pix_range from, to;
    int64_t photos;
    bool any; /* something is known at `from` */
} move;

/* Rewrites the paths of a table.  A row whose new path is taken stays where it was: what is known
 * there is newer, unless it is missing there. */
static pix_status rewrite(move *m, pix_sql sql, int64_t *moved, pix_error *error) {
    pix_statement s = pix_statement_begin(m->store, sql);
    pix_bind_range(&s, &m->from);
    pix_bind_path(&s, m->to.folder);
    pix_bind_integer(&s, (int64_t)m->from.length + 1);
    pix_status status = pix_statement_run(&s, error);
    *moved = status ? 0 : sqlite3_changes64(m->store->db);
    m->any |= *moved > 0;
    return status;
}

static pix_status drop_rest(move *m, pix_sql sql, pix_error *error) {
    int64_t dropped;
    pix_status status = pix_range_run(&m->from, m->store, sql, &dropped, error);
    m->any |= dropped > 0;
    return status;
}

/* No root may lie in another: the first in order of paths takes what is below it. */
static pix_status settle_roots_below(move *m, pix_error *error) {
    pix_status status = PIX_OK;
    char *last = NULL;
    for (bool found = true; found && !status;) {
        pix_statement s = pix_statement_begin(m->store, PIX_SQL_ROOT_NEXT_BELOW);
        pix_bind_range(&s, &m->to);
        pix_bind_path(&s, last ? last : "");
        status = pix_statement_step(&s, error);
        found = !status && s.row;
        int64_t id = found ? sqlite3_column_int64(s.handle, 0) : 0;
        char *path = found ? strdup(pix_statement_text(&s, 1)) : NULL;
        pix_statement_end(&s);
        pix_range range = {0};
        if (found && !path)
            status = pix_fail_memory(error);
        if (path && !(status = pix_range_init(&range, path, error)))
            status = pix_root_take(m->store, &range, id, error);
        pix_range_free(&range);
        free(last);
        last = path;
    }
    free(last);
    return status;
}

/* Gives what has moved its root: the one that `to` is or lies in, a new one when it comes from
 * inside a root, or those that came along. */
static pix_status settle_roots(move *m, bool from_inside, pix_error *error) {
    int64_t root;
    pix_status status = pix_root_find_above(m->store, m->to.folder, &root, error);
    if (!status && root == 0)
        status = pix_root_find(m->store, m->to.folder, &root, error);
    if (!status && root == 0 && from_inside)
        status = pix_root_add(m->store, m->to.folder, "unknown", false, &root, error);
    if (status)
        return status;
    return root ? pix_root_take(m->store, &m->to, root, error) : settle_roots_below(m, error);
}

static pix_status move_all(move *m, pix_error *error) {
    int64_t inside, count;
    pix_status status = pix_store_change(m->store, error);
    if (status || (status = pix_root_find_above(m->store, m->from.folder, &inside, error)) ||
        (status = rewrite(m, PIX_SQL_IMAGE_MOVE_OVER, &count, error)) ||
        (status = rewrite(m, PIX_SQL_IMAGE_MOVE, &m->photos, error)) ||
        (status = drop_rest(m, PIX_SQL_IMAGE_DROP_BELOW, error)) ||
        (status = rewrite(m, PIX_SQL_FAILURE_MOVE, &count, error)) ||
        (status = drop_rest(m, PIX_SQL_FAILURE_DROP_BELOW, error)) ||
        (status = rewrite(m, PIX_SQL_MOUNT_MOVE, &count, error)) ||
        (status = rewrite(m, PIX_SQL_ROOT_MOVE, &count, error)))
        return status;
    if (m->any)
        status = settle_roots(m, inside != 0, error);
    /* Only now does nothing belong to the roots whose new paths were taken. */
    if (!status)
        status = drop_rest(m, PIX_SQL_ROOT_DROP_BELOW, error);
    if (!status && !m->any)
        status =
            pix_fail(error, PIX_ENOTFOUND, "%s: nothing of it is in the index", m->from.folder);
    return status;
}

static pix_status check_paths(const char *from, const char *to, pix_error *error) {
    if (strcmp(from, "/") == 0 || strcmp(to, "/") == 0)
        return pix_fail(error, PIX_EINVALID, "/ cannot be moved, nor moved to");
    if (pix_path_is_below(from, to) || pix_path_is_below(to, from))
        return pix_fail(error, PIX_EINVALID, "%s and %s: one lies in the other", from, to);
    return PIX_OK;
}

pix_status pix_store_move(pix_store *store, const char *from, const char *to, int64_t *photos,
                          pix_error *error) {
    *photos = 0;
    move m = {.store = store};
    pix_status status = check_paths(from, to, error);
    if (status)
        return status;
    if (!(status = pix_range_init(&m.from, from, error)) &&
        !(status = pix_range_init(&m.to, to, error))) {
        pix_store_lock(store);
        status = move_all(&m, error);
        pix_store_unlock(store);
        *photos = m.photos;
    }
    pix_range_free(&m.from);
    pix_range_free(&m.to);
    return status;
}
