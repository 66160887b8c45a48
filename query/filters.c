#include "query/filters.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"

static pix_status add_folder(pix_filters *filters, const char *value, pix_error *error) {
    const char **folders = pix_array_reserve(filters->folders, &filters->folder_room,
                                             filters->folder_count, 1, sizeof *folders);
    if (!folders)
        return pix_fail_memory(error);
    filters->folders = folders;
    filters->folders[filters->folder_count++] = value;
    return PIX_OK;
}

static pix_status take(pix_filters *filters, pix_filter_option option, const char *value,
                       pix_error *error) {
    switch (option) {
    case PIX_FILTER_IN:
        return add_folder(filters, value, error);
    case PIX_FILTER_SINCE:
        filters->since_text = value;
        return pix_span_parse(value, &filters->since, error);
    case PIX_FILTER_UNTIL:
        filters->until_text = value;
        return pix_span_parse(value, &filters->until, error);
    case PIX_FILTER_CAMERA:
        filters->filter.camera = value;
        break;
    case PIX_FILTER_TYPE:
        return pix_formats_parse(value, filters->formats, &filters->filter.format_count, error);
    case PIX_FILTER_ORIENTATION:
        return pix_orientation_parse(value, &filters->filter.orientations, error);
    case PIX_FILTER_MIN_SIZE:
        return pix_size_parse(value, &filters->filter, error);
    case PIX_FILTER_NEAR:
        return pix_place_parse(value, &filters->filter, error);
    case PIX_FILTER_OPTIONS:
        break;
    }
    return PIX_OK;
}

pix_status pix_filters_take(pix_filters *filters, pix_filter_option option, const char *word,
                            const char *value, pix_error *error) {
    if (value[0] == '\0')
        return pix_fail(error, PIX_EINVALID, "%s: the value is empty", word);
    filters->given = true;
    pix_status status = take(filters, option, value, error);
    if (status == PIX_EINVALID)
        (void)pix_error_prefix(error, "%s", word);
    return status;
}

/* Whether nothing is of the one span or later, and of the other or earlier. */
static bool is_later(const pix_span *since, const pix_span *until) {
    char first[] = "0000-01-01T00:00:00"; /* in full, as "2023" comes before "2023-01-01" */
    memcpy(first, since->first, strlen(since->first));
    return strcmp(first, until->after) >= 0;
}

pix_status pix_filters_check(const pix_filters *filters, pix_error *error) {
    if (filters->since_text && filters->until_text && is_later(&filters->since, &filters->until))
        return pix_fail(error, PIX_EINVALID, "--since %s is later than --until %s",
                        filters->since_text, filters->until_text);
    return PIX_OK;
}

void pix_filters_free(pix_filters *filters) {
    free(filters->folders);
    *filters = (pix_filters){0};
}

static pix_status tell(FILE *notes, const char *text) {
    pix_bytes line = {0};
    pix_status status = pix_bytes_append_escaped(&line, text, strlen(text));
    if (!status)
        (void)fprintf(notes, "pixgrep: %s\n", line.data ? line.data : "");
    pix_bytes_free(&line);
    return status;
}

/* `path` with its first `size` bytes without symbolic links and the rest as it is written; NULL
 * when there is no such folder now. */
static char *resolve(const char *path, size_t size) {
    char *begin = strndup(path, size);
    char *real = begin ? realpath(size == 0 ? "/" : begin, NULL) : NULL;
    free(begin);
    if (!real || path[size] == '\0')
        return real;
    char *whole = pix_path_join(real, path + size + 1);
    free(real);
    return whole;
}

static size_t parent_size(const char *path, size_t size) {
    while (size > 0 && path[--size] != '/')
        ;
    return size;
}

/* The folder in the words of the index, which follows links on the way to a root and sometimes
 * below it: as much of the path as possible without its links, so long as photos are known there. A
 * folder where there are none, which is told, stays as it is written. */
static pix_status find_folder(pix_store *store, const char *name, FILE *notes, char **out,
                              bool *holds, pix_error *error) {
    pix_known_photos known = PIX_KNOWN_NONE;
    pix_status status = PIX_OK;
    char *path = pix_path_absolute(name);
    if (!path)
        return pix_fail_errno(error, "--in %s", name);
    size_t size = strlen(path);
    for (bool last = false; !status && known == PIX_KNOWN_NONE && !last;
         size = parent_size(path, size)) {
        last = size == 0 || strcmp(path, "/") == 0;
        char *found = resolve(path, size);
        if (found)
            status = pix_store_knows_below(store, found, &known, error);
        if (found && known != PIX_KNOWN_NONE)
            *out = found;
        else
            free(found);
    }
    if (!status && known == PIX_KNOWN_NONE)
        *out = path;
    else
        free(path);
    *holds = known == PIX_KNOWN_PRESENT;
    if (status || *holds)
        return status;
    pix_error text;
    (void)pix_fail(&text, PIX_ENOTFOUND,
                   known == PIX_KNOWN_NONE
                       ? "--in %s: the index knows no photos there"
                       : "--in %s: all photos there are missing; is their drive there?",
                   name);
    return tell(notes, text.text) ? pix_fail_memory(error) : PIX_OK;
}

pix_status pix_filters_ask(const pix_filters *filters, pix_store *store, FILE *notes,
                           pix_asked_filter *out, pix_error *error) {
    *out = (pix_asked_filter){.filter = filters->filter};
    pix_filter *filter = &out->filter;
    filter->formats = filters->formats;
    filter->since = filters->since_text ? filters->since.first : NULL;
    filter->until = filters->until_text ? filters->until.after : NULL;
    out->folders = calloc(filters->folder_count + 1, sizeof *out->folders);
    filter->folders = (const char *const *)out->folders;
    if (!out->folders)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    for (filter->folder_count = 0; filter->folder_count < filters->folder_count && !status;
         filter->folder_count++) {
        bool holds = false;
        status = find_folder(store, filters->folders[filter->folder_count], notes,
                             &out->folders[filter->folder_count], &holds, error);
        out->empty += !holds;
    }
    if (status)
        pix_asked_filter_free(out);
    return status;
}

void pix_asked_filter_free(pix_asked_filter *asked) {
    for (size_t i = 0; i < asked->filter.folder_count; i++)
        free(asked->folders[i]);
    free(asked->folders);
    *asked = (pix_asked_filter){0};
}

void pix_filters_tell_nothing_left(const pix_asked_filter *asked, int64_t undated, FILE *notes) {
    char count[32];
    if (asked->empty > 0 && asked->empty == asked->filter.folder_count)
        return;
    if (undated > 0)
        (void)fprintf(notes,
                      "pixgrep: no photo passes the filters; %s of unknown date %s left out\n",
                      pix_format_count(undated, count), undated == 1 ? "was" : "were");
    else
        (void)fputs("pixgrep: no photo passes the filters\n", notes);
}
