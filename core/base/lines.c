#include "core/base/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

pix_status pix_line_read(FILE *in, int end, const char *name, pix_bytes *line, bool *more,
                         pix_error *error) {
    *more = false;
    pix_bytes_clear(line);
    errno = 0;
    ssize_t length = getdelim(&line->data, &line->capacity, end, in);
    if (length < 0)
        return feof(in) ? PIX_OK : pix_fail_errno(error, "cannot read %s", name);
    line->size = (size_t)length;
    if (line->data[line->size - 1] == (char)end)
        line->data[--line->size] = '\0';
    *more = true;
    return PIX_OK;
}

void pix_list_free(pix_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].text);
    free(list->entries);
    *list = (pix_list){0};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

pix_status pix_list_add(pix_list *list, const char *text, size_t size, size_t line) {
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    while (size > 0 && is_blank(text[0])) {
        text++;
        size--;
    }
    if (size == 0)
        return PIX_OK;
    pix_list_entry *entries =
        pix_array_reserve(list->entries, &list->capacity, list->count, 1, sizeof *entries);
    if (!entries)
        return PIX_ENOMEM;
    list->entries = entries;
    char *copy = strndup(text, size);
    if (!copy)
        return PIX_ENOMEM;
    entries[list->count++] = (pix_list_entry){copy, line};
    return PIX_OK;
}

pix_status pix_list_read(pix_list *list, FILE *in, const char *name, pix_error *error) {
    static const char mark[] = "\xEF\xBB\xBF";
    pix_bytes line = {0};
    bool more = true;
    pix_status status = PIX_OK;
    for (size_t number = 1; !status; number++) {
        status = pix_line_read(in, '\n', name, &line, &more, error);
        if (status || !more)
            break;
        size_t skipped = number == 1 && strncmp(line.data, mark, 3) == 0 ? 3 : 0;
        if (memchr(line.data, '\0', line.size) || !pix_is_utf8(line.data, line.size))
            status = pix_fail(error, PIX_EFORMAT, "%s, line %zu: not UTF-8 text", name, number);
        else if (pix_list_add(list, line.data + skipped, line.size - skipped, number))
            status = pix_fail_memory(error);
    }
    pix_bytes_free(&line);
    return status;
}

pix_status pix_list_read_file(pix_list *list, const char *path, pix_error *error) {
    FILE *in = fopen(path, "re");
    if (!in)
        return pix_fail_errno(error, "%s", path);
    pix_status status = pix_list_read(list, in, path, error);
    (void)fclose(in);
    return status;
}
