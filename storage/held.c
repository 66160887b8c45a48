/* Photos that are gone, but with too many others at once. */
#include <stdlib.h>
#include <string.h>

#include "storage/range.h"
#include "storage/statement.h"

pix_status pix_store_held_load(pix_store *store, pix_error *error) {
    pix_id_set_free(&store->held);
    pix_statement s = pix_statement_begin(store, PIX_SQL_HELD);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((status = pix_id_set_add(&store->held, sqlite3_column_int64(s.handle, 0), error)))
            break;
    pix_statement_end(&s);
    return status;
}

static pix_status drop(pix_store *store, int64_t id, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_HELD_DROP);
    pix_bind_integer(&s, id);
    return pix_statement_run(&s, error);
}

pix_status pix_store_held_release(pix_store *store, int64_t image_id, pix_error *error) {
    return pix_id_set_has(&store->held, image_id) ? drop(store, image_id, error) : PIX_OK;
}

typedef struct held_photo {
    int64_t id;
    char *path;
} held_photo;

typedef struct held_list {
    held_photo *items;
    size_t count, capacity;
} held_list;

static pix_status list_held(pix_store *store, const pix_range *range, held_list *list,
                            pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_HELD_BELOW);
    pix_bind_range(&s, range);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        held_photo *items =
            pix_array_reserve(list->items, &list->capacity, list->count, 1, sizeof *items);
        char *path = strdup(pix_statement_text(&s, 1));
        if (items)
            list->items = items;
        if (!items || !path) {
            free(path);
            status = pix_fail_memory(error);
            break;
        }
        items[list->count++] = (held_photo){sqlite3_column_int64(s.handle, 0), path};
    }
    pix_statement_end(&s);
    return status;
}

static pix_status judge_all(pix_store *store, const held_list *list,
                            pix_judgement (*judge)(void *context, const char *path), void *context,
                            int64_t *gone, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    for (size_t i = 0; i < list->count && !status; i++) {
        pix_judgement judgement = judge(context, list->items[i].path);
        if (judgement == PIX_JUDGED_UNKNOWN)
            continue;
        if (judgement == PIX_JUDGED_GONE) {
            status = pix_store_image_hide(store, list->items[i].id, error);
            ++*gone;
        }
        if (!status)
            status = drop(store, list->items[i].id, error);
    }
    return status;
}

pix_status pix_store_held_judge(pix_store *store, const char *folder,
                                pix_judgement (*judge)(void *context, const char *path),
                                void *context, int64_t *gone, pix_error *error) {
    *gone = 0;
    pix_range range;
    held_list list = {0};
    pix_status status = pix_range_init(&range, folder, error);
    if (status)
        return status;
    pix_store_lock(store);
    status = list_held(store, &range, &list, error);
    if (!status)
        status = judge_all(store, &list, judge, context, gone, error);
    if (!status) /* whoever approves knows of these, too */
        status = pix_range_run(&range, store, PIX_SQL_GONE_DROP_BELOW, NULL, error);
    pix_store_unlock(store);
    for (size_t i = 0; i < list.count; i++)
        free(list.items[i].path);
    free(list.items);
    pix_range_free(&range);
    return status;
}
