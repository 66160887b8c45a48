/* pixgrepd roots, failures and forget: the folders and files the index knows. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/files.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/json.h"
#include "indexer/paths.h"
#include "indexer/targets.h"

static void print_root_json(const pix_root *root) {
    json_t *object = json_object();
    pix_json_set_path(object, "path", root->path);
    json_t *rest = json_pack("{s:I, s:I, s:s, s:b}", "photos", (json_int_t)root->photos,
                             "scanned_at", (json_int_t)root->scanned_at, "identity", root->identity,
                             "is_mount", root->is_mount);
    (void)json_object_update(object, rest);
    json_decref(rest);
    pix_json_print(object);
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

static void print_failure_json(const pix_failure *failure) {
    json_t *object = json_object();
    pix_json_set_path(object, "path", failure->path);
    (void)json_object_set_new(object, "stage", json_string(failure->stage));
    pix_json_set_path(object, "reason", failure->reason);
    json_t *rest = json_pack("{s:I, s:I}", "tries", (json_int_t)failure->tries, "first_at",
                             (json_int_t)failure->first_at);
    (void)json_object_update(object, rest);
    json_decref(rest);
    pix_json_print(object);
}

static pix_status print_failure(void *context, const pix_failure *failure) {
    const pix_options *options = context;
    if (options->json) {
        print_failure_json(failure);
        return PIX_OK;
    }
    pix_print_path(stdout, failure->path);
    (void)putchar('\t');
    pix_print_path(stdout, failure->reason);
    (void)putchar('\n');
    return PIX_OK;
}

pix_exit pix_command_failures(const pix_options *options, pix_error *error) {
    pix_store *store;
    pix_status status = pix_command_open_store(options, PIX_STORE_READ, &store, error);
    if (!status)
        status = pix_store_failures(store, print_failure, (void *)options, error);
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

static pix_status forget(pix_store *store, const char *folder, pix_error *error) {
    root_search search = {.folder = folder};
    int64_t photos = 0;
    pix_status status = pix_store_roots(store, search_root, &search, error);
    if (!status)
        status = pix_store_forget(store, folder, &photos, error);
    if (!status && photos == 0 && !search.found)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: nothing of it is in the index", folder);
    if (!status)
        status = pix_store_commit(store, error);
    if (!status) {
        pix_print_path(stdout, folder);
        (void)printf(": %s %s forgotten\n", pix_text_count(photos),
                     photos == 1 ? "photo" : "photos");
    }
    return status;
}

pix_exit pix_command_forget(const pix_options *options, pix_error *error) {
    bool exists;
    char *folder = pix_folder_path(options->operands[0], &exists);
    pix_store *store = NULL;
    pix_status status = folder ? PIX_OK : pix_fail_memory(error);
    if (!status) /* only to say so when there is no index: writing would make one */
        status = pix_command_open_store(options, PIX_STORE_READ, &store, error);
    pix_store_close(store);
    store = NULL;
    if (!status)
        status = pix_command_open_store(options, PIX_STORE_WRITE, &store, error);
    if (!status)
        status = forget(store, folder, error);
    pix_store_close(store);
    free(folder);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
