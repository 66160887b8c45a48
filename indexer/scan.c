#include "indexer/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "indexer/counter.h"
#include "indexer/format.h"

static const int64_t COMMIT_NS = 1000000000;

/* How long to wait for a worker before looking at signals, commits and progress again. */
enum { COLLECT_MS = 100 };

/* So many may go unasked, whatever part of a root they are. */
enum { FEW_PHOTOS = 50 };

const char pix_stage_permission[] = "permission", pix_stage_interrupted[] = "interrupted";

typedef struct scan_state {
    const pix_scan_context *context;
    const pix_target *target;
    int64_t root_id;
    pix_walk *walk;
    pix_run_counts counts;
    int64_t same;         /* photos that are as the index knew them */
    pix_counter *counter; /* only with progress */
    pix_paths kept;       /* what could not be looked at */
    bool troubled;        /* of the result */
    int64_t committed_ns;
    pix_error *error;
} scan_state;

/* A failure that was not known: one line on standard error. */
static void report(const scan_state *scan, const char *path, const char *reason) {
    pix_progress_clear(scan->context->progress);
    pix_complain("%s %s: %s: %s", scan->context->operation, scan->target->root,
                 pix_path_relative(path, scan->target->root), reason);
}

static void note(const scan_state *scan, const char *text) {
    pix_progress_clear(scan->context->progress);
    pix_complain("%s %s: %s", scan->context->operation, scan->target->folder, text);
}

static void draw_progress(const scan_state *scan) {
    const pix_run_counts *counts = &scan->counts;
    pix_progress_state state = {.done = counts->seen -
                                        (int64_t)pix_pipeline_pending(scan->context->pipeline),
                                .failed = counts->failed};
    if (scan->context->progressed)
        scan->context->progressed(scan->context->context, counts);
    if (!scan->context->progress)
        return;
    state.total = pix_counter_get(scan->counter, &state.total_known);
    if (state.total < counts->seen)
        state.total = counts->seen;
    pix_progress_draw(scan->context->progress, &state);
}

static pix_status commit_when_due(scan_state *scan) {
    if (pix_now_ns() - scan->committed_ns < COMMIT_NS)
        return PIX_OK;
    pix_status status = pix_store_commit(scan->context->store, scan->error);
    if (!status)
        pix_vectors_update(scan->context->vectors, PIX_VECTORS_GROW);
    scan->committed_ns = pix_now_ns();
    return status;
}

/* Not written down: the next run tries again, and what is known of a photo stays; `passing`: the
 * trouble may be over soon. */
static void pass_over(scan_state *scan, const char *path, const char *reason, bool passing) {
    scan->counts.failed++;
    scan->troubled |= passing;
    report(scan, path, reason);
}

static pix_status record_failure(scan_state *scan, const pix_job *job, const char *stage) {
    const pix_scan_context *context = scan->context;
    if (job->failed_before) {
        scan->counts.failed_before++;
    } else {
        scan->counts.failed++;
        report(scan, job->path, job->error.text);
    }
    return pix_store_failure_put(context->store, context->run_id, scan->root_id, job->path,
                                 job->mtime_ns, job->size_bytes, stage, job->error.text,
                                 scan->error);
}

/* A failure that may pass: it does not hide a photo that the index knows. */
static pix_status record_unsettled(scan_state *scan, const pix_job *job, const char *stage) {
    if (job->state == PIX_PHOTO_NEW || job->failed_before)
        return record_failure(scan, job, stage);
    pass_over(scan, job->path, job->error.text, strcmp(stage, pix_stage_permission) != 0);
    return PIX_OK;
}

static void classify(pix_run_counts *counts, const pix_job *job) {
    if (job->state == PIX_PHOTO_CHANGED)
        counts->changed++;
    else if (job->state == PIX_PHOTO_UNENCODED)
        counts->unchanged++;
    else if (job->outcome == PIX_OUTCOME_KNOWN)
        counts->duplicates++;
    else
        counts->added++;
}

