/* pixgrepd approve-removals: photos that went with too many others are taken for removed after all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
#include "indexer/targets.h"

typedef struct approval {
    int64_t back, unknown;
} approval;

/* Between the run that held them and the approval, some may have come back. */
static pix_judgement judge(void *context, const char *path) {
    approval *counts = context;
    struct stat info;
    if (lstat(path, &info) == 0) {
        counts->back++;
        return PIX_JUDGED_BACK;
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return PIX_JUDGED_GONE;
    counts->unknown++;
    return PIX_JUDGED_UNKNOWN;
}

static void print_target(FILE *out, const pix_target *target, int64_t gone,
                         const approval *counts) {
    pix_print_path(out, target->folder);
    (void)fprintf(out, ": %s removed", pix_text_count(gone));
    if (counts->back > 0)
        (void)fprintf(out, ", %s are back", pix_text_count(counts->back));
    if (counts->unknown > 0)
        (void)fprintf(out, ", %s cannot be looked at and stay", pix_text_count(counts->unknown));
    (void)fputc('\n', out);
}

/* A root that is away tells nothing of its photos; the folder that was named may well be gone. */
static pix_status check_root(const pix_target *target, pix_error *error) {
    pix_root_identity now;
    if (!target->known)
        return pix_fail(error, PIX_ENOTFOUND, "%s: nothing of it is in the index", target->folder);
    pix_status status = pix_root_identify(target->root, NULL, &now, error);
    if (!status &&
        (strcmp(now.text, target->identity_before) != 0 || now.is_mount != target->mount_before))
        status = pix_fail(error, PIX_EMISMATCH, "%s: is on another file system than before",
                          target->root);
    return status;
}

static pix_status approve(const pix_edit *edit, const pix_target *target, pix_error *error) {
    pix_status status = check_root(target, error);
    if (status)
        return target->named ? status : PIX_OK;
    approval counts = {0};
    int64_t gone;
    status = pix_store_held_judge(edit->store, target->folder, judge, &counts, &gone, error);
    if (!status)
        print_target(edit->output, target, gone, &counts);
    return status;
}

pix_status pix_edit_approve(const pix_edit *edit, pix_error *error) {
    pix_targets targets;
    pix_status status = pix_targets_choose(edit->store, (const char *const *)edit->paths->items,
                                           edit->paths->count, &targets, error);
    for (size_t i = 0; i < targets.count && !status; i++)
        status = approve(edit, &targets.items[i], error);
    pix_targets_free(&targets);
    return status;
}

pix_exit pix_command_approve(const pix_options *options, pix_error *error) {
    return pix_edit_command(options, PIX_CALL_APPROVE, error);
}
