/* vector_index.h - exact top-k over every stored embedding of one model.
 *
 * The score is the float64 dot product of unit float32 vectors, summed in one fixed order, and
 * equal scores go to the lower image id: the same index and query print the same list on every CPU.
 */
#ifndef PIX_STORAGE_VECTOR_INDEX_H
#define PIX_STORAGE_VECTOR_INDEX_H

#include "storage/selection.h"

typedef struct pix_hit {
    int64_t image_id;
    double score;
} pix_hit;

/* The `k` best present photos for the unit vector `query` [dimension], best first, into `hits`
 * (room for k); *count is how many there are.  Only photos of `selection` count, unless it is NULL.
 * All of it sees one state of the index. */
pix_status pix_vector_index_search(pix_store *store, int64_t model_id,
                                   const pix_selection *selection, const float *query,
                                   int dimension, size_t k, pix_hit *hits, size_t *count,
                                   pix_error *error);

#endif
