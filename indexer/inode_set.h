/* inode_set.h - which folders have been entered: a set of (device, inode) pairs.
 *
 * A zeroed set is a valid empty one.  Not thread-safe. */
#ifndef PIX_INDEXER_INODE_SET_H
#define PIX_INDEXER_INODE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/error.h"

typedef struct pix_inode {
    dev_t device;
    ino_t inode;
    bool used;
} pix_inode;

typedef struct pix_inode_set {
    pix_inode *slots; /* open addressing, never more than half full */
    size_t capacity;  /* a power of two, or 0 */
    size_t count;
} pix_inode_set;

/* *added says whether the pair was new. */
pix_status pix_inode_set_add(pix_inode_set *set, dev_t device, ino_t inode, bool *added);
void pix_inode_set_free(pix_inode_set *set);

#endif
