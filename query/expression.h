/* expression.h - what a query asks for: words and pictures, added and subtracted.
 *
 *     query:  term { sign term }      sign:  + or -, a word of its own
 *     term:   [N:] words, or [N:] picture
 *
 * Arguments are joined by spaces, so one argument may hold several terms.  A picture is an argument
 * that begins with "/", "./", "../", "~/" or "file://", and is one to its end, signs and all; a
 * bare name is always words, whatever files lie around: a query means the same in every folder. */
#ifndef PIX_QUERY_EXPRESSION_H
#define PIX_QUERY_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "query/options.h"

typedef struct pix_term {
    double weight; /* never 0; negative when subtracted */
    bool is_picture;
    pix_bytes value; /* words as they stand, or the path of the picture */
} pix_term;

/* At least one term, the first of them added. */
typedef struct pix_expression {
    pix_term *terms;
    size_t count, capacity;
} pix_expression;

/* The inputs of a search.  With options->literal all words are one term, as they stand.  Each FILE
 * of --like is a picture that is added; after "-" the whole list is subtracted. */
pix_status pix_expression_parse(const pix_query_options *options, pix_expression *out,
                                pix_error *error);
void pix_expression_free(pix_expression *expression);

/* Whether words are the name of a file as well, which calls for a hint. */
bool pix_words_name_picture(const char *words);

#endif
