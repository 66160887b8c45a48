#include "core/base/name_list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

void pix_name_list_free(pix_name_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->data[i]);
    free((void *)list->data);
    *list = (pix_name_list){0};
}

pix_status pix_name_list_add(pix_name_list *list, const char *name, size_t length,
                             pix_error *error) {
    char **data = pix_array_reserve(list->data, &list->capacity, list->count, 1, sizeof *data);
    if (!data)
        return pix_fail_memory(error);
    list->data = data;
    char *copy = strndup(name, length);
    if (!copy)
        return pix_fail_memory(error);
    list->data[list->count++] = copy;
    return PIX_OK;
}

pix_status pix_name_list_read(pix_name_list *list, const char *folder, pix_error *error) {
    DIR *stream = opendir(folder);
    if (!stream)
        return pix_fail_errno(error, "%s", folder);
    pix_status status = PIX_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry && errno)
            status = pix_fail_errno(error, "%s", folder);
        else if (entry)
            status = pix_name_list_add(list, entry->d_name, strlen(entry->d_name), error);
        if (!entry || status)
            break;
    }
    (void)closedir(stream);
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pix_name_list_sort(pix_name_list *list) {
    if (list->count > 0)
        qsort((void *)list->data, list->count, sizeof *list->data, by_text);
}

const char *pix_name_list_find(const pix_name_list *list, const char *name) {
    if (list->count == 0)
        return NULL;
    char *const *found =
        bsearch((const void *)&name, list->data, list->count, sizeof *list->data, by_text);
    return found ? *found : NULL;
}
