#include "query/labels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/clean.h"

/* How many repeated labels are named. */
enum { NAMED_REPEATS = 5 };

static bool is_list(const char *value) {
    return strchr(value, ',') && value[0] != '/' && strncmp(value, "./", 2) != 0 &&
           strncmp(value, "../", 3) != 0;
}

static pix_status split(const char *value, pix_list *out, pix_error *error) {
    if (!pix_is_utf8(value, strlen(value)))
        return pix_fail(error, PIX_EINVALID, "--classify: '%s' is not UTF-8 text", value);
    for (const char *p = value;; p++) {
        size_t length = strcspn(p, ",");
        if (pix_list_add(out, p, length, 0))
            return pix_fail_memory(error);
        p += length;
        if (*p == '\0')
            return PIX_OK;
    }
}

/* A label as the model reads it, and its place in the list. */
typedef struct reading {
    pix_bytes clean;
    size_t place;
} reading;

static const char *text_of(const reading *label) {
    return label->clean.data ? label->clean.data : "";
}

static int compare_readings(const void *left, const void *right) {
    const reading *a = left, *b = right;
    int order = strcmp(text_of(a), text_of(b));
    return order != 0 ? order : a->place < b->place ? -1 : a->place > b->place;
}

typedef enum fate { KEPT, BLANK, REPEATED } fate;

/* Frees what of the list is not kept and moves the rest up; `note` names what is repeated. */
static pix_status compact(pix_list *list, const fate *fates, pix_bytes *note) {
    size_t kept = 0, repeats = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < list->count; i++) {
        char *text = list->entries[i].text;
        if (fates[i] == KEPT) {
            list->entries[kept++] = list->entries[i];
            continue;
        }
        if (fates[i] == REPEATED && repeats++ < NAMED_REPEATS && !status) {
            const char *before = repeats == 1 ? "repeated labels count once: " : ", ";
            status = pix_bytes_append_text(note, before);
            if (!status)
                status = pix_bytes_append_escaped(note, text, strlen(text));
        }
        free(text);
    }
    list->count = kept;
    if (repeats > NAMED_REPEATS && !status)
        status = pix_bytes_append_text(note, ", ...");
    return status;
}

/* Leaves in the list what the model reads as something, and that once. */
static pix_status keep_distinct(pix_list *list, pix_bytes *note) {
    size_t count = list->count;
    reading *readings = calloc(count + 1, sizeof *readings);
    fate *fates = calloc(count + 1, sizeof *fates);
    pix_status status = readings && fates ? PIX_OK : PIX_ENOMEM;
    for (size_t i = 0; i < count && !status; i++) {
        const char *text = list->entries[i].text;
        status = pix_clean(text, strlen(text), &readings[i].clean);
        readings[i].place = i;
    }
    if (!status) {
        qsort(readings, count, sizeof *readings, compare_readings);
        for (size_t i = 0; i < count; i++) {
            if (readings[i].clean.size == 0)
                fates[readings[i].place] = BLANK;
            else if (i > 0 && strcmp(text_of(&readings[i - 1]), text_of(&readings[i])) == 0)
                fates[readings[i].place] = REPEATED;
        }
        status = compact(list, fates, note);
    }
    for (size_t i = 0; readings && i < count; i++)
        pix_bytes_free(&readings[i].clean);
    free(readings);
    free(fates);
    return status;
}

pix_status pix_labels_open(const char *value, FILE *in, pix_list *out, pix_bytes *note,
                           pix_error *error) {
    *out = (pix_list){0};
    pix_status status;
    if (strcmp(value, "-") == 0) {
        value = "standard input";
        status = pix_list_read(out, in, value, error);
    } else if (is_list(value)) {
        status = split(value, out, error);
    } else {
        status = pix_list_read_file(out, value, error);
        if (status == PIX_ENOTFOUND)
            status = pix_fail(error, status,
                              "%s: there is no such file of labels; labels themselves are written "
                              "with commas: cat,dog",
                              value);
    }
    if (!status && keep_distinct(out, note))
        status = pix_fail_memory(error);
    if (!status && out->count == 0)
        status = pix_fail(error, PIX_EINVALID, "%s: there is no label in it", value);
    if (status)
        pix_list_free(out);
    return status;
}
