/* pixgrepd roots and forget: the folders the index knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
#include "indexer/paths.h"
#include "indexer/targets.h"
#include "indexer/vectors.h"

static void print_root_json(const pix_root *root) {
    (void)putchar('{');
    pix_json_bytes(stdout, "path", root->path, strlen(root->path));
    (void)printf(",\"photos\":%" PRId64 ",\"scanned_at\":%" PRId64 ",\"identity\":", root->photos,
                 root->scanned_at);
    pix_json_string(stdout, root->identity, strlen(root->identity));
    (void)printf(",\"is_mount\":%s}\n", root->is_mount ? "true" : "false");
}

static pix_status print_root(void *context, const pix_root *root) {
    const pix_options *options = context;
    if (options->json) {
        print_root_json(root);
        return PIX_OK;
    }
    (void)printf("%s\t%s\t", pix_text_count(root->photos), pix_text_time(root->scanned_at));
    pix_print_path(stdout, root->identity);
    (void)putchar('\t');
    pix_print_path(stdout, root->path);
    (void)putchar('\n');
    return PIX_OK;
}

pix_exit pix_command_roots(const pix_options *options, pix_error *error) {
    pix_store *store;
    pix_status status = pix_command_open_store(options, PIX_STORE_READ, &store, error);
    if (!status)
        status = pix_store_roots(store, print_root, (void *)options, error);
    pix_store_close(store);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}

typedef struct root_search {
    const char *folder;
    bool found;
} root_search;

static pix_status search_root(void *context, const pix_root *root) {
    root_search *search = context;
    search->found |= pix_path_is_within(root->path, search->folder);
    return PIX_OK;
}

static pix_status forget(const pix_edit *edit, const char *folder, pix_error *error) {
    root_search search = {.folder = folder};
    int64_t photos = 0;
    pix_status status = pix_store_roots(edit->store, search_root, &search, error);
    if (!status)
        status = pix_store_forget(edit->store, folder, &photos, error);
    if (!status && photos == 0 && !search.found)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: nothing of it is in the index", folder);
    if (!status)
        status = pix_store_commit(edit->store, error);
    if (!status) {
        pix_vectors vectors = {.store = edit->store, .operation = "forget"};
        pix_vectors_update(&vectors, PIX_VECTORS_ERASE);
        pix_print_path(edit->output, folder);
        (void)fprintf(edit->output, ": %s %s forgotten\n", pix_text_count(photos),
                      photos == 1 ? "photo" : "photos");
    }
    return status;
}

pix_status pix_edit_forget(const pix_edit *edit, pix_error *error) {
    return pix_edit_by_name(edit, edit->paths->items[0], forget, error);
}

pix_exit pix_command_forget(const pix_options *options, pix_error *error) {
    return pix_edit_command(options, PIX_CALL_FORGET, error);
}
