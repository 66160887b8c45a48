/* filter_values.h - what a person writes as the value of a filter, read strictly.
 *
 * Each function takes the whole text or says in *error what it should be.  Any thread. */
#ifndef PIX_QUERY_FILTER_VALUES_H
#define PIX_QUERY_FILTER_VALUES_H

#include "storage/filter.h"

/* A span of time: the text of its first moment, and of the first one after it, as an index compares
 * them ("2023-05" and "2023-06"). */
typedef struct pix_span {
    char first[20], after[20];
} pix_span;

/* A year, a month "2023-05", a day "2023-05-17", or a time of it "2023-05-17T13:45:10", to the
 * hour, minute or second, with a T or a blank; a span as long as what it names. */
pix_status pix_span_parse(const char *text, pix_span *span, pix_error *error);

/* "12MP", "1920x1080" (the long and the short side, in either order) or "800" (the short side). */
pix_status pix_size_parse(const char *text, pix_filter *filter, pix_error *error);

/* "LAT,LON,KM": degrees, north and east positive, and a distance. */
pix_status pix_place_parse(const char *text, pix_filter *filter, pix_error *error);

/* Adds what "landscape", "portrait" and "square", with commas between them, mean. */
pix_status pix_orientation_parse(const char *text, unsigned *orientations, pix_error *error);

/* Names of formats: at most as many as there are. */
enum { PIX_MOST_FORMATS = 12 };
/* Adds what names with commas between them mean, in the words of the index: "jpeg" for "jpg". */
pix_status pix_formats_parse(const char *text, const char *formats[PIX_MOST_FORMATS], size_t *count,
                             pix_error *error);

#endif
