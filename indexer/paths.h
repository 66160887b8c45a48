/* paths.h - a growing list of paths, and the relation of paths to each other.
 *
 * A zeroed list is a valid empty one.  Not thread-safe. */
#ifndef PIX_INDEXER_PATHS_H
#define PIX_INDEXER_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

typedef struct pix_paths {
    char **items;
    size_t count, capacity;
} pix_paths;

pix_status pix_paths_add(pix_paths *paths, const char *path); /* copies it */
void pix_paths_free(pix_paths *paths);

/* Whether there were paths at or below `folder`: they are there no more. */
bool pix_paths_drop_within(pix_paths *paths, const char *folder);

void pix_paths_sort(pix_paths *paths); /* by bytes; needed by _has */
bool pix_paths_has(const pix_paths *paths, const char *path);

/* Whether `path` is `folder` or below it; both absolute, without trailing slashes. */
bool pix_path_is_within(const char *path, const char *folder);

/* The part of `path` after `folder` and its slash; `path` itself when it is not below it. */
const char *pix_path_relative(const char *path, const char *folder);

#endif
