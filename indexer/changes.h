/* changes.h - what changed on the disk and has not been looked at yet.
 *
 * Changes come in bursts: they are gathered until nothing more has come for half a second, for five
 * seconds at most, and each path is there once.  A change only says where to look; what happened,
 * the disk tells.  Times are the caller's, CLOCK_MONOTONIC in nanoseconds.  One thread at a time.
 */
#ifndef PIX_INDEXER_CHANGES_H
#define PIX_INDEXER_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "indexer/paths.h"

typedef enum pix_change {
    PIX_CHANGE_BEGUN,   /* a file is there and may still be being written */
    PIX_CHANGE_SETTLED, /* whoever wrote it has closed it, or it came or went whole */
    PIX_CHANGE_OTHER
} pix_change;

typedef struct pix_changes pix_changes;

pix_changes *pix_changes_new(void); /* NULL when memory is out */
void pix_changes_free(pix_changes *changes);

/* Beyond 50,000 paths, or when memory is out, everything has changed. */
void pix_changes_add(pix_changes *changes, const char *path, pix_change change, int64_t now_ns);
void pix_changes_add_all(pix_changes *changes, int64_t now_ns);

/* A path that is to be looked at again, but not before `until_ns`, unless it changes. */
void pix_changes_put_off(pix_changes *changes, const char *path, int64_t until_ns);

/* `to` was `from` until now.  Both are to be looked at; the index may know them by this. */
void pix_changes_rename(pix_changes *changes, const char *from, const char *to, int64_t now_ns);

/* When there is something to be taken; -1 for nothing. */
int64_t pix_changes_due(const pix_changes *changes);

/* What to look at, zeroed at first. */
typedef struct pix_change_batch {
    bool all;          /* everything, and not only `paths` */
    pix_paths paths;   /* sorted, none inside another */
    pix_paths settled; /* files among them that are known to be whole; sorted */
    pix_paths renames; /* old and new paths by turns, in their order */
} pix_change_batch;

/* Takes what is there but for what is put off beyond `now_ns`. */
void pix_changes_take(pix_changes *changes, int64_t now_ns, pix_change_batch *batch);
void pix_change_batch_free(pix_change_batch *batch);

#endif
