#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/mounts.h"
#include "storage/range.h"

/* What goes within this time counts as going at once. */
enum { AT_ONCE_S = 3600 };

/* A row that the run did not see. */
typedef struct unseen {
    int64_t id, content_id;
    bool moved;
    bool alive; /* its content is, under another path */
    bool held;  /* already */
    bool unwanted;
} unseen;

typedef struct unseen_rows {
    unseen *items; /* collected first, because changing rows disturbs reading them */
    size_t count, capacity;
} unseen_rows;

/* The photos that were last seen on one file system, where another is now. */
typedef struct group {
    int64_t before, now;  /* mount ids; 0: the root's own file system */
    char *path;           /* where the one before was mounted, or else the one that is there now */
    int64_t photos, seen; /* in all; of them those that this run saw, as they were */
    int64_t unseen;       /* that would be looked for, were they not elsewhere */
    bool whole;           /* the walk saw all that is there */
} group;

/* A photo of a group. */
typedef struct stray {
    int64_t id;
    size_t group;
    bool seen;
} stray;

typedef struct sweep {
    pix_store *store;
    const pix_sweep *what;
    int64_t run_id, root_id;
    unseen_rows images, failures;
    unseen_rows before;    /* photos that are held, or went unasked within the hour */
    int64_t hidden_before; /* of them, those not held */
    pix_id_set ids;        /* of images */
    group *groups;
    size_t group_count, group_capacity;
    stray *strays;
    size_t stray_count, stray_capacity;
} sweep;

static void sweep_free(sweep *w) {
    free(w->images.items);
    free(w->failures.items);
    free(w->before.items);
    pix_id_set_free(&w->ids);
    for (size_t i = 0; i < w->group_count; i++)
        free(w->groups[i].path);
    free(w->groups);
    free(w->strays);
}

static bool is_kept(const sweep *w, const char *path) {
    for (size_t i = 0; i < w->what->kept_count; i++)
        if (pix_path_is_below(path, w->what->kept[i]))
            return true;
    return false;
}

static pix_status add_row(unseen_rows *rows, const unseen *row, pix_error *error) {
    unseen *items = pix_array_reserve(rows->items, &rows->capacity, rows->count, 1, sizeof *items);
    if (!items)
        return pix_fail_memory(error);
    items[rows->count++] = *row;
    rows->items = items;
    return PIX_OK;
}

static bool is_walked(const sweep *w, const char *path) {
    for (size_t i = 0; i < w->what->folder_count; i++)
        if (pix_path_is_below(path, w->what->folders[i]))
            return true;
    return false;
}

/* The group of a photo that was on the mount `before`. */
static pix_status find_group(sweep *w, int64_t image_id, int64_t before, const pix_met_mount *now,
                             size_t *index, pix_error *error) {
    int64_t now_id = now ? now->id : 0;
    for (*index = 0; *index < w->group_count; ++*index)
        if (w->groups[*index].before == before && w->groups[*index].now == now_id)
            return PIX_OK;
    group *groups =
        pix_array_reserve(w->groups, &w->group_capacity, w->group_count, 1, sizeof *groups);
    if (!groups)
        return pix_fail_memory(error);
    w->groups = groups;
    char *path;
    pix_status status = pix_image_mount_get(w->store, image_id, &before, &path, error);
    if (!status && !path && now && !(path = strdup(now->path)))
        status = pix_fail_memory(error);
    if (status)
        return status;
    const char *place = now ? now->path : path;
    groups[w->group_count++] = (group){
        .before = before, .now = now_id, .path = path, .whole = place && is_walked(w, place)};
    return PIX_OK;
}

/* Notes a photo that was on another file system than what is at its path now. */
static pix_status add_stray(sweep *w, int64_t id, int64_t before, const pix_met_mount *now,
                            bool seen, bool kept, pix_error *error) {
    size_t index;
    pix_status status = find_group(w, id, before, now, &index, error);
    if (status)
        return status;
    w->groups[index].photos++;
    w->groups[index].seen += seen;
    if (kept)
        return PIX_OK;
    stray *strays =
        pix_array_reserve(w->strays, &w->stray_capacity, w->stray_count, 1, sizeof *strays);
    if (!strays)
        return pix_fail_memory(error);
    w->strays = strays;
    w->strays[w->stray_count++] = (stray){id, index, seen};
    w->groups[index].unseen += !seen;
    return PIX_OK;
}

