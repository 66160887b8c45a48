/* Any text as the value of each filter: a reason, or what a filter can be made of. */
#include <math.h>

#include "query/filter_values.h"
#include "tests/fuzz/fuzz.h"

static void try_span(const char *text) {
    pix_span span;
    pix_error error = {0};
    pix_status status = pix_span_parse(text, &span, &error);
    if (status) {
        demand_reason(status, &error);
        return;
    }
    demand(strlen(span.first) < sizeof span.first && strlen(span.after) < sizeof span.after);
    demand(strcmp(span.first, span.after) < 0);
    pix_span again;
    demand(pix_span_parse(span.first, &again, &error) == PIX_OK);
    demand(strcmp(again.first, span.first) == 0 && strcmp(again.after, span.after) == 0);
    /* The next span begins where this one ends. */
    demand(span.after[0] == ':' || (pix_span_parse(span.after, &again, &error) == PIX_OK &&
                                    strcmp(again.first, span.after) == 0));
}

static void try_others(const char *text) {
    pix_filter filter = {0};
    pix_error error = {0};
    pix_status status = pix_place_parse(text, &filter, &error);
    if (status)
        demand_reason(status, &error);
    else
        demand(fabs(filter.latitude) <= 90 && fabs(filter.longitude) <= 180 &&
               filter.radius_km >= 0 && filter.radius_km <= 20038);
    status = pix_size_parse(text, &filter, &error);
    if (status)
        demand_reason(status, &error);
    else
        demand((filter.min_pixels > 0) != (filter.min_short > 0) && filter.min_long >= 0);
    unsigned orientations = 0;
    status = pix_orientation_parse(text, &orientations, &error);
    if (status)
        demand_reason(status, &error);
    else
        demand(orientations != 0);
    const char *formats[PIX_MOST_FORMATS];
    size_t count = 0;
    status = pix_formats_parse(text, formats, &count, &error);
    if (status)
        demand_reason(status, &error);
    else
        demand(count > 0);
    demand(count <= PIX_MOST_FORMATS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    demand(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    try_span(text);
    try_others(text);
    free(text);
    return 0;
}
