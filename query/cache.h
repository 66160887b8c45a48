/* cache.h - pixgrep --cache: what --ensemble and --classify have kept, for a person to see. */
#ifndef PIX_QUERY_CACHE_H
#define PIX_QUERY_CACHE_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* list: a line for each text, the one used last first: the day it was used, the beginning of its
 * model's fingerprint, the precision, how many templates, the text, with tabs between; JSON: the
 * same as an object.  clear: removes the file and says so on `notes`. */
pix_status pix_cache(const pix_query_options *options, FILE *out, FILE *notes, pix_error *error);

#endif
