/* name_list.h - names in heap memory, such as those of the files in a folder. */
#ifndef PIX_BASE_NAME_LIST_H
#define PIX_BASE_NAME_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* Starts zeroed. */
typedef struct pix_name_list {
    char **data;
    size_t count, capacity;
} pix_name_list;

void pix_name_list_free(pix_name_list *list);

/* Appends a copy of name[0..length). */
pix_status pix_name_list_add(pix_name_list *list, const char *name, size_t length,
                             pix_error *error);

/* Appends the names in a folder, in no order, with "." and "..". */
pix_status pix_name_list_read(pix_name_list *list, const char *folder, pix_error *error);

/* In byte order. */
void pix_name_list_sort(pix_name_list *list);

/* The list's own copy of `name`, of a sorted list; NULL when it is not there. */
const char *pix_name_list_find(const pix_name_list *list, const char *name);

#endif
