#include "storage/filter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "core/base/bytes.h"

static const double degree = 0.017453292519943295; /* in radians */
/* The mean radius of the earth (IUGG, GRS 80); the sphere is off by less than 0.6 %. */
static const double earth_km = 6371.0088;

double pix_distance_km(double latitude, double longitude, double to_latitude, double to_longitude) {
    /* The haversine formula: exact enough for neighbours, and the sine of half a difference does
     * not care on which side of the antimeridian or in what full turn it is written. */
    double across = sin((to_longitude - longitude) / 2 * degree);
    double up = sin((to_latitude - latitude) / 2 * degree);
    double square = up * up + cos(latitude * degree) * cos(to_latitude * degree) * across * across;
    return 2 * earth_km * asin(fmin(1, sqrt(square)));
}

static bool asks_for_shape(const pix_filter *filter) {
    return filter->orientations || filter->min_long > 0 || filter->min_short > 0 ||
           filter->min_pixels > 0;
}

bool pix_filter_asks_for_facts(const pix_filter *filter) {
    return filter->camera || filter->format_count > 0 || filter->has_place ||
           asks_for_shape(filter);
}

static uint32_t lower(const pix_sieve *sieve, uint32_t code) {
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
    return sieve->locale && code != PIX_NOT_UTF8 ? (uint32_t)towlower_l(code, sieve->locale) : code;
}

pix_status pix_sieve_init(pix_sieve *sieve, const pix_filter *filter, pix_error *error) {
    *sieve = (pix_sieve){.filter = filter};
    if (!filter->camera)
        return PIX_OK;
    size_t size = strlen(filter->camera);
    sieve->camera = calloc(size + 1, sizeof *sieve->camera);
    if (!sieve->camera)
        return pix_fail_memory(error);
    sieve->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    for (size_t at = 0; at < size;) {
        uint32_t code;
        at += pix_utf8_read(filter->camera + at, size - at, &code);
        sieve->camera[sieve->camera_size++] = lower(sieve, code);
    }
    return PIX_OK;
}

void pix_sieve_free(pix_sieve *sieve) {
    if (sieve->locale)
        freelocale(sieve->locale);
    free(sieve->camera);
    *sieve = (pix_sieve){0};
}

static bool camera_begins(const pix_sieve *sieve, const char *text, size_t size) {
    for (size_t i = 0; i < sieve->camera_size; i++) {
        uint32_t code;
        if (size == 0)
            return false;
        size_t length = pix_utf8_read(text, size, &code);
        if (lower(sieve, code) != sieve->camera[i])
            return false;
        text += length;
        size -= length;
    }
    return true;
}

static bool camera_fits(const pix_sieve *sieve, const char *camera) {
    size_t size = camera ? strlen(camera) : 0;
    for (size_t at = 0; at < size;) {
        uint32_t code;
        if (camera_begins(sieve, camera + at, size - at))
            return true;
        at += pix_utf8_read(camera + at, size - at, &code);
    }
    return false;
}

static bool format_fits(const pix_filter *filter, const char *format) {
    for (size_t i = 0; i < filter->format_count; i++)
        if (format && strcmp(format, filter->formats[i]) == 0)
            return true;
    return false;
}

static bool shape_fits(const pix_filter *filter, const pix_content *facts) {
    if (facts->width <= 0 || facts->height <= 0)
        return false;
    bool turned = facts->orientation >= 5 && facts->orientation <= 8;
    int32_t width = turned ? facts->height : facts->width;
    int32_t height = turned ? facts->width : facts->height;
    unsigned shape = width > height ? PIX_LANDSCAPE : width < height ? PIX_PORTRAIT : PIX_SQUARE;
    int32_t long_side = width > height ? width : height;
    int32_t short_side = width > height ? height : width;
    return (!filter->orientations || filter->orientations & shape) &&
           long_side >= filter->min_long && short_side >= filter->min_short &&
           (int64_t)width * height >= filter->min_pixels;
}

static bool place_fits(const pix_filter *filter, const pix_content *facts) {
    return facts->has_location && pix_is_place(facts->latitude, facts->longitude) &&
           pix_distance_km(filter->latitude, filter->longitude, facts->latitude,
                           facts->longitude) <= filter->radius_km;
}

bool pix_is_place(double latitude, double longitude) {
    return fabs(latitude) <= 90 && fabs(longitude) <= 180;
}

bool pix_is_time(const char *text) {
    static const char shape[] = "0000-00-00T00:00:00";
    size_t i = 0;
    while (text[i] && (shape[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i]))
        i++;
    return text[i] == '\0' && i >= sizeof "0000-00-00" - 1;
}

pix_verdict pix_sieve_judge(const pix_sieve *sieve, const pix_content *facts) {
    const pix_filter *filter = sieve->filter;
    if ((filter->format_count > 0 && !format_fits(filter, facts->format)) ||
        (filter->camera && !camera_fits(sieve, facts->camera)) ||
        (asks_for_shape(filter) && !shape_fits(filter, facts)) ||
        (filter->has_place && !place_fits(filter, facts)))
        return PIX_VERDICT_NO;
    if (!filter->since && !filter->until)
        return PIX_VERDICT_YES;
    if (!facts->taken_at || !pix_is_time(facts->taken_at))
        return PIX_VERDICT_UNDATED;
    return (!filter->since || strcmp(facts->taken_at, filter->since) >= 0) &&
                   (!filter->until || strcmp(facts->taken_at, filter->until) < 0)
               ? PIX_VERDICT_YES
               : PIX_VERDICT_NO;
}
