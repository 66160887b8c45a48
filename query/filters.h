/* filters.h - the options that choose among the photos of the index, and what they choose.
 *
 * Values are read when the options are; folders are looked for when the index is open. */
#ifndef PIX_QUERY_FILTERS_H
#define PIX_QUERY_FILTERS_H

#include <stdio.h>

#include "query/filter_values.h"
#include "storage/store.h"

typedef enum pix_filter_option {
    PIX_FILTER_IN,
    PIX_FILTER_SINCE,
    PIX_FILTER_UNTIL,
    PIX_FILTER_CAMERA,
    PIX_FILTER_TYPE,
    PIX_FILTER_ORIENTATION,
    PIX_FILTER_MIN_SIZE,
    PIX_FILTER_NEAR,
    PIX_FILTER_OPTIONS
} pix_filter_option;

/* Starts zeroed: no filter.  Text values belong to argv. */
typedef struct pix_filters {
    bool given; /* any of them */
    const char **folders;
    size_t folder_count, folder_room;
    const char *since_text, *until_text; /* as they were given, NULL when not */
    pix_span since, until;
    const char *formats[PIX_MOST_FORMATS];
    pix_filter filter; /* all but folders, times and formats */
} pix_filters;

/* Takes one option; `word` is how the error calls it.  Folders and types add up, of anything else
 * the last one counts. */
pix_status pix_filters_take(pix_filters *filters, pix_filter_option option, const char *word,
                            const char *value, pix_error *error);
/* What no option can tell alone. */
pix_status pix_filters_check(const pix_filters *filters, pix_error *error);
void pix_filters_free(pix_filters *filters);

/* What they ask of the photos of one index, in its words. */
typedef struct pix_asked_filter {
    pix_filter filter; /* what of it is not the folders belongs to the filters */
    char **folders;
    size_t empty; /* folders that hold no known photo */
} pix_asked_filter;

/* Looks for the folders; which of them hold no known photo is told in `notes`. */
pix_status pix_filters_ask(const pix_filters *filters, pix_store *store, FILE *notes,
                           pix_asked_filter *out, pix_error *error);
void pix_asked_filter_free(pix_asked_filter *asked);

/* Tells that nothing passes, and why, unless what was told of the folders says it all. */
void pix_filters_tell_nothing_left(const pix_asked_filter *asked, int64_t undated, FILE *notes);

#endif
