/* range.h - what lies at or below a folder, as a range of path bytes.
 *
 * "/photos" holds "/photos" and "/photos/...", not "/Photos" and not "/photos2"; "/" holds all. */
#ifndef PIX_STORAGE_RANGE_H
#define PIX_STORAGE_RANGE_H

#include "storage/statement.h"

typedef struct pix_range {
    const char *folder;
    size_t length;
    pix_bytes low, high; /* "FOLDER/" and "FOLDER0" */
} pix_range;

/* `folder` is borrowed until _free.  A path that is not absolute, or ends in a slash, is
 * PIX_EINVALID. */
pix_status pix_range_init(pix_range *range, const char *folder, pix_error *error);
void pix_range_free(pix_range *range);

/* The three parameters of PIX_BELOW. */
void pix_bind_range(pix_statement *s, const pix_range *range);

/* Runs a statement that has no other parameters; *changed, unless NULL, counts rows. */
pix_status pix_range_run(const pix_range *range, pix_store *store, pix_sql sql, int64_t *changed,
                         pix_error *error);

/* Whether `path` is at or below `folder`. */
bool pix_path_is_below(const char *path, const char *folder);

#endif