static pix_status record_photo(scan_state *scan, const pix_job *job) {
    const pix_scan_context *context = scan->context;
    const pix_photo *photo = &job->photo;
    pix_status status = PIX_OK;
    if (job->outcome == PIX_OUTCOME_ENCODED) {
        pix_content facts = {.width = photo->width,
                             .height = photo->height,
                             .orientation = photo->orientation,
                             .format = photo->format,
                             .taken_at = photo->taken_at,
                             .camera = photo->camera,
                             .has_location = photo->has_location,
                             .latitude = photo->latitude,
                             .longitude = photo->longitude};
        status = pix_store_content_put(context->store, context->recipe, job->content, &facts,
                                       job->vector, context->dimension, scan->error);
        scan->counts.encoded++;
    }
    if (!status)
        status = pix_store_photo_put(context->store, context->run_id, scan->root_id, job->path,
                                     job->mtime_ns, job->size_bytes, job->content, scan->error);
    classify(&scan->counts, job);
    return status;
}

/* A photo that is put off counts for the scan that takes it up again. */
static bool put_off(scan_state *scan, const char *path, int64_t mtime_ns) {
    const pix_scan_context *context = scan->context;
    if (!context->put_off || !context->put_off(context->context, path, mtime_ns))
        return false;
    scan->counts.seen--;
    return true;
}

/* Writes down what became of a job. */
static pix_status record(scan_state *scan, const pix_job *job) {
    switch (job->outcome) {
    case PIX_OUTCOME_ENCODED:
    case PIX_OUTCOME_KNOWN:
        return record_photo(scan, job);
    case PIX_OUTCOME_BROKEN:
        return record_failure(scan, job, job->stage);
    case PIX_OUTCOME_DENIED:
        return record_unsettled(scan, job, pix_stage_permission);
    case PIX_OUTCOME_INTERRUPTED:
        return record_unsettled(scan, job, pix_stage_interrupted);
    case PIX_OUTCOME_UNSTEADY:
        if (put_off(scan, job->path, INT64_MAX))
            return PIX_OK;
        pass_over(scan, job->path, job->error.text, true);
        return PIX_OK;
    case PIX_OUTCOME_TROUBLE:
        pass_over(scan, job->path, job->error.text, true);
        return PIX_OK;
    case PIX_OUTCOME_GONE:
    case PIX_OUTCOME_CANCELLED:
        scan->counts.seen--;
        return PIX_OK;
    }
    return PIX_OK;
}

/* Takes in every job that is finished; waits for the first one at most `timeout_ms`. */
static pix_status collect(scan_state *scan, int timeout_ms) {
    pix_pipeline *pipeline = scan->context->pipeline;
    pix_status status = PIX_OK;
    pix_job *job;
    while (!status && (job = pix_pipeline_collect(pipeline, timeout_ms))) {
        status = record(scan, job);
        pix_pipeline_settle(pipeline, job);
        timeout_ms = 0;
    }
    draw_progress(scan);
    return status ? status : commit_when_due(scan);
}

static pix_status see_trouble(scan_state *scan, const pix_walk_entry *entry) {
    const pix_scan_context *context = scan->context;
    if (pix_paths_add(&scan->kept, entry->path))
        return pix_fail_memory(scan->error);
    pix_photo_state state;
    pix_status status = pix_store_photo_see(context->store, context->run_id, context->recipe,
                                            entry->path, 0, 0, &state, scan->error);
    if (status)
        return status;
    if (state == PIX_PHOTO_FAILED_BEFORE) {
        scan->counts.failed_before++;
        scan->troubled |= entry->passing;
        return PIX_OK;
    }
    pass_over(scan, entry->path, entry->reason, entry->passing);
    if (state != PIX_PHOTO_NEW) /* an indexed photo: a failure would hide it */
        return PIX_OK;
    return pix_store_failure_put(context->store, context->run_id, scan->root_id, entry->path, 0, 0,
                                 "walk", entry->reason, scan->error);
}

