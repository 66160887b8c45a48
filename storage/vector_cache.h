/* vector_cache.h - the .pixv files of a store, one for each model, beside the index.
 *
 * "index.db" has "index.FINGERPRINT.pixv", with the first twelve digits.  Whatever is wrong with
 * one is noted, not an error: who searches then reads the vectors themselves.
 *
 * A vector that is dead in a file has left the store for ever, for whoever looks at the store after
 * looking at the file.  So files are refreshed just before a snapshot begins, never inside one.
 * Within the store's lock. */
#ifndef PIX_STORAGE_VECTOR_CACHE_H
#define PIX_STORAGE_VECTOR_CACHE_H

#include "storage/store_internal.h"
#include "storage/vector_file.h"

typedef struct pix_vector_cache {
    int64_t model_id;
    char *path;
    char fingerprint[PIX_SHA256_HEX];
    int dimension;
    pix_vector_file *file;   /* to read; NULL: there is none that can be used */
    pix_error trouble;       /* then why */
    pix_vector_file *writer; /* to write, once it was opened */
    int64_t unpublished;     /* changes in the writer that are not yet published */
    int64_t uncovered;       /* ids that what is published does not cover */
    int64_t published_ns;
} pix_vector_cache;

/* For each model of the store, with the newest state of its file. */
pix_status pix_vector_caches_refresh(pix_store *store, pix_error *error);
void pix_vector_caches_close(pix_store *store);

/* NULL for a model that came after the last refresh. */
pix_vector_cache *pix_vector_cache_of(pix_store *store, int64_t model_id);

/* Whether the file was made of a state that the store was in before or is in now, and not of
 * another store that was in its place, or of this one with what a copy that was put back does not
 * know. */
pix_status pix_vector_cache_fits(pix_store *store, const pix_vector_file *file, bool *fits,
                                 pix_error *error);

#endif
