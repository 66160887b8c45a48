/* lines.h - the lines of a stream, and the lists that people keep in text files.
 *
 * A stream may be a file, a pipe or standard input; one thread at a time reads it. */
#ifndef PIX_BASE_LINES_H
#define PIX_BASE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

/* Replaces *line by the next line without its `end`: '\n', or NUL for what find -print0 writes.
 * *more is false at the end of the stream, which errors call `name`. */
pix_status pix_line_read(FILE *in, int end, const char *name, pix_bytes *line, bool *more,
                         pix_error *error);

/* An entry and the number of its line, from 1; 0 for one that stood in no file. */
typedef struct pix_list_entry {
    char *text;
    size_t line;
} pix_list_entry;

/* Entries in order; zeroed is empty. */
typedef struct pix_list {
    pix_list_entry *entries;
    size_t count, capacity;
} pix_list;

void pix_list_free(pix_list *list);

/* Appends `text` without the spaces, tabs and CRs around it, unless nothing else is there. */
pix_status pix_list_add(pix_list *list, const char *text, size_t size, size_t line);

/* Appends each line; a byte order mark before the first is dropped.  A line that holds NUL or is
 * not UTF-8 is PIX_EFORMAT. */
pix_status pix_list_read(pix_list *list, FILE *in, const char *name, pix_error *error);
pix_status pix_list_read_file(pix_list *list, const char *path, pix_error *error);

#endif
