#include "indexer/edit.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "indexer/commands.h"
#include "indexer/remote.h"
#include "indexer/targets.h"

void pix_edit_text_free(pix_edit_text *text) {
    pix_bytes_free(&text->output);
    pix_bytes_free(&text->notes);
}

pix_status pix_edit_by_name(const pix_edit *edit, const char *named,
                            pix_status (*each)(const pix_edit *edit, const char *path,
                                               pix_error *error),
                            pix_error *error) {
    bool exists;
    char *path = pix_folder_path(named, &exists, error);
    pix_status status = path ? each(edit, path, error) : error->status;
    char *other = status == PIX_ENOTFOUND && path ? pix_folder_path_as_named(named, NULL) : NULL;
    pix_error again;
    if (other && strcmp(other, path) != 0 && (status = each(edit, other, &again)) &&
        status != PIX_ENOTFOUND)
        *error = again;
    free(other);
    free(path);
    return status;
}

static pix_status carry_out(const pix_edit *edit, pix_call call, pix_error *error) {
    switch (call) {
    case PIX_CALL_FORGET:
        return pix_edit_forget(edit, error);
    case PIX_CALL_MOVE:
        return pix_edit_move(edit, error);
    case PIX_CALL_APPROVE:
        return pix_edit_approve(edit, error);
    case PIX_CALL_RETRY:
        return pix_edit_retry(edit, error);
    default:
        return pix_fail(error, PIX_EINVALID, "nothing to tell the index");
    }
}

/* A stream whose text is *out, for pix_bytes_free, when it is closed. */
static FILE *open_text(pix_bytes *out) {
    return open_memstream(&out->data, &out->size);
}

pix_status pix_edit_run(pix_store *store, pix_call call, const pix_paths *paths,
                        pix_edit_text *text, pix_error *error) {
    *text = (pix_edit_text){0};
    pix_edit edit = {.store = store,
                     .paths = paths,
                     .output = open_text(&text->output),
                     .notes = open_text(&text->notes)};
    pix_status status =
        edit.output && edit.notes ? carry_out(&edit, call, error) : pix_fail_memory(error);
    if (!status)
        status = pix_store_commit(store, error);
    if (edit.output && fclose(edit.output) && !status)
        status = pix_fail_memory(error);
    if (edit.notes && fclose(edit.notes) && !status)
        status = pix_fail_memory(error);
    if (status) {
        pix_store_undo(store);
        pix_edit_text_free(text);
    }
    return status;
}

static pix_status find_paths(const pix_options *options, pix_paths *paths, pix_error *error) {
    for (size_t i = 0; i < options->operand_count; i++) {
        char *path = pix_path_absolute(options->operands[i]);
        if (!path)
            return pix_fail_errno(error, "%s: cannot find the current folder",
                                  options->operands[i]);
        pix_status status = pix_paths_add(paths, path);
        free(path);
        if (status)
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

/* Does it here, or has the daemon do it that is writing. */
static pix_status run_or_ask(const pix_options *options, pix_call call, const pix_paths *paths,
                             pix_edit_text *text, pix_error *error) {
    pix_store *store;
    pix_status status = pix_command_open_existing(options, &store, error);
    if (!status) {
        status = pix_edit_run(store, call, paths, text, error);
        pix_store_close(store);
    } else if (status == PIX_EBUSY) {
        pix_error busy = *error;
        bool reached;
        status = pix_remote_edit(options, call, paths, text, &reached, error);
        if (!reached)
            *error = busy;
    }
    return status;
}

pix_exit pix_edit_command(const pix_options *options, pix_call call, pix_error *error) {
    pix_paths paths = {0};
    pix_edit_text text = {0};
    pix_status status = find_paths(options, &paths, error);
    if (!status)
        status = run_or_ask(options, call, &paths, &text, error);
    if (!status) {
        (void)fwrite(text.output.data, 1, text.output.size, stdout);
        (void)fwrite(text.notes.data, 1, text.notes.size, stderr);
    }
    pix_edit_text_free(&text);
    pix_paths_free(&paths);
    return status ? PIX_EXIT_ERROR : PIX_EXIT_OK;
}
