/* show.h - where results go: a form of output, --format, --html and --preview, and all of them for
 * one search or for many.
 *
 * A search is begun, its results follow, it is ended; a query of a batch that fails has its error
 * in its place.  One thread at a time. */
#ifndef PIX_QUERY_SHOW_H
#define PIX_QUERY_SHOW_H

#include <stdio.h>

#include "query/asker.h"
#include "query/format.h"
#include "query/options.h"
#include "query/preview.h"
#include "query/print.h"
#include "query/sheet.h"

typedef struct pix_show {
    const pix_query_options *options;
    pix_query_format form;
    FILE *out, *notes;
    pix_format format; /* of --format */
    pix_sheet *sheet;
    pix_preview *preview;
    const char *query;   /* the one at hand */
    size_t rank, shown;  /* results of that one, and of all */
    bool preview_failed; /* once is enough to tell */
} pix_show;

/* `form` is what a person or a script reads when there is no --format. */
pix_status pix_show_open(const pix_query_options *options, pix_query_format form, FILE *out,
                         FILE *notes, pix_show *show, pix_error *error);
/* Puts what was written in its place. */
pix_status pix_show_commit(pix_show *show, pix_error *error);
void pix_show_close(pix_show *show);

/* `query` lives until the end. */
pix_status pix_show_begin(pix_show *show, const char *query, pix_error *error);
pix_status pix_show_result(pix_show *show, const pix_result *result, pix_error *error);
pix_status pix_show_end(pix_show *show, pix_error *error);

/* All three, of an answer. */
pix_status pix_show_answer(pix_show *show, pix_search *search, const char *query,
                           const pix_answer *answer, pix_error *error);

/* In the place of a query that failed. */
pix_status pix_show_failure(pix_show *show, const char *query, const pix_error *why,
                            pix_error *error);

#endif
