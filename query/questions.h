/* questions.h - pixgrep --batch: a query a line in, its answer out, in order.
 *
 * Lines that are there share one pass over the index; when no more is there, those read so far are
 * answered, so that a program may ask, read the answer and ask again.  A query that fails has its
 * error in its place. */
#ifndef PIX_QUERY_QUESTIONS_H
#define PIX_QUERY_QUESTIONS_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* Reads lines, or with -0 what ends with NUL, from `in`.  *found counts the photos, *failed the
 * queries that failed. */
pix_status pix_ask_all(const pix_query_options *options, pix_query_format format, FILE *in,
                       FILE *out, FILE *notes, size_t *found, size_t *failed, pix_error *error);

#endif
