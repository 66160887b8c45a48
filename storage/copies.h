/* copies.h - which photos hold the same bytes, and which of similar ones to keep. */
#ifndef PIX_STORAGE_COPIES_H
#define PIX_STORAGE_COPIES_H

#include "storage/selection.h"

/* A photo as far as it matters beside its copies. */
typedef struct pix_copy {
    int64_t image_id, content_id;
    int64_t mtime_ns;
    int64_t pixels;    /* 0 when unknown */
    char taken_at[20]; /* "" when unknown */
} pix_copy;

typedef struct pix_copies {
    pix_copy *items;
    size_t count, capacity;
} pix_copies;

/* The present photos of `selection` (NULL: all) by content, the oldest file of each first. */
pix_status pix_copies_read(pix_store *store, const pix_selection *selection, pix_copies *out,
                           pix_error *error);
void pix_copies_free(pix_copies *copies);

/* For qsort: the better picture first, which is the larger one, then the one taken earlier, then
 * the older file, then the lower id. */
int pix_copy_compare(const void *left, const void *right);

#endif
