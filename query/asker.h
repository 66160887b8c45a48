/* asker.h - what answers searches: model, index and encoder, opened once for any number of them.
 *
 * The encoder comes with the first search that needs it.  One thread at a time. */
#ifndef PIX_QUERY_ASKER_H
#define PIX_QUERY_ASKER_H

#include <stdio.h>

#include "query/encoder.h"
#include "query/ensemble.h"
#include "query/expression.h"
#include "query/relevance.h"
#include "query/search.h"

typedef struct pix_asker {
    const pix_query_options *options;
    FILE *notes;
    pix_model *model;
    pix_search *search;
    pix_backend *backend; /* of search and encoder */
    pix_encoder *encoder;
    pix_ensemble *ensemble; /* NULL without --ensemble */
    int dimension;
    int64_t model_ns, index_ns, encode_ns, search_ns; /* what each stage took */
} pix_asker;

/* What the person should know of model and library goes to `notes`.  `first` is what will be
 * encoded first, NULL when it is not known yet. */
pix_status pix_asker_open(const pix_query_options *options, const pix_expression *first,
                          FILE *notes, pix_asker *out, pix_error *error);
void pix_asker_close(pix_asker *asker);

/* The vector [dimension] of a query; `notes` receives the texts that were cut. */
pix_status pix_asker_encode(pix_asker *asker, const pix_expression *expression, float *vector,
                            FILE *notes, pix_error *error);

/* The answer to one query. */
typedef struct pix_answer {
    pix_hit *hits;  /* [count], best first but for the shown ones, which are sorted as wished */
    size_t *folded; /* [count] with --collapse, how many photos each stands for; else NULL */
    size_t count;
    pix_cut cut;
} pix_answer;

/* How many hits each answer may hold. */
size_t pix_asker_wanted(const pix_asker *asker);

/* Answers for `count` vectors [count, dimension], in one pass over the index; expressions[i] is
 * what vector i means.  Freed by pix_answers_free, after an error, too. */
pix_status pix_asker_find(pix_asker *asker, const pix_expression *expressions, const float *vectors,
                          size_t count, pix_answer *answers, pix_search_report *report,
                          pix_error *error);
void pix_answers_free(pix_answer *answers, size_t count);

/* One line on `notes`, whatever bytes it holds. */
void pix_note(FILE *notes, const char *text);

/* Says that there is no cut as long as there is no background. */
void pix_note_blind(FILE *notes);

#endif
