/* sort.h - results in another order than that of their scores. */
#ifndef PIX_QUERY_SORT_H
#define PIX_QUERY_SORT_H

#include "query/options.h"
#include "query/search.h"

/* Sorts hits [count], and folded [count] with them unless it is NULL: by date, the newest first and
 * those without one last, or by the bytes of paths.  Equals keep their order. */
pix_status pix_sort_hits(pix_search *search, pix_sort sort, pix_hit *hits, size_t *folded,
                         size_t count, pix_error *error);

#endif
