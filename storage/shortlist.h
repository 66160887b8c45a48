/* shortlist.h - one pass through the codes of a .pixv file, which leaves the few vectors that may
 * be among the best.
 *
 * Each vector's score lies between two bounds.  The `wanted`-th highest lower bound is a floor: so
 * many vectors reach it for certain, and one whose upper bound is below is not among them. */
#ifndef PIX_STORAGE_SHORTLIST_H
#define PIX_STORAGE_SHORTLIST_H

#include "core/tensor/pool.h"
#include "storage/selection.h"
#include "storage/vector_file.h"

typedef struct pix_candidate {
    float low, high; /* its score lies between these, for certain */
    uint32_t position;
} pix_candidate;

typedef struct pix_shortlist {
    pix_candidate *items; /* highest first, equal ones by position */
    size_t count, capacity;
    float floor; /* every vector that could be listed and is not scores less; -INFINITY: all are */
} pix_shortlist;

typedef struct pix_shortlist_task {
    const pix_vector_file *file;
    pix_scan_block *scan;
    pix_pool *pool;                 /* may be NULL */
    const pix_frame_query *queries; /* [count] */
    size_t count;                   /* at most PIX_SHORTLIST_QUERIES */
    const pix_selection *selection; /* what can be listed; NULL: all that is not dead */
    size_t wanted;                  /* > 0 */
    size_t limit;                   /* candidates there may be for a query */
} pix_shortlist_task;

enum { PIX_SHORTLIST_QUERIES = 16 };

/* lists: [count], freed by the caller whatever happens.  *bytes is what was read.  PIX_EFORMAT when
 * a block is damaged, PIX_ELIMIT when there are too many candidates. */
pix_status pix_shortlist_make(const pix_shortlist_task *task, pix_shortlist *lists, int64_t *bytes,
                              pix_error *error);
void pix_shortlist_free(pix_shortlist *list);

#endif