static pix_status collect_images(sweep *w, const pix_range *range, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGE_BELOW);
    pix_bind_range(&s, range);
    pix_bind_integer(&s, w->root_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        unseen row = {.id = sqlite3_column_int64(s.handle, 0),
                      .content_id = sqlite3_column_int64(s.handle, 2)};
        int64_t before = sqlite3_column_int64(s.handle, 3);
        const char *path = pix_statement_text(&s, 1);
        const pix_met_mount *now = pix_mount_around(w->store, path);
        bool elsewhere = before != (now ? now->id : 0);
        bool seen = pix_id_set_has(&w->store->seen_images, row.id);
        if (seen && !elsewhere)
            continue;
        bool kept = is_kept(w, path);
        row.unwanted = !seen && w->what->unwanted && w->what->unwanted(w->what->context, path);
        if (elsewhere)
            status = add_stray(w, row.id, before, now, seen, kept, error);
        else if (!kept && !(status = add_row(&w->images, &row, error)))
            status = pix_id_set_add(&w->ids, row.id, error);
        if (status)
            break;
    }
    pix_statement_end(&s);
    return status;
}

/* At least half of the photos being as they were tells the same photos on a new drive from another
 * drive in the place of theirs. */
static bool is_the_same(const group *g) {
    return g->whole && 2 * g->seen >= g->photos;
}

/* Photos that were seen are where they were seen, and those that were on the same drive with most
 * of them are looked for there by the next run. */
static pix_status settle_strays(sweep *w, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->stray_count && !status; i++) {
        const stray *s = &w->strays[i];
        const group *g = &w->groups[s->group];
        if (s->seen ? g->whole : is_the_same(g))
            status = pix_image_mount_put(w->store, s->id, g->now, error);
    }
    return status;
}

static bool is_in_a_place(const sweep *w, const char *path) {
    for (size_t i = 0; i < w->group_count; i++)
        if (w->groups[i].unseen > 0 && w->groups[i].path &&
            pix_path_is_below(path, w->groups[i].path))
            return true;
    return false;
}

/* Tells once for each place. */
static void tell_places(const sweep *w) {
    for (size_t i = 0; i < w->group_count; i++) {
        const group *g = &w->groups[i];
        int64_t photos = 0;
        size_t first = w->group_count;
        for (size_t k = 0; k < w->group_count && g->path; k++) {
            const group *other = &w->groups[k];
            if (other->unseen == 0 || is_the_same(other) != is_the_same(g) || !other->path ||
                strcmp(other->path, g->path) != 0)
                continue;
            photos += other->unseen;
            first = k < first ? k : first;
        }
        if (first == i)
            w->what->elsewhere(w->what->context, g->path, photos, is_the_same(g));
    }
}

static pix_status collect_failures(sweep *w, const pix_range *range, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_FAILURE_BELOW);
    pix_bind_range(&s, range);
    pix_bind_integer(&s, w->root_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        unseen row = {.id = sqlite3_column_int64(s.handle, 0)};
        const char *path = pix_statement_text(&s, 1);
        if (pix_id_set_has(&w->store->seen_failures, row.id) || is_kept(w, path) ||
            is_in_a_place(w, path))
            continue;
        if ((status = add_row(&w->failures, &row, error)))
            break;
    }
    pix_statement_end(&s);
    return status;
}

/* Whether this run met the content under a new path. */
static pix_status look_for_new_path(const sweep *w, unseen *row, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGES_OF_CONTENT);
    pix_bind_integer(&s, row->content_id);
    pix_status status = PIX_OK;
    while (!row->moved && !(status = pix_statement_step(&s, error)) && s.row)
        row->moved = pix_id_set_has(&w->store->came, sqlite3_column_int64(s.handle, 0));
    pix_statement_end(&s);
    return status;
}

/* Whether a photo of the content is left that is not gone as well. */
static pix_status look_for_copies(const sweep *w, unseen *row, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_IMAGE_COPIES);
    pix_bind_integer(&s, row->content_id);
    pix_status status = PIX_OK;
    while (!row->alive && !(status = pix_statement_step(&s, error)) && s.row)
        row->alive = !pix_id_set_has(&w->ids, sqlite3_column_int64(s.handle, 0));
    pix_statement_end(&s);
    return status;
}

/* Finds what has moved, and how many rows are the last of their content, and wanted. */
static pix_status judge(sweep *w, int64_t *last, pix_error *error) {
    *last = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->images.count && !status; i++) {
        unseen *row = &w->images.items[i];
        if (!(status = look_for_new_path(w, row, error)))
            status = look_for_copies(w, row, error);
        *last += !row->alive && !row->unwanted;
    }
    return status;
}

