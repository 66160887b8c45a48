#include "core/control/filter.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/json.h"
#include "core/control/protocol.h"

enum { FORMATS_LIMIT = 64, TEXT_LIMIT = 4096 };

static const struct {
    const char *name;
    unsigned bit;
} orientations[] = {
    {"landscape", PIX_LANDSCAPE}, {"portrait", PIX_PORTRAIT}, {"square", PIX_SQUARE}};

enum { ORIENTATIONS = sizeof orientations / sizeof *orientations };

static void write_bytes(FILE *out, const char *key, const char *text) {
    (void)fputc(',', out);
    pix_json_bytes(out, key, text, strlen(text));
}

static void write_folders(FILE *out, const pix_filter *filter) {
    (void)fputs(",\"folders\":[", out);
    for (size_t i = 0; i < filter->folder_count; i++) {
        (void)fputs(i > 0 ? ",{" : "{", out);
        pix_json_bytes(out, "path", filter->folders[i], strlen(filter->folders[i]));
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

static void write_words(FILE *out, const char *key, const char *const *words, size_t count) {
    (void)fprintf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i > 0 ? "," : "", out);
        pix_json_text(out, words[i]);
    }
    (void)fputc(']', out);
}

void pix_filter_write(FILE *out, const pix_filter *filter) {
    const char *ways[ORIENTATIONS];
    size_t count = 0;
    for (size_t i = 0; i < ORIENTATIONS; i++)
        if (filter->orientations & orientations[i].bit)
            ways[count++] = orientations[i].name;
    (void)fprintf(out,
                  "{\"min_pixels\":%" PRId64 ",\"min_long\":%" PRId32 ",\"min_short\":%" PRId32,
                  filter->min_pixels, filter->min_long, filter->min_short);
    if (filter->folder_count > 0)
        write_folders(out, filter);
    if (filter->since)
        write_bytes(out, "since", filter->since);
    if (filter->until)
        write_bytes(out, "until", filter->until);
    if (filter->camera)
        write_bytes(out, "camera", filter->camera);
    if (filter->format_count > 0)
        write_words(out, "formats", filter->formats, filter->format_count);
    if (count > 0)
        write_words(out, "orientations", ways, count);
    if (filter->has_place)
        (void)fprintf(out, ",\"place\":[%.17g,%.17g,%.17g]", filter->latitude, filter->longitude,
                      filter->radius_km);
    (void)fputc('}', out);
}

/* The text of `key` in heap memory, NULL when it is not there. */
static pix_status read_text(const json_t *object, const char *key, const char **out,
                            pix_error *error) {
    char coded[64];
    (void)snprintf(coded, sizeof coded, "%s_base64", key);
    if (!json_object_get(object, key) && !json_object_get(object, coded))
        return PIX_OK;
    pix_bytes text = {0};
    pix_status status = pix_answer_bytes(object, key, &text, error);
    if (!status && (text.size == 0 || text.size > TEXT_LIMIT || strlen(text.data) != text.size))
        status = pix_fail(error, PIX_EFORMAT, "%s is not a text of 1 to %d bytes", key, TEXT_LIMIT);
    if (!status && !(*out = strdup(text.data)))
        status = pix_fail_memory(error);
    pix_bytes_free(&text);
    return status;
}

static pix_status read_folders(const json_t *object, pix_filter *out, pix_error *error) {
    char **folders;
    pix_status status = pix_answer_folders(object, "folders", &folders, &out->folder_count, error);
    out->folders = (const char *const *)folders;
    return status;
}

