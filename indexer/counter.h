/* counter.h - how many photos a folder holds, counted by a thread of its own.
 *
 * Photos are classified and encoded as the walk meets them, so only a second, quicker walk can tell
 * how many are to come.  It reads folders but stats nothing twice that the kernel has not cached
 * for the first. */
#ifndef PIX_INDEXER_COUNTER_H
#define PIX_INDEXER_COUNTER_H

#include "indexer/walk.h"

typedef struct pix_counter pix_counter;

/* The strings and options are borrowed until _close.  NULL when it cannot be had. */
pix_counter *pix_counter_open(const char *root, const char *folder,
                              const pix_walk_options *options);
/* Ends the thread, finished or not. */
void pix_counter_close(pix_counter *counter);

/* Photos counted so far; *finished says whether that is all. */
int64_t pix_counter_get(const pix_counter *counter, bool *finished);

#endif