static pix_status see_photo(scan_state *scan, const pix_walk_entry *entry) {
    const pix_scan_context *context = scan->context;
    pix_photo_state state;
    pix_status status =
        pix_store_photo_see(context->store, context->run_id, context->recipe, entry->path,
                            entry->mtime_ns, entry->size_bytes, &state, scan->error);
    if (status)
        return status;
    scan->counts.seen++;
    if (state != PIX_PHOTO_NEW && state != PIX_PHOTO_CHANGED)
        scan->same++;
    bool unsettled =
        state == PIX_PHOTO_FAILED_BEFORE && pix_paths_has(context->unsettled, entry->path);
    if (state == PIX_PHOTO_UNCHANGED)
        scan->counts.unchanged++;
    else if (state == PIX_PHOTO_RETURNED)
        scan->counts.returned++;
    else if (state == PIX_PHOTO_FAILED_BEFORE && !unsettled)
        scan->counts.failed_before++;
    else if (state == PIX_PHOTO_UNENCODED || !put_off(scan, entry->path, entry->mtime_ns)) {
        pix_job *job = pix_job_new(entry->path, entry->mtime_ns, entry->size_bytes);
        if (!job)
            return pix_fail_memory(scan->error);
        job->state = state;
        job->failed_before = unsettled;
        pix_pipeline_submit(context->pipeline, job);
    }
    return PIX_OK;
}

/* Walks to the end or until stopped, then drains the pipeline. */
static pix_status walk_and_encode(scan_state *scan, bool *stopped) {
    const pix_scan_context *context = scan->context;
    pix_walk_entry entry;
    pix_status status = PIX_OK;
    do {
        *stopped = context->stopped(context->context);
        if (*stopped) {
            pix_pipeline_stop(context->pipeline);
            break;
        }
        status = pix_walk_next(scan->walk, &entry, scan->error);
        if (status)
            break;
        if (entry.kind == PIX_WALK_TROUBLE)
            status = see_trouble(scan, &entry);
        else if (entry.kind == PIX_WALK_MOUNT)
            status = pix_store_mount_meet(context->store, context->run_id, entry.path,
                                          entry.identity, scan->error);
        else if (entry.kind == PIX_WALK_PHOTO)
            status = see_photo(scan, &entry);
        do {
            if (!status)
                status = collect(scan, pix_pipeline_has_room(context->pipeline) ? 0 : COLLECT_MS);
        } while (!status && !pix_pipeline_has_room(context->pipeline));
    } while (!status && entry.kind != PIX_WALK_END);
    while (!status && pix_pipeline_pending(context->pipeline) > 0) {
        if (context->stopped(context->context)) {
            *stopped = true;
            pix_pipeline_stop(context->pipeline);
        }
        status = collect(scan, COLLECT_MS);
    }
    return status;
}

/* A root on another file system: perhaps another drive in the place of the one indexed, perhaps the
 * same photos on a new drive.  At least half of them being as they were tells the second; then the
 * next run trusts what it sees again. */
static pix_status meet_elsewhere(scan_state *scan) {
    const pix_target *target = scan->target;
    if (target->parts.count > 0) /* of a batch of changes: the scan before has told it */
        return PIX_OK;
    if (strcmp(target->root, target->folder) != 0 || 2 * scan->same < target->photos) {
        note(scan, "is on another file system than before: nothing is removed from the index");
        return PIX_OK;
    }
    note(scan, "is on another file system than before, with the same photos: noted; nothing is "
               "removed from the index this time");
    return pix_store_root_put(scan->context->store, target->root, target->identity.text,
                              target->identity.is_mount, &scan->root_id, scan->error);
}

