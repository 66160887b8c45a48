/* tokenize.h - pixgrep --tokenize: a text a line in, its token ids a line out.
 *
 * Exactly one line out for each line in, so lines never shift; memory does not grow with the input.
 */
#ifndef PIX_QUERY_TOKENIZE_H
#define PIX_QUERY_TOKENIZE_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* With --json a line is a JSON string and gives an array, or {"error":"..."} when it is not one;
 * half a surrogate pair is read as U+FFFD.  Without, a line is the text itself and gives ids
 * separated by spaces.  *failed counts the bad lines. */
pix_status pix_tokenize(const pix_query_options *options, FILE *in, FILE *out, size_t *failed,
                        pix_error *error);

#endif
