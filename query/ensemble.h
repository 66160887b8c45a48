/* ensemble.h - texts as the mean of what a model makes of the sentences they are put into.
 *
 * Vectors are kept in $XDG_CACHE_HOME/pixgrep/prompts.db and found there the next time.  Whatever
 * is wrong with that file, the answer is the same, later. */
#ifndef PIX_QUERY_ENSEMBLE_H
#define PIX_QUERY_ENSEMBLE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/lines.h"
#include "query/encoder.h"

typedef struct pix_ensemble pix_ensemble;

/* `templates` as for pix_templates_open; the encoder is borrowed until _close. */
pix_status pix_ensemble_open(const char *templates, pix_encoder *encoder, pix_ensemble **out,
                             pix_error *error);
void pix_ensemble_close(pix_ensemble *ensemble);

const pix_list *pix_ensemble_templates(const pix_ensemble *ensemble);

/* Why vectors are not kept, or ""; and how many of those encoded so far had been. */
const char *pix_ensemble_uncached(const pix_ensemble *ensemble);
size_t pix_ensemble_hits(const pix_ensemble *ensemble);

/* What is told while texts are encoded; all may be NULL. */
typedef struct pix_ensemble_listener {
    /* A text was cut: in one of its prompts, that which loses most. */
    pix_status (*cut)(void *context, size_t text, const pix_text_cut *cut);
    void (*progress)(void *context, size_t done); /* now and then: texts that are done */
    void *context;
} pix_ensemble_listener;

/* The unit vectors [texts, embed_dim]: each text is put into each of the templates, each prompt
 * encoded and divided by its length, their mean divided by its own.  A prompt longer than the
 * model's context is PIX_ELIMIT, unless it may be cut (`truncate`). */
pix_status pix_ensemble_encode(pix_ensemble *ensemble, const pix_list *texts, bool truncate,
                               float *vectors, const pix_ensemble_listener *listener,
                               pix_error *error);

#endif
