#include "core/weights/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/json_file.h"

enum { MAX_INDEX = 25 << 20, MAX_SHARDS = 1000 };

static bool all_digits(const char *text, size_t size) {
    return size > 0 && strspn(text, "0123456789") >= size;
}

const char *pix_shards_number(const char *name, const char **ending) {
    const char *of = NULL, *start;
    for (const char *at = name; (at = strstr(at, "-of-")); at++)
        of = at; /* the last: a model's own name may have one */
    start = of;
    while (start && start > name && start[-1] != '-')
        start--;
    if (!start || start < name + 2)
        return NULL;
    *ending = strchr(of + 4, '.');
    if (!*ending)
        return NULL;
    size_t digits = (size_t)(of - start), most = (size_t)(*ending - of - 4);
    bool numbered = digits <= most && all_digits(start, digits) && all_digits(of + 4, most);
    return numbered ? start - 1 : NULL;
}

pix_status pix_shards_index_of(const char *path, char **index, pix_error *error) {
    const char *slash = strrchr(path, '/'), *ending;
    const char *number = pix_shards_number(slash ? slash + 1 : path, &ending);
    *index = NULL;
    if (number && asprintf(index, "%.*s%s.index.json", (int)(number - path), path, ending) < 0) {
        *index = NULL;
        return pix_fail_memory(error);
    }
    return PIX_OK;
}

bool pix_shards_looks_like(const uint8_t *data, size_t size) {
    static const char key[] = "\"weight_map\"";
    return size > 0 && size <= MAX_INDEX && data[0] == '{' &&
           memmem(data, size, key, sizeof key - 1) != NULL;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The file must lie beside the index: an index may come from anywhere. */
static pix_status check_name(const char *tensor, const json_t *value, pix_error *error) {
    const char *name = json_string_value(value);
    pix_status status = pix_tensor_name_check(tensor, strlen(tensor), error);
    if (status)
        return status;
    if (!name || pix_tensor_name_check(name, json_string_length(value), NULL))
        return pix_fail(error, PIX_EFORMAT, "the file of tensor %s is not named by a text", tensor);
    if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return pix_fail(error, PIX_EFORMAT, "tensor %s is said to be in \"%.256s\", no file beside",
                        tensor, name);
    return PIX_OK;
}

static pix_status list_names(json_t *map, pix_shards *out, pix_error *error) {
    const char *tensor;
    json_t *value;
    pix_status status = PIX_OK;
    out->names = calloc(json_object_size(map) + 1, sizeof *out->names);
    if (!out->names)
        return pix_fail_memory(error);
    size_t all = 0;
    json_object_foreach(map, tensor, value) {
        if ((status = check_name(tensor, value, error)))
            return status;
        out->names[all++] = json_string_value(value);
    }
    qsort((void *)out->names, all, sizeof *out->names, by_text);
    for (size_t i = 0; i < all; i++)
        if (i == 0 || strcmp(out->names[i], out->names[out->count - 1]) != 0)
            out->names[out->count++] = out->names[i];
    if (out->count == 0)
        return pix_fail(error, PIX_EFORMAT, "an index of no files");
    if (out->count > MAX_SHARDS)
        return pix_fail(error, PIX_ELIMIT, "an index of %zu files, more than the %d allowed",
                        out->count, MAX_SHARDS);
    return PIX_OK;
}

pix_status pix_shards_read(const uint8_t *data, size_t size, pix_shards *out, pix_error *error) {
    json_error_t json_error = {0};
    *out = (pix_shards){0};
    if (pix_json_is_large(data, size))
        return pix_fail(error, PIX_ELIMIT, "an index of more values than any model needs");
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &json_error);
    json_t *map = json_object_get(root, "weight_map");
    pix_status status;
    if (!json_is_object(map))
        status = pix_fail(error, PIX_EFORMAT, "not an index of weights: %s",
                          root ? "it has no weight_map" : json_error.text);
    else
        status = list_names(map, out, error);
    out->map = json_incref(map);
    json_decref(root);
    if (status)
        pix_shards_free(out);
    return status;
}

void pix_shards_free(pix_shards *shards) {
    json_decref(shards->map);
    free((void *)shards->names);
    *shards = (pix_shards){0};
}

/* A tensor and the number of the file that has it. */
typedef struct place {
    const char *tensor;
    size_t file;
} place;

static int by_tensor(const void *a, const void *b) {
    const place *left = a, *right = b;
    int order = strcmp(left->tensor, right->tensor);
    return order != 0 ? order : (left->file > right->file) - (left->file < right->file);
}

static int same_tensor(const void *name, const void *at) {
    return strcmp(name, ((const place *)at)->tensor);
}

/* The tensors of all files in the order of their names. */
static pix_status list_places(const pix_shards *shards, const pix_tensors *tables, place **out,
                              size_t *count, pix_error *error) {
    *count = 0;
    for (size_t i = 0; i < shards->count; i++)
        *count += tables[i].count;
    place *places = *out = calloc(*count + 1, sizeof *places);
    if (!places)
        return pix_fail_memory(error);
    for (size_t i = 0; i < shards->count; i++)
        for (size_t k = 0; k < tables[i].count; k++)
            *places++ = (place){tables[i].items[k].info.name, i};
    qsort(*out, *count, sizeof **out, by_tensor);
    return PIX_OK;
}

static pix_status check_places(const pix_shards *shards, const place *places, size_t count,
                               pix_error *error) {
    for (size_t i = 1; i < count; i++)
        if (strcmp(places[i - 1].tensor, places[i].tensor) == 0)
            return pix_fail(error, PIX_EFORMAT, "tensor %s is in both %s and %s", places[i].tensor,
                            shards->names[places[i - 1].file], shards->names[places[i].file]);
    const char *tensor;
    json_t *value;
    json_object_foreach(shards->map, tensor, value) {
        const char *said = json_string_value(value);
        const place *at = bsearch(tensor, places, count, sizeof *places, same_tensor);
        if (!at)
            return pix_fail(error, PIX_EFORMAT, "tensor %s is said to be in %s, but is in no file",
                            tensor, said);
        if (strcmp(shards->names[at->file], said) != 0)
            return pix_fail(error, PIX_EFORMAT, "tensor %s is said to be in %s, but is in %s",
                            tensor, said, shards->names[at->file]);
    }
    return PIX_OK;
}

pix_status pix_shards_check(const pix_shards *shards, const pix_tensors *tables, pix_error *error) {
    place *places;
    size_t count;
    pix_status status = list_places(shards, tables, &places, &count, error);
    if (!status)
        status = check_places(shards, places, count, error);
    free(places);
    return status;
}