static pix_status read_formats(const json_t *object, pix_filter *out, pix_error *error) {
    const json_t *list = json_object_get(object, "formats");
    size_t count = json_array_size(list);
    if (!list)
        return PIX_OK;
    if (count == 0 || count > FORMATS_LIMIT)
        return pix_fail(error, PIX_EFORMAT, "formats is not a list of 1 to %d names",
                        FORMATS_LIMIT);
    char **names = calloc(count, sizeof *names);
    out->formats = (const char *const *)names;
    if (!names)
        return pix_fail_memory(error);
    for (; out->format_count < count; out->format_count++) {
        const char *name = json_string_value(json_array_get(list, out->format_count));
        if (!name)
            return pix_fail(error, PIX_EFORMAT, "a format is a text");
        if (!(names[out->format_count] = strdup(name)))
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

static pix_status read_orientations(const json_t *object, pix_filter *out, pix_error *error) {
    const json_t *list = json_object_get(object, "orientations");
    if (!list)
        return PIX_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t k = 0;
        while (name && k < ORIENTATIONS && strcmp(name, orientations[k].name) != 0)
            k++;
        if (!name || k == ORIENTATIONS)
            return pix_fail(error, PIX_EFORMAT, "an orientation is landscape, portrait or square");
        out->orientations |= orientations[k].bit;
    }
    return out->orientations != 0
               ? PIX_OK
               : pix_fail(error, PIX_EFORMAT, "orientations is not a list of some");
}

static pix_status read_place(const json_t *object, pix_filter *out, pix_error *error) {
    const json_t *list = json_object_get(object, "place");
    double *const numbers[] = {&out->latitude, &out->longitude, &out->radius_km};
    bool fits = json_array_size(list) == 3;
    for (size_t i = 0; i < 3 && fits; i++) {
        fits = json_is_number(json_array_get(list, i));
        *numbers[i] = json_number_value(json_array_get(list, i));
    }
    out->has_place = list != NULL;
    fits = fits && fabs(out->latitude) <= 90 && fabs(out->longitude) <= 180 && out->radius_km >= 0;
    return fits || !list ? PIX_OK
                         : pix_fail(error, PIX_EFORMAT,
                                    "place is not a latitude, a longitude and kilometres");
}

/* A whole number in [0, most]; 0 when it is not there. */
static pix_status read_least(const json_t *object, const char *key, int64_t most, int64_t *out,
                             pix_error *error) {
    const json_t *value = json_object_get(object, key);
    *out = json_integer_value(value);
    if (value && (!json_is_integer(value) || *out < 0 || *out > most))
        return pix_fail(error, PIX_EFORMAT, "%s is not a whole number of up to %" PRId64, key,
                        most);
    return PIX_OK;
}

static pix_status check_members(const json_t *object, pix_error *error) {
    static const char *const known[] = {"folders",       "since",     "until",        "camera",
                                        "camera_base64", "formats",   "orientations", "min_pixels",
                                        "min_long",      "min_short", "place"};
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return pix_fail(error, PIX_EFORMAT, "filter is not an object");
    json_object_foreach((json_t *)object, key, value) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(key, known[i]) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return pix_fail(error, PIX_EFORMAT, "a filter has no such member: %.64s", key);
    }
    return PIX_OK;
}

static pix_status read_members(const json_t *object, pix_filter *out, pix_error *error) {
    int64_t min_long = 0, min_short = 0;
    pix_status status = check_members(object, error);
    if (!status)
        status = read_folders(object, out, error);
    if (!status)
        status = read_text(object, "since", &out->since, error);
    if (!status)
        status = read_text(object, "until", &out->until, error);
    if (!status)
        status = read_text(object, "camera", &out->camera, error);
    if (!status)
        status = read_formats(object, out, error);
    if (!status)
        status = read_orientations(object, out, error);
    if (!status)
        status = read_place(object, out, error);
    if (!status)
        status = read_least(object, "min_pixels", INT64_MAX, &out->min_pixels, error);
    if (!status)
        status = read_least(object, "min_long", INT32_MAX, &min_long, error);
    if (!status)
        status = read_least(object, "min_short", INT32_MAX, &min_short, error);
    out->min_long = (int32_t)min_long;
    out->min_short = (int32_t)min_short;
    return status;
}

pix_status pix_filter_read(const json_t *object, pix_filter **out, pix_error *error) {
    *out = NULL;
    pix_filter *filter = calloc(1, sizeof *filter);
    if (!filter)
        return pix_fail_memory(error);
    pix_status status = read_members(object, filter, error);
    if (status)
        pix_filter_free(filter);
    else
        *out = filter;
    return status;
}

static void free_texts(const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        free((void *)texts[i]);
    free((void *)texts);
}

void pix_filter_free(pix_filter *filter) {
    if (!filter)
        return;
    free_texts(filter->folders, filter->folder_count);
    free_texts(filter->formats, filter->format_count);
    free((void *)filter->since);
    free((void *)filter->until);
    free((void *)filter->camera);
    free(filter);
}
