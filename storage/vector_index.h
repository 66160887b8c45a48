/* vector_index.h - exact top-k over every stored embedding of one model.
 *
 * The score is the float64 dot product of unit float32 vectors, summed in one fixed order, and
 * equal scores go to the lower image id: the same index and query print the same list on every CPU.
 */
#ifndef PIX_STORAGE_VECTOR_INDEX_H
#define PIX_STORAGE_VECTOR_INDEX_H

#include "storage/best.h"
#include "storage/selection.h"

typedef struct pix_vector_query {
    int64_t model_id;
    const float *vectors; /* [count, dimension], each a unit vector */
    size_t count;
    int dimension;
    size_t k;                       /* hits wanted for each */
    const pix_selection *selection; /* only its photos are found; NULL: every present one */
} pix_vector_query;

/* What a search did. */
typedef struct pix_search_report {
    int64_t bytes;    /* of vectors, or what stands for them, that were read */
    int64_t rescored; /* vectors whose exact score was computed, all queries together */
} pix_search_report;

/* The best present photos for each query, best first: those of query q are hits[q * k] and what
 * follows (room for count * k), and counts[q] of them.  Several queries share one pass over the
 * vectors.  All of it sees one state of the index.  `report` may be NULL. */
pix_status pix_vector_index_search(pix_store *store, const pix_vector_query *query, pix_hit *hits,
                                   size_t *counts, pix_search_report *report, pix_error *error);

#endif