static void tell_held(const scan_state *scan, const pix_swept *swept) {
    const char *folder = scan->target->folder;
    pix_progress_clear(scan->context->progress);
    pix_complain("%s %s: %s of %s photos are gone at once: they stay in the index until they "
                 "return (if they are gone for good: pixgrepd approve-removals %s)",
                 scan->context->operation, folder, pix_text_count(swept->held),
                 pix_text_count(swept->photos), folder);
}

/* Photos on a drive that is away, or hidden by one, or that are not on the new drive of theirs. */
static void tell_elsewhere(void *context, const char *path, int64_t photos, bool noted) {
    const scan_state *scan = context;
    const char *operation = scan->context->operation, *folder = scan->target->folder;
    const char *count = pix_text_count(photos), *were = photos == 1 ? "photo was" : "photos were";
    pix_progress_clear(scan->context->progress);
    if (noted)
        pix_complain("%s %s: %s %s on another file system than is at %s now, with the same photos "
                     "otherwise: noted; nothing of it is removed from the index this time",
                     operation, folder, count, were, path);
    else
        pix_complain("%s %s: %s %s on another file system than is at %s now: nothing of it is "
                     "removed from the index (if they are gone for good: pixgrepd forget %s; what "
                     "is there now is then indexed anew)",
                     operation, folder, count, were, path, path);
}

/* A drive that went away since the run began took no photo along. */
static bool is_still_there(const pix_target *target) {
    pix_root_identity now;
    return !pix_root_identify(target->root, NULL, &now, NULL) &&
           strcmp(now.text, target->identity.text) == 0 &&
           now.is_mount == target->identity.is_mount && now.inode == target->identity.inode;
}

/* What a mount that went away since it was walked hid, or held, is not known. */
static pix_status keep_what_went_away(scan_state *scan) {
    const pix_paths *mounts = pix_walk_mounts(scan->walk);
    pix_bytes now = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < mounts->count && !status; i += 2)
        if (pix_mount_identify(mounts->items[i], &now, NULL) ||
            strcmp(now.data, mounts->items[i + 1]) != 0) {
            scan->troubled = true;
            status = pix_paths_add(&scan->kept, mounts->items[i]);
        }
    pix_bytes_free(&now);
    return status ? pix_fail_memory(scan->error) : PIX_OK;
}

/* A file system that the walk was told to leave out: what is there is no longer wanted. */
static pix_status take_left_out(void *context, const char *path, const char *identity) {
    scan_state *scan = context;
    bool out;
    if (pix_walk_leaves_out(scan->walk, path, &out))
        return pix_fail_memory(scan->error);
    return out ? pix_store_mount_meet(scan->context->store, scan->context->run_id, path, identity,
                                      scan->error)
               : PIX_OK;
}

static bool is_unwanted(void *context, const char *path) {
    const scan_state *scan = context;
    bool unwanted;
    return !pix_walk_has_unwanted(scan->walk, path, &unwanted) && unwanted;
}

static pix_status sweep_store(scan_state *scan, pix_swept *swept) {
    const pix_scan_context *context = scan->context;
    const pix_target *target = scan->target;
    const char *folder = target->folder;
    bool parts = target->parts.count > 0;
    pix_sweep what = {.folders = parts ? (const char *const *)target->parts.items : &folder,
                      .folder_count = parts ? target->parts.count : 1,
                      .kept = (const char *const *)scan->kept.items,
                      .kept_count = scan->kept.count,
                      .photos = target->photos,
                      .few = FEW_PHOTOS,
                      .elsewhere = tell_elsewhere,
                      .unwanted = is_unwanted,
                      .context = scan};
    pix_status status =
        pix_store_mounts(context->store, target->root, take_left_out, scan, scan->error);
    return status ? status
                  : pix_store_sweep(context->store, context->run_id, scan->root_id, &what, swept,
                                    scan->error);
}

