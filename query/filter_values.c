#include "query/filter_values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/bytes.h"

enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS };

static int days_in_month(int year, int month) {
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static int highest(const int parts[PARTS], int part) {
    switch (part) {
    case YEAR:
        return 9999;
    case MONTH:
        return 12;
    case DAY:
        return days_in_month(parts[YEAR], parts[MONTH]);
    case HOUR:
        return 23;
    default:
        return 59;
    }
}

static int lowest(int part) {
    return part <= DAY;
}

/* How many parts the text has, 0 when it is no time. */
static int read_parts(const char *text, int parts[PARTS]) {
    for (int part = YEAR; part < PARTS; part++) {
        int digits = part == YEAR ? 4 : 2;
        parts[part] = 0;
        for (int i = 0; i < digits; i++, text++) {
            if (*text < '0' || *text > '9')
                return 0;
            parts[part] = 10 * parts[part] + (*text - '0');
        }
        if (parts[part] < lowest(part) || parts[part] > highest(parts, part))
            return 0;
        if (*text == '\0')
            return part + 1;
        const char *before_next = part < DAY ? "-" : part == DAY ? "Tt " : ":";
        if (part == SECOND || !strchr(before_next, *text++))
            return 0;
    }
    return 0;
}

static void write_parts(const int parts[PARTS], int count, char out[20]) {
    static const char before[PARTS] = " --T::";
    char *end = out + snprintf(out, 5, "%04u", (unsigned)parts[YEAR] % 10000);
    for (int part = MONTH; part < count; part++)
        end += snprintf(end, 4, "%c%02u", before[part], (unsigned)parts[part] % 100);
}

pix_status pix_span_parse(const char *text, pix_span *span, pix_error *error) {
    int parts[PARTS] = {0};
    int count = read_parts(text, parts);
    if (count == 0)
        return pix_fail(error, PIX_EINVALID,
                        "'%s' is no year, month, day or time, such as 2023, 2023-05, 2023-05-17 or "
                        "2023-05-17T13:45",
                        text);
    write_parts(parts, count, span->first);
    int part = count - 1;
    for (; part > YEAR && parts[part] == highest(parts, part); part--)
        parts[part] = lowest(part);
    if (++parts[part] > 9999)
        (void)snprintf(span->after, sizeof span->after, ":"); /* after every digit */
    else
        write_parts(parts, count, span->after);
    return PIX_OK;
}

/* A number of digits with at most one point, up to `end`, which *text then is; a sign only when
 * `low` is negative.  Blanks around it do not count. */
static bool read_number(const char **text, char end, double low, double high, double *out) {
    char digits[32];
    const char *start = *text + strspn(*text, " ");
    size_t size = strspn(start, low < 0 ? "+-.0123456789" : ".0123456789");
    const char *rest = start + size + strspn(start + size, " ");
    if (*rest != end || size == 0 || size >= sizeof digits)
        return false;
    memcpy(digits, start, size);
    digits[size] = '\0';
    char *last;
    *out = strtod(digits, &last);
    *text = rest;
    return *last == '\0' && *out >= low && *out <= high;
}

pix_status pix_place_parse(const char *text, pix_filter *filter, pix_error *error) {
    enum { MOST_KM = 20038 }; /* half way around the earth */
    const char *at = text;
    double latitude, longitude, km;
    if (!read_number(&at, ',', -90, 90, &latitude) ||
        (at++, !read_number(&at, ',', -180, 180, &longitude)) ||
        (at++, !read_number(&at, '\0', 0, MOST_KM, &km)))
        return pix_fail(error, PIX_EINVALID,
                        "'%s' is not LAT,LON,KM: degrees from -90 to 90, degrees from -180 to 180 "
                        "and at most %d km, such as 48.86,2.35,10",
                        text, MOST_KM);
    filter->has_place = true;
    filter->latitude = latitude;
    filter->longitude = longitude;
    filter->radius_km = km;
    return PIX_OK;
}

static pix_status fail_size(const char *text, pix_error *error) {
    return pix_fail(error, PIX_EINVALID,
                    "'%s' is no size such as 12MP, 1920x1080 or 800 (the short side)", text);
}

/* A side in pixels from text[0..size). */
static bool read_side(const char *text, size_t size, int32_t *side) {
    char digits[16];
    int64_t number;
    if (size == 0 || size >= sizeof digits)
        return false;
    memcpy(digits, text, size);
    digits[size] = '\0';
    if (pix_parse_integer(digits, 1, INT32_MAX, &number))
        return false;
    *side = (int32_t)number;
    return true;
}

pix_status pix_size_parse(const char *text, pix_filter *filter, pix_error *error) {
    size_t size = strlen(text), first = strspn(text, "0123456789");
    int32_t one = 0, other = 0;
    double megapixels;
    char digits[32];
    if (size > 2 && size < sizeof digits && strcasecmp(text + size - 2, "MP") == 0) {
        memcpy(digits, text, size - 2);
        digits[size - 2] = '\0';
        const char *at = digits;
        if (!read_number(&at, '\0', 1e-6, 1e6, &megapixels))
            return fail_size(text, error);
        filter->min_pixels = llround(megapixels * 1e6);
        filter->min_long = filter->min_short = 0;
        return PIX_OK;
    }
    bool both = text[first] == 'x' || text[first] == 'X';
    if (!read_side(text, first, &one) ||
        (both ? !read_side(text + first + 1, size - first - 1, &other) : first != size))
        return fail_size(text, error);
    filter->min_pixels = 0;
    filter->min_long = one > other && both ? one : other;
    filter->min_short = !both || one < other ? one : other;
    return PIX_OK;
}

/* Calls `take` for each name between commas; false from it refuses the name. */
static bool each_name(const char *text, bool (*take)(void *context, const char *name, size_t size),
                      void *context) {
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        if (!take(context, at, size))
            return false;
        at += size;
        if (*at == '\0')
            return true;
    }
}

