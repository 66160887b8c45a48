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
    int64_t bytes;       /* of vectors, or what stands for them, that were read */
    int64_t rescored;    /* scores computed from vectors, of all queries together */
    bool used_cache;     /* the .pixv file was read, and not every vector */
    const char *kernels; /* that read it; NULL without */
    int64_t uncached;    /* vectors read because they are newer than the file */
    int64_t damaged;     /* stored vectors met that are none: their photos are not found */
    pix_error trouble;   /* why the file was not used: no PIX_OK, and what is wrong with it */
} pix_search_report;

/* The best present photos for each query, best first: those of query q are hits[q * k] and what
 * follows (room for count * k), and counts[q] of them.  Several queries share one pass over the
 * vectors.  All of it sees one state of the index.  `report` may be NULL. */
pix_status pix_vector_index_search(pix_store *store, const pix_vector_query *query, pix_hit *hits,
                                   size_t *counts, pix_search_report *report, pix_error *error);

typedef enum pix_vector_update_kind {
    PIX_VECTORS_GROW,   /* takes in what is new; cheap enough for every commit */
    PIX_VECTORS_SETTLE, /* and what is gone, in the file of every model: for the end of a run */
    PIX_VECTORS_ERASE   /* and overwrites what is gone */
} pix_vector_update_kind;

typedef struct pix_vector_update {
    pix_vector_update_kind kind;
    int64_t model_id; /* whose file is made if there is none; 0: of no model */
    /* Asked for the mean of the model's vectors of some texts, as long as those, when the file of a
     * library worth it is made anew, to make searches by text faster; PIX_ENOTFOUND when there is
     * none.  May be NULL. */
    pix_status (*text_mean)(void *context, float *mean, pix_error *error);
    void *context;
} pix_vector_update;

/* Brings the .pixv files up to what was committed; for the writer of the store, outside of a batch.
 * A file that is missing, damaged, or of another index is made anew.  A failure leaves searches
 * right, if slower. */
pix_status pix_vector_index_update(pix_store *store, const pix_vector_update *update,
                                   pix_error *error);

#endif
