/* filter.h - what a photo must satisfy to be found, and the judge of it.
 *
 * A pix_filter is plain values, borrowed by whoever uses it; a zeroed one lets everything through.
 * What a photo does not tell (no place, an unreadable size) never satisfies a wish about it. */
#ifndef PIX_STORAGE_FILTER_H
#define PIX_STORAGE_FILTER_H

#include <locale.h>

#include "core/base/filter.h"
#include "storage/store.h"

/* Whether it asks for anything besides folders and time. */
bool pix_filter_asks_for_facts(const pix_filter *filter);

typedef enum pix_verdict {
    PIX_VERDICT_NO,
    PIX_VERDICT_UNDATED, /* all but the time fits, and the time is unknown */
    PIX_VERDICT_YES
} pix_verdict;

/* A filter made ready to judge many contents.  One thread at a time. */
typedef struct pix_sieve {
    const pix_filter *filter;
    locale_t locale;  /* that tells upper from lower case, or 0: of ASCII alone */
    uint32_t *camera; /* [camera_size] code points in lower case */
    size_t camera_size;
} pix_sieve;
pix_status pix_sieve_init(pix_sieve *sieve, const pix_filter *filter, pix_error *error);
void pix_sieve_free(pix_sieve *sieve);

/* Everything but the folders, which are a matter of paths. */
pix_verdict pix_sieve_judge(const pix_sieve *sieve, const pix_content *facts);

/* Whether an index says something: degrees on the earth, and a date or more of a time.  What does
 * not is as good as unknown. */
bool pix_is_place(double latitude, double longitude);
bool pix_is_time(const char *text);

/* Kilometres between two places given in degrees, on a sphere. */
double pix_distance_km(double latitude, double longitude, double to_latitude, double to_longitude);

#endif