static bool is_name(const char *text, size_t size, const char *name) {
    return size == strlen(name) && strncasecmp(text, name, size) == 0;
}

static bool take_orientation(void *context, const char *name, size_t size) {
    unsigned *orientations = context;
    unsigned one = is_name(name, size, "landscape")  ? PIX_LANDSCAPE
                   : is_name(name, size, "portrait") ? PIX_PORTRAIT
                   : is_name(name, size, "square")   ? PIX_SQUARE
                                                     : 0;
    *orientations |= one;
    return one != 0;
}

pix_status pix_orientation_parse(const char *text, unsigned *orientations, pix_error *error) {
    if (each_name(text, take_orientation, orientations))
        return PIX_OK;
    return pix_fail(error, PIX_EINVALID, "'%s' is not landscape, portrait or square", text);
}

/* Names that people use for formats, and those of the index. */
static const struct {
    const char *name, *format;
} types[] = {
    {"jpeg", "jpeg"}, {"jpg", "jpeg"},  {"png", "png"}, {"heic", "heic"}, {"heif", "heic"},
    {"avif", "avif"}, {"webp", "webp"}, {"raw", "raw"}, {"tiff", "tiff"}, {"tif", "tiff"},
    {"gif", "gif"},   {"bmp", "bmp"},   {"jp2", "jp2"}, {"jxl", "jxl"},   {"pnm", "pnm"},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

typedef struct format_list {
    const char **formats;
    size_t *count;
} format_list;

static bool take_format(void *context, const char *name, size_t size) {
    const format_list *list = context;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (!is_name(name, size, types[i].name))
            continue;
        for (size_t k = 0; k < *list->count; k++)
            if (strcmp(list->formats[k], types[i].format) == 0)
                return true;
        list->formats[(*list->count)++] = types[i].format;
        return true;
    }
    return false;
}

pix_status pix_formats_parse(const char *text, const char *formats[PIX_MOST_FORMATS], size_t *count,
                             pix_error *error) {
    format_list list = {.formats = formats, .count = count};
    char known[256];
    size_t size = 0;
    if (each_name(text, take_format, &list))
        return PIX_OK;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        size += (size_t)snprintf(known + size, sizeof known - size, "%s%s", i > 0 ? ", " : "",
                                 types[i].name);
    return pix_fail(error, PIX_EINVALID, "'%s' is not one of the types that are known: %s", text,
                    known);
}
