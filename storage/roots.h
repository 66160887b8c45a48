/* roots.h - the rows of roots, for what changes more than one.  The store's lock is held. */
#ifndef PIX_STORAGE_ROOTS_H
#define PIX_STORAGE_ROOTS_H

#include "storage/range.h"

/* The root of this path, or that which `path` lies inside of; *id is 0 for none. */
pix_status pix_root_find(pix_store *store, const char *path, int64_t *id, pix_error *error);
pix_status pix_root_find_above(pix_store *store, const char *path, int64_t *id, pix_error *error);

pix_status pix_root_add(pix_store *store, const char *path, const char *identity, bool is_mount,
                        int64_t *id, pix_error *error);

/* Everything in the range becomes part of root `id`, and other roots there cease to be. */
pix_status pix_root_take(pix_store *store, const pix_range *range, int64_t id, pix_error *error);

#endif
