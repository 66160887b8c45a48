/* pixgrepd failures: the files that could not be indexed, told or given another chance. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
#include "indexer/targets.h"

typedef struct listing {
    bool json;
    pix_paths below; /* empty: everything */
} listing;

static void print_json(const pix_failure *failure) {
    (void)putchar('{');
    pix_json_bytes(stdout, "path", failure->path, strlen(failure->path));
    (void)fputs(",\"stage\":", stdout);
    pix_json_string(stdout, failure->stage, strlen(failure->stage));
    (void)fputs(",\"reason\":", stdout);
    pix_json_string(stdout, failure->reason, strlen(failure->reason));
    (void)printf(",\"tries\":%" PRId64 ",\"first_at\":%" PRId64 "}\n", failure->tries,
                 failure->first_at);
}

static void print_line(const pix_failure *failure) {
    pix_print_path(stdout, failure->path);
    (void)putchar('\t');
    pix_print_path(stdout, failure->reason);
    (void)putchar('\t');
    pix_print_path(stdout, failure->stage);
    (void)printf("\t%s\n", pix_text_time(failure->first_at));
}

static pix_status print_failure(void *context, const pix_failure *failure) {
    const listing *list = context;
    bool wanted = list->below.count == 0;
    for (size_t i = 0; i < list->below.count && !wanted; i++)
        wanted = pix_path_is_within(failure->path, list->below.items[i]);
    if (wanted && list->json)
        print_json(failure);
    else if (wanted)
        print_line(failure);
    return PIX_OK;
}

static pix_status list_failures(const pix_options *options, const pix_paths *below,
                                pix_error *error) {
    listing list = {.json = options->json, .below = *below};
    pix_store *store;
    pix_status status = pix_command_open_store(options, PIX_STORE_READ, &store, error);
    if (!status)
        status = pix_store_failures(store, print_failure, &list, error);
    pix_store_close(store);
    return status;
}

static pix_status retry(const pix_edit *edit, const char *path, pix_error *error) {
    int64_t count;
    pix_status status = pix_store_failures_retry(edit->store, path, &count, error);
    if (!status && count == 0 && strcmp(path, "/") != 0)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: no failure is known there", path);
    *edit->count += count;
    return status;
}

pix_status pix_edit_retry(const pix_edit *edit, pix_error *error) {
    int64_t count = 0;
    pix_edit counting = *edit;
    counting.count = &count;
    pix_status status = edit->paths->count == 0 ? retry(&counting, "/", error) : PIX_OK;
    for (size_t i = 0; i < edit->paths->count && !status; i++)
        status = pix_edit_by_name(&counting, edit->paths->items[i], retry, error);
    if (!status)
        (void)fprintf(edit->output, "%s %s: pixgrepd index tries again\n", pix_text_count(count),
                      count == 1 ? "file" : "files");
    return status;
}

pix_exit pix_command_failures(const pix_options *options, pix_error *error) {
    pix_paths below = {0};
    pix_status status = PIX_OK;
    if (options->retry)
        return pix_edit_command(options, PIX_CALL_RETRY, error);
    for (size_t i = 0; i < 2 * options->operand_count && !status; i++) {
        const char *name = options->operands[i / 2]; /* as of pix_edit_by_name */
        bool exists;
        char *path = i % 2 == 0 ? pix_folder_path(name, &exists, error)
                                : pix_folder_path_as_named(name, error);
        if (!path)
            status = error->status;
        else if (pix_paths_add(&below, path))
            status = pix_fail_memory(error);
        free(path);
    }
    if (!status)
        status = list_failures(options, &below, error);
    pix_paths_free(&below);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
