/* pixgrepd approve-removals: photos that went with too many others are taken for removed after all.
 */
#include <stdio.h>
#include <string.h>

#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
#include "indexer/targets.h"
#include "indexer/walk.h"

typedef struct approval {
    const char *root;
    int64_t back, unknown;
} approval;

/* Between the run that held them and the approval, some may have come back; one that lies where no
 * walk comes to, as beside a .nomedia, has not. */
static pix_judgement judge(void *context, const char *path) {
    static const pix_walk_options everything = {.follow = true, .hidden = true};
    approval *counts = context;
    pix_walk_entry entry = {0};
    pix_walk *walk;
    pix_error error;
    pix_status status = pix_walk_open_parts(counts->root, &path, 1, &everything, &walk, &error);
    do
        status = status ? status : pix_walk_next(walk, &entry, &error);
    while (!status && entry.kind == PIX_WALK_MOUNT);
    if (status)
        entry.kind = PIX_WALK_TROUBLE;
    pix_walk_close(walk);
    counts->back += entry.kind == PIX_WALK_PHOTO;
    counts->unknown += entry.kind == PIX_WALK_TROUBLE;
    return entry.kind == PIX_WALK_PHOTO ? PIX_JUDGED_BACK
           : entry.kind == PIX_WALK_END ? PIX_JUDGED_GONE
                                        : PIX_JUDGED_UNKNOWN;
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
    if (!status && now.untold)
        return pix_fail(error, PIX_EIO,
                        "%s: which file system it is on cannot be told without "
                        "/proc/self/mountinfo",
                        target->root);
    if (!status &&
        (strcmp(now.text, target->identity_before) != 0 || now.is_mount != target->mount_before))
        status = pix_fail(error, PIX_EMISMATCH, "%s: is on another file system than before",
                          target->root);
    if (!status && pix_root_is_bare(target->root))
        status = pix_fail(error, PIX_EMISMATCH,
                          "%s: is empty, as where a drive is away (if its photos are gone for "
                          "good: pixgrepd forget)",
                          target->root);
    return status;
}

static pix_status approve(const pix_edit *edit, const pix_target *target, pix_error *error) {
    pix_error away;
    pix_status status = check_root(target, &away);
    if (status && target->named)
        *error = away;
    if (status)
        return target->named ? status : PIX_OK;
    approval counts = {.root = target->root};
    int64_t gone;
    status = pix_store_held_judge(edit->store, target->folder, judge, &counts, &gone, error);
    if (!status) /* it may have gone meanwhile */
        status = check_root(target, error);
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
