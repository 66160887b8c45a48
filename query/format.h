/* format.h - --format: results as a script wants them, '{score} {path}\t{taken}'.
 *
 * A field stands in braces, {{ and }} are braces, \t \n \0 \\ are what they are elsewhere.  What a
 * field holds can never be taken for the template's own bytes: control bytes and backslashes in it
 * are escaped as in every other output, unless records end with NUL. */
#ifndef PIX_QUERY_FORMAT_H
#define PIX_QUERY_FORMAT_H

#include <stdio.h>

#include "core/base/bytes.h"
#include "query/print.h"

/* What a record is made of. */
typedef struct pix_format_values {
    const char *query; /* its words as they were given */
    size_t rank;       /* from 1 */
    const pix_result *result;
} pix_format_values;

/* Starts zeroed. */
typedef struct pix_format {
    struct pix_format_part *parts;
    size_t count, capacity;
} pix_format;

/* An unknown field or escape is PIX_EINVALID, names it and lists those there are. */
pix_status pix_format_parse(const char *template, pix_format *out, pix_error *error);
void pix_format_free(pix_format *format);

/* One record and its end: a newline, or with `raw` NUL, and then fields are as they are.  What is
 * unknown is empty.  Write errors stay in the stream. */
pix_status pix_format_print(const pix_format *format, FILE *out, bool raw,
                            const pix_format_values *values);

#endif
