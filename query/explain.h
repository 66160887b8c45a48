/* explain.h - --explain: how an answer came about, for a person, on standard error. */
#ifndef PIX_QUERY_EXPLAIN_H
#define PIX_QUERY_EXPLAIN_H

#include "query/asker.h"

/* Terms with their tokens, the sentences of an ensemble, what was read and computed, where the
 * results stop and why, and how long each stage took.  `show_ns` is what printing took. */
pix_status pix_explain(pix_asker *asker, const pix_expression *expression, const pix_answer *answer,
                       const pix_search_report *report, int64_t show_ns, FILE *notes,
                       pix_error *error);

#endif
