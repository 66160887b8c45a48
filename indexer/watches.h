/* watches.h - folders whose changes the kernel tells: inotify(7), on one descriptor.
 *
 * One thread reads; one thread adds a folder before it lists it, since what happens until then is
 * not told.  The reader never waits for a drive that does not answer.  A folder that cannot be
 * watched is counted, not an error: it is left to the next full scan. */
#ifndef PIX_INDEXER_WATCHES_H
#define PIX_INDEXER_WATCHES_H

#include <stdbool.h>
#include <stddef.h>

#include "indexer/changes.h"

typedef struct pix_watches pix_watches;

pix_status pix_watches_open(pix_watches **out, pix_error *error);
void pix_watches_close(pix_watches *watches);

int pix_watches_fd(const pix_watches *watches); /* readable when there is something to read */

void pix_watches_add(pix_watches *watches, const char *folder);

/* The file of the index, in the place of an earlier one. */
void pix_watches_add_index(pix_watches *watches, const char *file);

/* Watches nothing any more but what is in these folders, the roots, sorted. */
void pix_watches_keep(pix_watches *watches, const pix_paths *roots);
/* Watches nothing any more of a folder: what was watched may be elsewhere. */
void pix_watches_drop(pix_watches *watches, const char *folder);

/* What was told beside changes. */
typedef struct pix_watches_news {
    bool lost;  /* some of it was dropped: all has changed */
    bool root;  /* one was removed, moved or unmounted, and is not watched any more */
    bool index; /* its file may be another one by now */
} pix_watches_news;
/* Notes in *changes what has been told until now. */
pix_status pix_watches_read(pix_watches *watches, pix_changes *changes, int64_t now_ns,
                            pix_watches_news *news, pix_error *error);

/* Folders watched, and those that are not for want of what fs.inotify.max_user_watches limits, as
 * far as they were met since pix_watches_recount. */
size_t pix_watches_count(pix_watches *watches, size_t *refused);
void pix_watches_recount(pix_watches *watches);

#endif
