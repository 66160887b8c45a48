/* duplicates.h - pixgrep --duplicates: photos that are the same, and apart from them photos that
 * are merely alike.
 *
 * Identical ones hold the same bytes, whatever their names.  Of those that are alike each picture
 * is there once, under the name of its oldest file, and goes to the first better one that is near
 * enough: larger, then earlier, then older.  So what stands first in a group is what to keep, and
 * every other member is alike to it. */
#ifndef PIX_QUERY_DUPLICATES_H
#define PIX_QUERY_DUPLICATES_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* Writes the groups among the photos that pass the filters, identical ones first, the largest first
 * or by the path of what stands first.  Lines: "identical" or "similar", tab, the number of the
 * group, tab, the cosine with its first photo, tab, path.  Paths alone have an empty one after each
 * group.  JSON: an object a group, {"kind":...,"photos":[...]} with the objects of a search.  On a
 * terminal, `notes` tells how far it is.  *found counts groups. */
pix_status pix_duplicates(const pix_query_options *options, pix_query_format format, FILE *out,
                          FILE *notes, size_t *found, pix_error *error);

#endif
