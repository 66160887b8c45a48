/* search.h - one unit vector to the photos nearest to it, best first.
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
#include "storage/store.h"

typedef struct pix_search pix_search;

/* `database` NULL: the default place.  `note` receives one line, or nothing. */
pix_status pix_search_open(const char *database, const char *model, const char *fingerprint,
                           pix_search **out, pix_bytes *note, pix_error *error);
void pix_search_close(pix_search *search);

/* Calls `each` for the `k` best photos and counts them; a non-zero return stops and is returned. */
pix_status pix_search_run(pix_search *search, const float *vector, int dimension, size_t k,
                          pix_status (*each)(void *context, double score,
                                             const pix_photo_row *photo),
                          void *context, size_t *found, pix_error *error);

#endif
