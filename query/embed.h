/* embed.h - pixgrep --embed: texts and pictures in, one unit vector a line out, in order.
 *
 * Pictures are encoded in batches without changing the order; an input that fails leaves its error
 * in its own line, so lines never shift. */
#ifndef PIX_QUERY_EMBED_H
#define PIX_QUERY_EMBED_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* Writes {"input":...,"vector":[...]} or {"input":...,"error":"..."} (input_base64 when the input
 * is not UTF-8); without --json the escaped input, a tab and the numbers, none after a failure.
 * The file "-" stands for paths read from `in`, one a line.  Plain failures and cut texts are told
 * on `notes`.  *failed counts the failures. */
pix_status pix_embed(const pix_query_options *options, FILE *in, FILE *out, FILE *notes,
                     size_t *failed, pix_error *error);

#endif
