#include "indexer/paths.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

pix_status pix_paths_add(pix_paths *paths, const char *path) {
    char **items =
        pix_array_reserve(paths->items, &paths->capacity, paths->count, 1, sizeof *items);
    if (!items)
        return PIX_ENOMEM;
    paths->items = items;
    char *copy = strdup(path);
    if (!copy)
        return PIX_ENOMEM;
    paths->items[paths->count++] = copy;
    return PIX_OK;
}

void pix_paths_free(pix_paths *paths) {
    for (size_t i = 0; i < paths->count; i++)
        free(paths->items[i]);
    free(paths->items);
    *paths = (pix_paths){0};
}

bool pix_paths_drop_within(pix_paths *paths, const char *folder) {
    size_t before = paths->count, kept = 0;
    for (size_t i = 0; i < before; i++)
        if (pix_path_is_within(paths->items[i], folder))
            free(paths->items[i]);
        else
            paths->items[kept++] = paths->items[i];
    paths->count = kept;
    return kept < before;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pix_paths_sort(pix_paths *paths) {
    if (paths->count > 1)
        qsort(paths->items, paths->count, sizeof *paths->items, by_bytes);
}

bool pix_paths_has(const pix_paths *paths, const char *path) {
    return paths->count > 0 &&
           bsearch(&path, paths->items, paths->count, sizeof *paths->items, by_bytes) != NULL;
}

bool pix_path_is_within(const char *path, const char *folder) {
    size_t size = strlen(folder);
    if (size == 1)
        return true;
    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

const char *pix_path_relative(const char *path, const char *folder) {
    size_t size = strlen(folder);
    if (!pix_path_is_within(path, folder) || path[size] == '\0')
        return path;
    return path + (size == 1 ? 1 : size + 1);
}
