/* walk.h - every file below a folder whose name could be a photo's, one at a time.
 *
 * Names are bytes; entries come in byte order, so that runs are reproducible.  Memory is bounded by
 * the depth and by the entries of one folder (and, when links are followed, by the number of
 * folders).  Nothing that cannot be read ends the walk: it is reported and the walk goes on.  One
 * thread at a time. */
#ifndef PIX_INDEXER_WALK_H
#define PIX_INDEXER_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "indexer/paths.h"

typedef struct pix_walk_options {
    bool follow; /* symbolic links: otherwise neither files nor folders behind them are seen */
    bool hidden; /* also names that begin with a dot */
    const char *const *excludes; /* fnmatch(3) patterns; see pix_walk_open */
    size_t exclude_count;
    /* Told of each folder before it is listed, so that what changes from then on can be noticed;
     * may be NULL. */
    void (*entering)(void *context, const char *folder);
    void *context;
} pix_walk_options;

typedef enum pix_walk_kind {
    PIX_WALK_PHOTO,
    PIX_WALK_TROUBLE, /* a folder or file that could not be looked at: `reason` */
    PIX_WALK_MOUNT,   /* a folder below the root that is on another file system than the one it is
                         in, before what is in it */
    PIX_WALK_END
} pix_walk_kind;

/* `path` lives until the next call. */
typedef struct pix_walk_entry {
    pix_walk_kind kind;
    const char *path;
    int64_t mtime_ns;
    int64_t size_bytes;
    bool passing; /* trouble that may be over the next time, unlike a want of permission */
    const char *reason;
    const char *identity; /* of a mount: which file system, and what part of it */
} pix_walk_entry;

typedef struct pix_walk pix_walk;

/* Walks `folder`, which is `root` or below it (both absolute, without a trailing slash, and
 * borrowed until _close).  A pattern leaves out files and folders whose name, or whose path
 * relative to `root`, or, when the pattern begins with '/', whose whole path it matches; '*' does
 * not cross a '/'.  Folders that hold a file named ".nomedia" are left out, too.  A folder reached
 * by links is entered once, under its real path when that is part of the walk.  The options are
 * borrowed until _close. */
pix_status pix_walk_open(const char *root, const char *folder, const pix_walk_options *options,
                         pix_walk **out, pix_error *error);
/* Walks only the files and folders `parts`, which are `root` or below it, in their order.  What is
 * gone, or would not be met by a walk of `root`, yields nothing; what a folder lists under another
 * name has that.  The parts are borrowed, too, and sorted. */
pix_status pix_walk_open_parts(const char *root, const char *const *parts, size_t count,
                               const pix_walk_options *options, pix_walk **out, pix_error *error);
void pix_walk_close(pix_walk *walk);

/* The next entry; after PIX_WALK_END, again that.  Fails only when memory is out. */
pix_status pix_walk_next(pix_walk *walk, pix_walk_entry *entry, pix_error *error);

/* The mounts that were yielded, and their identities, by turns. */
const pix_paths *pix_walk_mounts(const pix_walk *walk);

/* Whether this walk, but for its parts, leaves out what is at or below `path`, a folder below the
 * root. */
pix_status pix_walk_leaves_out(pix_walk *walk, const char *path, bool *out);
/* Whether it does so for a file by its options, and not because the file is gone or for what lies
 * beside it. */
pix_status pix_walk_has_unwanted(pix_walk *walk, const char *path, bool *unwanted);

/* True when the name ends like a photo's.  What the file really is, its content decides later. */
bool pix_walk_is_photo_name(const char *name);

#endif
