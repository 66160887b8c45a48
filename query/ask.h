/* ask.h - a search, from the words on the command line to the photos that are printed. */
#ifndef PIX_QUERY_ASK_H
#define PIX_QUERY_ASK_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* *found counts the photos written to `out`.  Everything else a person should know goes to `notes`:
 * what the library is short of, texts that were cut, and when nothing matches, what came nearest.
 */
pix_status pix_ask(const pix_query_options *options, pix_query_format format, FILE *out,
                   FILE *notes, size_t *found, pix_error *error);

#endif