/* Marks what is gone, if this walk can tell. */
static pix_status sweep(scan_state *scan) {
    const pix_target *target = scan->target;
    pix_run_counts *counts = &scan->counts;
    if (target->identity.untold) {
        note(scan, "/proc/self/mountinfo, which tells what is mounted, cannot be read: nothing is "
                   "removed from the index");
        return PIX_OK;
    }
    if (target->elsewhere)
        return meet_elsewhere(scan);
    if (!is_still_there(target)) {
        scan->troubled = true;
        note(scan, "went away meanwhile: nothing is removed from the index");
        return PIX_OK;
    }
    if (counts->seen == 0 && target->photos > 0 && target->parts.count == 0) {
        note(scan, "no photo can be seen in it: nothing is removed from the index "
                   "(if they are gone for good: pixgrepd forget)");
        return PIX_OK;
    }
    pix_swept swept = {0};
    pix_status status = keep_what_went_away(scan);
    if (!status)
        status = sweep_store(scan, &swept);
    int64_t moved = swept.moved;
    /* A moved photo was met as a duplicate, or as new when its content had no vector yet. */
    int64_t from_duplicates = moved < counts->duplicates ? moved : counts->duplicates;
    int64_t from_added =
        moved - from_duplicates < counts->added ? moved - from_duplicates : counts->added;
    counts->duplicates -= from_duplicates;
    counts->added -= from_added;
    counts->moved = from_duplicates + from_added;
    counts->removed = swept.removed - counts->moved;
    counts->held = swept.held;
    if (!status && swept.held > 0)
        tell_held(scan, &swept);
    return status;
}

/* Photos whose new paths the index had been told were met unchanged. */
static void count_renamed(pix_run_counts *counts, int64_t renamed) {
    int64_t met = renamed < counts->unchanged ? renamed : counts->unchanged;
    counts->unchanged -= met;
    counts->moved += met;
}

pix_status pix_scan(const pix_scan_context *context, const pix_target *target,
                    pix_scan_result *result, pix_error *error) {
    *result = (pix_scan_result){0};
    scan_state scan = {.context = context,
                       .target = target,
                       .root_id = target->id,
                       .error = error,
                       .committed_ns = pix_now_ns()};
    pix_walk_options uncounted = *context->walk; /* the counter tells nobody of folders */
    uncounted.entering = NULL;
    int64_t start = pix_now_ns();
    pix_status status =
        target->parts.count > 0
            ? pix_walk_open_parts(target->root, (const char *const *)target->parts.items,
                                  target->parts.count, context->walk, &scan.walk, error)
            : pix_walk_open(target->root, target->folder, context->walk, &scan.walk, error);
    if (status && target->known) {
        pix_progress_clear(context->progress);
        pix_complain("%s %s: nothing is removed from the index", context->operation, error->text);
        result->unreadable = result->troubled = true;
        return PIX_OK;
    }
    for (size_t i = 0; i < target->inner_count && !status; i++)
        status = pix_store_mount_assume(context->store, target->inner[i].path,
                                        target->inner[i].identity, error);
    if (!status && !target->known)
        status = pix_store_root_put(context->store, target->root, target->identity.text,
                                    target->identity.is_mount, &scan.root_id, error);
    if (!status && context->progress)
        scan.counter = pix_counter_open(target->root, target->folder, &uncounted);
    if (!status)
        status = walk_and_encode(&scan, &result->stopped);
    if (!status && !result->stopped)
        status = sweep(&scan);
    count_renamed(&scan.counts, target->renamed);
    if (!status)
        status = pix_store_commit(context->store, error);
    pix_progress_clear(context->progress);
    pix_counter_close(scan.counter);
    pix_walk_close(scan.walk);
    pix_paths_free(&scan.kept);
    result->counts = scan.counts;
    result->troubled = scan.troubled;
    result->seconds = (double)(pix_now_ns() - start) / 1e9;
    return status;
}
