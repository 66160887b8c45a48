/* vectors.h - keeps what searches read, the .pixv files, up with the index during a run.
 *
 * They are a cache: trouble with them is told once and ends nothing. */
#ifndef PIX_INDEXER_VECTORS_H
#define PIX_INDEXER_VECTORS_H

#include "core/clip/model.h"
#include "storage/vector_index.h"

/* The caller sets all but the last two. */
typedef struct pix_vectors {
    pix_store *store;
    pix_model *model; /* NULL and 0: no vectors are being made */
    int64_t model_id;
    int threads;
    const char *operation; /* "index": how a line on standard error begins */
    float *text_mean;      /* once it was wanted */
    bool complained;
} pix_vectors;

void pix_vectors_free(pix_vectors *vectors);

/* Right after a commit. */
void pix_vectors_update(pix_vectors *vectors, pix_vector_update_kind kind);

#endif
