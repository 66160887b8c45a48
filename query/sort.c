#include "query/sort.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    pix_hit hit;
    size_t folded, place;
    pix_bytes key; /* empty when unknown */
} entry;

static int compare_bytes(const pix_bytes *a, const pix_bytes *b) {
    size_t size = a->size < b->size ? a->size : b->size;
    int order = size > 0 ? memcmp(a->data, b->data, size) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int upwards(const void *left, const void *right) {
    const entry *a = left, *b = right;
    int order = compare_bytes(&a->key, &b->key);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

/* What is empty is last. */
static int downwards(const void *left, const void *right) {
    const entry *a = left, *b = right;
    int order = compare_bytes(&b->key, &a->key);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static pix_status read_key(pix_search *search, pix_sort sort, entry *e, pix_error *error) {
    pix_photo_row row;
    pix_status status = pix_search_photo(search, e->hit.image_id, &row, error);
    if (status == PIX_ENOTFOUND) /* gone since the search: it will not be printed either */
        return PIX_OK;
    if (status)
        return status;
    if (sort == PIX_SORT_PATH)
        status = pix_bytes_append(&e->key, row.path, row.path_size);
    else if (row.taken_at)
        status = pix_bytes_append_text(&e->key, row.taken_at);
    return status ? pix_fail_memory(error) : PIX_OK;
}

pix_status pix_sort_hits(pix_search *search, pix_sort sort, pix_hit *hits, size_t *folded,
                         size_t count, pix_error *error) {
    if (sort == PIX_SORT_SCORE || count == 0)
        return PIX_OK;
    entry *entries = calloc(count, sizeof *entries);
    pix_status status = entries ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < count && !status; i++) {
        entries[i] = (entry){.hit = hits[i], .folded = folded ? folded[i] : 0, .place = i};
        status = read_key(search, sort, &entries[i], error);
    }
    if (!status)
        qsort(entries, count, sizeof *entries, sort == PIX_SORT_PATH ? upwards : downwards);
    for (size_t i = 0; entries && i < count; i++) {
        if (!status)
            hits[i] = entries[i].hit;
        if (!status && folded)
            folded[i] = entries[i].folded;
        pix_bytes_free(&entries[i].key);
    }
    free(entries);
    return status;
}
