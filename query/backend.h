/* backend.h - a running pixgrepd that computes for this process.
 *
 * Encoder and search ask here first and compute themselves when they get no answer, so that what
 * they give never depends on it: a backend answers only when model, precision, index and its
 * generation are those of this process, and the same code makes the same bits there.  After the
 * first trouble it answers nothing more.  NULL is a backend that never answers.  One thread at a
 * time. */
#ifndef PIX_QUERY_BACKEND_H
#define PIX_QUERY_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/lines.h"
#include "core/clip/text_input.h"
#include "storage/background.h"
#include "storage/vector_index.h"

typedef struct pix_backend pix_backend;

/* What must be the same at both ends. */
typedef struct pix_backend_wish {
    const char *database; /* path */
    const char *fingerprint, *precision;
    int dimension;
} pix_backend_wish;

/* Connects, and has these texts encoded (NULL: none) and the best k photos of a single one found
 * (0: none) while this process opens what it needs to say what it wishes: until _agree nothing is
 * answered.  Never fails: without a daemon there is one that answers nothing, but for want of
 * memory, then NULL. */
pix_backend *pix_backend_open(const pix_list *texts, size_t k);
/* One that answers nothing for this reason. */
pix_backend *pix_backend_none(const char *reason);
void pix_backend_agree(pix_backend *backend, const pix_backend_wish *wish);
/* What the daemon says of the index, if it is complete: how many photos there are, each of which
 * has a vector, and what chance finds among them, freed by the caller.  Else false. */
bool pix_backend_library(const pix_backend *backend, int64_t *photos, pix_background *background);
/* For who has opened the index: of another generation nothing more is answered. */
void pix_backend_compare(pix_backend *backend, const char *generation);
void pix_backend_close(pix_backend *backend);

/* Why it does not answer; NULL while it does. */
const char *pix_backend_silence(const pix_backend *backend);

/* Each false when there is no answer; then nothing it would have filled means anything. */
bool pix_backend_tokens(pix_backend *backend, const char *text, size_t size, pix_ids *ids,
                        pix_text_cut *cut);
bool pix_backend_texts(pix_backend *backend, const pix_ids *texts, size_t count, float *vectors);
/* Both in one: what of each text was cut is in cuts [texts->count]. */
bool pix_backend_words(pix_backend *backend, const pix_list *texts, float *vectors,
                       pix_text_cut *cuts);
/* features [dimension], as the tower gives them. */
bool pix_backend_picture(pix_backend *backend, int fd, bool exact, bool ignore_rotation,
                         float *features);
/* What passes a filter. */
typedef struct pix_selected {
    int64_t photos, vectors, undated; /* as of a pix_selection */
} pix_selected;
bool pix_backend_select(pix_backend *backend, const pix_filter *filter, pix_selected *out);
/* As of pix_vector_index_search, over the photos that pass the filter; NULL: over all. */
bool pix_backend_best(pix_backend *backend, const float *vectors, size_t count, size_t k,
                      const pix_filter *filter, pix_hit *hits, size_t *counts,
                      pix_search_report *report);
/* Of a photo that is among the first hits of the last search; strings live until the next call. */
bool pix_backend_photo(pix_backend *backend, int64_t image_id, pix_photo_row *row);

#endif
