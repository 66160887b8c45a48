#include "storage/copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "storage/statement.h"

static pix_status add(pix_copies *copies, const pix_statement *s, pix_error *error) {
    enum { CONTENT, IMAGE, MTIME, WIDTH, HEIGHT, TAKEN_AT };
    pix_copy *items =
        pix_array_reserve(copies->items, &copies->capacity, copies->count, 1, sizeof *items);
    if (!items)
        return pix_fail_memory(error);
    copies->items = items;
    int32_t width = sqlite3_column_int(s->handle, WIDTH);
    int32_t height = sqlite3_column_int(s->handle, HEIGHT);
    pix_copy *copy = &items[copies->count++];
    *copy = (pix_copy){.content_id = sqlite3_column_int64(s->handle, CONTENT),
                       .image_id = sqlite3_column_int64(s->handle, IMAGE),
                       .mtime_ns = sqlite3_column_int64(s->handle, MTIME),
                       .pixels = width > 0 && height > 0 ? (int64_t)width * height : 0};
    (void)snprintf(copy->taken_at, sizeof copy->taken_at, "%s", pix_statement_text(s, TAKEN_AT));
    return PIX_OK;
}

static int compare(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int by_age(const pix_copy *a, const pix_copy *b) {
    int order = compare(a->mtime_ns, b->mtime_ns);
    return order ? order : compare(a->image_id, b->image_id);
}

static int by_content(const void *left, const void *right) {
    const pix_copy *a = left, *b = right;
    int order = compare(a->content_id, b->content_id);
    return order ? order : by_age(a, b);
}

int pix_copy_compare(const void *left, const void *right) {
    const pix_copy *a = left, *b = right;
    int order = compare(b->pixels, a->pixels);
    if (order == 0) /* an unknown time is not early */
        order = a->taken_at[0] && b->taken_at[0]
                    ? strcmp(a->taken_at, b->taken_at)
                    : (b->taken_at[0] != '\0') - (a->taken_at[0] != '\0');
    return order ? order : by_age(a, b);
}

pix_status pix_copies_read(pix_store *store, const pix_selection *selection, pix_copies *out,
                           pix_error *error) {
    *out = (pix_copies){0};
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_COPIES);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((!selection || pix_selection_has_image(selection, sqlite3_column_int64(s.handle, 1))) &&
            (status = add(out, &s, error)))
            break;
    pix_statement_end(&s);
    pix_store_unlock(store);
    if (status)
        pix_copies_free(out);
    else if (out->count > 0)
        qsort(out->items, out->count, sizeof *out->items, by_content);
    return status;
}

void pix_copies_free(pix_copies *copies) {
    free(copies->items);
    *copies = (pix_copies){0};
}
