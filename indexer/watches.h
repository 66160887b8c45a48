/* watches.h - folders whose changes the kernel tells: inotify(7), on one descriptor.
 *
 * One thread reads; any thread may add a folder, and does so before it lists it.  A folder that
 * cannot be watched is counted, not an error: it is left to the next full scan. */
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

/* Notes in *changes what has been told until now; *lost says that some of it was dropped, then all
 * has changed. */
pix_status pix_watches_read(pix_watches *watches, pix_changes *changes, int64_t now_ns, bool *lost,
                            pix_error *error);

/* Folders watched, and how often one was not for want of what fs.inotify.max_user_watches limits.
 */
size_t pix_watches_count(pix_watches *watches, size_t *refused);

#endif
