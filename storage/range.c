#include "storage/range.h"

#include <string.h>

pix_status pix_range_init(pix_range *range, const char *folder, pix_error *error) {
    *range = (pix_range){.folder = folder, .length = strlen(folder)};
    bool is_top = strcmp(folder, "/") == 0;
    if (folder[0] != '/' || (!is_top && folder[range->length - 1] == '/'))
        return pix_fail(error, PIX_EINVALID, "%s: not an absolute path without a slash at its end",
                        folder);
    if (pix_bytes_append_text(&range->low, folder) ||
        (!is_top && pix_bytes_append_text(&range->low, "/")) ||
        pix_bytes_append(&range->high, range->low.data, range->low.size)) {
        pix_range_free(range);
        return pix_fail_memory(error);
    }
    range->high.data[range->high.size - 1] = '/' + 1;
    return PIX_OK;
}

void pix_range_free(pix_range *range) {
    pix_bytes_free(&range->low);
    pix_bytes_free(&range->high);
}

void pix_bind_range(pix_statement *s, const pix_range *range) {
    pix_bind_bytes(s, range->folder, range->length);
    pix_bind_bytes(s, range->low.data, range->low.size);
    pix_bind_bytes(s, range->high.data, range->high.size);
}

pix_status pix_range_run(const pix_range *range, pix_store *store, pix_sql sql, int64_t *changed,
                         pix_error *error) {
    pix_statement s = pix_statement_begin(store, sql);
    pix_bind_range(&s, range);
    pix_status status = pix_statement_run(&s, error);
    if (changed)
        *changed = status ? 0 : sqlite3_changes64(store->db);
    return status;
}

bool pix_path_is_below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    if (strcmp(folder, "/") == 0)
        return path[0] == '/';
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}
