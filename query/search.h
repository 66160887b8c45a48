/* search.h - unit vectors to the photos nearest to them.
 *
 * Opening tells what can be found at all: an index that is missing or that no photo of was encoded
 * with the model is an error in one line; a library that is empty or only partly encoded is a note.
 * The index is opened for reading; another process may write it meanwhile. */
#ifndef PIX_QUERY_SEARCH_H
#define PIX_QUERY_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "query/backend.h"
#include "query/filters.h"
#include "storage/background.h"
#include "storage/copies.h"
#include "storage/selection.h"
#include "storage/vector_index.h"

typedef struct pix_search pix_search;

/* What is searched.  `database` NULL: the default place.  `model` and `fingerprint` NULL: none is
 * needed, no vector is found.  `backend` NULL: no daemon is asked; else one that keeps this index,
 * with this model and precision, answers what does not need a frozen state, and the index is opened
 * here only when something else is wanted.  All is borrowed until _close. */
typedef struct pix_search_index {
    const char *database, *model, *fingerprint;
    int dimension;
    pix_backend *backend;
    const char *precision;
} pix_search_index;

/* `note` receives one line, or nothing. */
pix_status pix_search_open(const pix_search_index *index, pix_search **out, pix_bytes *note,
                           pix_error *error);
void pix_search_close(pix_search *search);

/* From now on everything sees one state of the index, whoever writes it. */
pix_status pix_search_freeze(pix_search *search, pix_error *error);

/* From now on only photos that pass the filters are found.  What is odd about that, such as that
 * there is none, is told in `notes`. */
pix_status pix_search_select(pix_search *search, const pix_filters *filters, FILE *notes,
                             pix_error *error);
/* What chance finds in the library. */
const pix_background *pix_search_background(const pix_search *search);

/* `wanted`, or how many photos can be found when those are fewer. */
size_t pix_search_bound(const pix_search *search, size_t wanted);

/* The `k` best photos for each unit vector of `vectors` [count, dimension], best first: those of
 * vector q are hits[q * k] and what follows, counts[q] of them.  `report` may be NULL. */
pix_status pix_search_best(pix_search *search, const float *vectors, size_t count, size_t k,
                           pix_hit *hits, size_t *counts, pix_search_report *report,
                           pix_error *error);

/* Calls `each` for the photos that can be found, by path: with the vector, or NULL and the reason
 * when that is damaged.  A non-zero return ends it and is returned. */
pix_status pix_search_each(pix_search *search,
                           pix_status (*each)(void *context, const pix_photo_row *photo,
                                              const float *vector, const pix_error *reason),
                           void *context, pix_error *error);

/* Those photos with what tells copies apart; see copies.h. */
pix_status pix_search_copies(pix_search *search, pix_copies *out, pix_error *error);

/* The vector [dimension] of a content; *found is false when it is gone since the search. */
pix_status pix_search_vector(pix_search *search, int64_t content_id, float *vector, bool *found,
                             pix_error *error);

/* The first time after searches became slow, why: one line.  Else NULL. */
const char *pix_search_trouble(pix_search *search);

/* The facts of a photo; one that is gone since the search is PIX_ENOTFOUND. */
pix_status pix_search_photo(pix_search *search, int64_t image_id, pix_photo_row *row,
                            pix_error *error);

#endif