static pix_status collect_before(sweep *w, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_GONE_BEFORE);
    pix_bind_integer(&s, w->root_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        unseen row = {.id = sqlite3_column_int64(s.handle, 0),
                      .content_id = sqlite3_column_int64(s.handle, 1),
                      .held = sqlite3_column_int(s.handle, 2) != 0};
        if (pix_id_set_has(&w->ids, row.id))
            continue;
        if ((status = look_for_copies(w, &row, error)) ||
            (!row.alive && (status = add_row(&w->before, &row, error))))
            break;
        w->hidden_before += !row.alive && !row.held;
    }
    pix_statement_end(&s);
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

static pix_status hold(const sweep *w, int64_t id, pix_error *error) {
    return run_on(w->store, PIX_SQL_HELD_ADD, id, time(NULL), error);
}

/* Of too many that are gone, those that nothing else stands for are held. */
static pix_status take_images(sweep *w, bool too_many, pix_swept *swept, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->images.count && !status; i++) {
        const unseen *row = &w->images.items[i];
        bool last = !row->alive && !row->unwanted;
        if (too_many && last) {
            status = hold(w, row->id, error);
            swept->held++;
            continue;
        }
        status = pix_store_image_hide(w->store, row->id, error);
        if (!status && last)
            status = run_on(w->store, PIX_SQL_GONE_ADD, row->id, time(NULL), error);
        swept->removed++;
        swept->moved += row->moved;
    }
    return status;
}

/* Those that went before, fewer, are part of the many, too. */
static pix_status take_back(sweep *w, pix_swept *swept, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->before.count && !status; i++) {
        const unseen *row = &w->before.items[i];
        swept->held++;
        if (row->held ||
            (status = run_on(w->store, PIX_SQL_IMAGE_RETURN, w->run_id, row->id, error)) ||
            (status = hold(w, row->id, error)))
            continue;
        pix_statement s = pix_statement_begin(w->store, PIX_SQL_GONE_DROP);
        pix_bind_integer(&s, row->id);
        status = pix_statement_run(&s, error);
    }
    return status;
}

static pix_status drop_failures(sweep *w, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < w->failures.count && !status; i++) {
        pix_statement s = pix_statement_begin(w->store, PIX_SQL_FAILURE_DROP);
        pix_bind_integer(&s, w->failures.items[i].id);
        status = pix_statement_run(&s, error);
    }
    return status;
}

static pix_status note_scan(sweep *w, const char *folder, pix_error *error) {
    pix_statement s = pix_statement_begin(w->store, PIX_SQL_ROOT_SCANNED);
    pix_bind_integer(&s, time(NULL));
    pix_bind_integer(&s, w->root_id);
    pix_bind_path(&s, folder);
    return pix_statement_run(&s, error);
}

static pix_status collect(sweep *w, pix_error *error) {
    pix_status status = PIX_OK;
    for (int failures = 0; failures < 2; failures++)
        for (size_t i = 0; i < w->what->folder_count && !status; i++) {
            pix_range range;
            if (!(status = pix_range_init(&range, w->what->folders[i], error)))
                status = failures ? collect_failures(w, &range, error)
                                  : collect_images(w, &range, error);
            pix_range_free(&range);
        }
    return status;
}

static pix_status carry_out(sweep *w, pix_swept *swept, pix_error *error) {
    pix_store *store = w->store;
    int64_t last, now = time(NULL);
    pix_status status = pix_store_check_run(store, w->run_id, error);
    if (status || (status = collect(w, error)) || (status = judge(w, &last, error)) ||
        (status = pix_store_change(store, error)) || (status = settle_strays(w, error)) ||
        (status = run_on(store, PIX_SQL_GONE_DROP_OLD, now - AT_ONCE_S, now, error)) ||
        (last > 0 && (status = collect_before(w, error))))
        return status;
    swept->photos = w->what->photos + w->hidden_before;
    int64_t most = swept->photos / 5;
    if (most < w->what->few)
        most = w->what->few;
    bool too_many = last + (int64_t)w->before.count > most;
    status = take_images(w, too_many, swept, error);
    if (!status && too_many)
        status = take_back(w, swept, error);
    if (!status && swept->held == 0) /* what failed may return with the rest */
        status = drop_failures(w, error);
    for (size_t i = 0; i < w->what->folder_count && !status; i++)
        status = note_scan(w, w->what->folders[i], error);
    return status;
}

pix_status pix_store_sweep(pix_store *store, int64_t run_id, int64_t root_id, const pix_sweep *what,
                           pix_swept *swept, pix_error *error) {
    *swept = (pix_swept){0};
    sweep w = {.store = store, .what = what, .run_id = run_id, .root_id = root_id};
    pix_store_lock(store);
    pix_status status = carry_out(&w, swept, error);
    pix_store_unlock(store);
    if (!status && what->elsewhere)
        tell_places(&w);
    sweep_free(&w);
    return status;
}
