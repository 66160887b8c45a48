/* background.h - what chance finds in a library: the scores that say nothing.
 *
 * The score of a photo means little by itself: in one library "a dog" scores 0.20 on average, in
 * another 0.35.  So the indexer keeps, for each model, the mean of its vectors, whose dot product
 * with a query is the average score of that query, and what the best photos score for common words
 * that nobody asked for.  Both are stored once and the same for every way of searching. */
#ifndef PIX_STORAGE_BACKGROUND_H
#define PIX_STORAGE_BACKGROUND_H

#include "storage/store.h"

typedef struct pix_background {
    int64_t vectors; /* it was made of; 0: there is none */
    float *mean;     /* [dimension] */
    bool has_level;
    double level; /* what the best photo scores at least for four of five common words */
} pix_background;

/* Whether so many vectors came or went since it was made that it is to be made anew: a tenth, or
 * any in a library of up to 2,000. */
pix_status pix_store_background_due(pix_store *store, int64_t model_id, bool *due,
                                    pix_error *error);

/* Makes it from every vector of the model, in one pass, and the unit vectors `words` [count,
 * dimension], which may be none.  Becomes part of the batch. */
pix_status pix_store_background_make(pix_store *store, int64_t model_id, const float *words,
                                     size_t count, int dimension, pix_error *error);

/* Zeroed when there is none; freed by the caller. */
pix_status pix_store_background_get(pix_store *store, int64_t model_id, int dimension,
                                    pix_background *out, pix_error *error);
void pix_background_free(pix_background *background);

#endif
