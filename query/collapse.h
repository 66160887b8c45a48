/* collapse.h - of photos that are the same or nearly so, the best one.
 *
 * Photos are taken in the order of a search.  One joins the first photo before it that holds the
 * same bytes, or whose vector is as near as wanted, if that one is itself shown; else it is shown.
 * So every photo that is folded away is alike to one that is shown. */
#ifndef PIX_QUERY_COLLAPSE_H
#define PIX_QUERY_COLLAPSE_H

#include "query/search.h"

/* The first `k` photos for the unit vector that are shown, into hits [k]; folded [k] is how many of
 * those that rank before the one that would be shown next each of them stands for.  The search is
 * asked for more until that one is found or every photo is seen. */
pix_status pix_collapse(pix_search *search, const float *vector, int dimension, double alike,
                        size_t k, pix_hit *hits, size_t *folded, size_t *count, pix_error *error);

#endif
