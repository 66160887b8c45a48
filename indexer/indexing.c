#include "indexer/indexing.h"

#include <stdio.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/clip/library.h"
#include "indexer/background.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/summary.h"

/* Vectors of photos that have been missing this long are dropped. */
enum { MISSING_DAYS = 90 };

pix_status pix_indexing_open(const pix_options *options, pix_indexing *out, pix_error *error) {
    *out = (pix_indexing){
        .threads = options->threads > 0 ? options->threads : pix_cpu_count(),
        .recipe = {.exact = options->exact, .ignore_rotation = options->no_autorotate},
        .walk = {.follow = options->follow,
                 .hidden = options->hidden,
                 .excludes = options->excludes,
                 .exclude_count = options->exclude_count}};
    pix_library_tidy();
    pix_status status = pix_library_open(options->model, &out->model, error);
    if (!status)
        out->recipe.precision = pix_precision_name(
            pix_precision_or(options->precision, pix_model_precision(out->model)));
    if (!status)
        status = pix_command_open_store(options, PIX_STORE_WRITE, &out->store, error);
    if (status)
        pix_indexing_close(out);
    return status;
}

void pix_indexing_close(pix_indexing *indexing) {
    pix_pipeline_close(indexing->pipeline);
    pix_store_close(indexing->store);
    pix_model_close(indexing->model);
    *indexing = (pix_indexing){0};
}

static pix_status note_unsettled(void *context, const pix_failure *failure) {
    bool unsettled =
        strcmp(failure->stage, pix_stage_permission) == 0 ||
        (strcmp(failure->stage, pix_stage_interrupted) == 0 && failure->tries < PIX_INTERRUPTIONS);
    return unsettled ? pix_paths_add((pix_paths *)context, failure->path) : PIX_OK;
}

/* The model's place in the store, the run, and what earlier runs left to be tried again. */
static pix_status begin(pix_indexing *indexing, pix_scan_context *scan, bool small,
                        pix_paths *unsettled, pix_error *error) {
    pix_store *store = indexing->store;
    pix_recipe *recipe = &indexing->recipe;
    pix_status status = pix_store_model_put(store, pix_model_name(indexing->model),
                                            pix_model_fingerprint(indexing->model), scan->dimension,
                                            &recipe->model_id, error);
    if (!status)
        status = small ? pix_store_run_go_on(store, recipe->model_id, &scan->run_id, error)
                       : pix_store_run_begin(store, recipe->model_id, &scan->run_id, error);
    if (!status)
        status = pix_store_failures(store, note_unsettled, unsettled, error);
    if (status == PIX_ENOMEM)
        status = pix_fail_memory(error);
    pix_paths_sort(unsettled);
    pix_pipeline_settings settings = {
        .model = indexing->model, .store = store, .recipe = *recipe, .threads = indexing->threads};
    if (!status && !indexing->pipeline)
        status = pix_pipeline_open(&settings, &indexing->pipeline, error);
    if (!status)
        pix_pipeline_resume(indexing->pipeline);
    scan->pipeline = indexing->pipeline;
    return status;
}

static pix_status scan_target(const pix_scan_context *scan, const pix_target *target, pix_run *run,
                              pix_error *error) {
    if (target->away[0]) {
        pix_complain("%s %s: %s: nothing is removed from the index", run->operation, target->folder,
                     target->away);
        run->away |= target->named;
        return PIX_OK;
    }
    pix_scan_result result;
    pix_status status = pix_scan(scan, target, &result, error);
    pix_run_counts_add(&run->counts, &result.counts);
    run->early |= result.stopped;
    run->away |= result.unreadable && target->named;
    run->troubled |= result.troubled;
    if (!status && !result.unreadable && run->scanned)
        run->scanned(run->context, target, &result);
    return status;
}

/* Vectors that are damaged are made anew, like those that are missing. */
static pix_status mend_vectors(pix_indexing *indexing, const char *operation, pix_error *error) {
    int64_t dropped;
    pix_status status =
        pix_store_vectors_mend(indexing->store, indexing->recipe.model_id, &dropped, error);
    if (!status && dropped > 0)
        pix_complain("%s: %s of the stored vectors %s damaged: made anew", operation,
                     pix_text_count(dropped), dropped == 1 ? "was" : "were");
    return status;
}

static bool all_whole(const pix_targets *targets) {
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].parts.count > 0)
            return false;
    return true;
}

static pix_status run_all(pix_indexing *indexing, const pix_targets *targets,
                          const pix_scan_context *scan, pix_run *run, pix_error *error) {
    const bool whole = all_whole(targets);
    pix_status status = whole ? mend_vectors(indexing, run->operation, error) : PIX_OK;
    for (size_t i = 0; i < targets->count && !status && !run->early; i++) {
        run->early = run->stopped(run->context);
        if (!run->early)
            status = scan_target(scan, &targets->items[i], run, error);
    }
    if (!status)
        status = pix_store_run_end(indexing->store, scan->run_id, &run->counts,
                                   run->early ? "stopped" : "complete", error);
    if (!status && whole && !run->early && run->counts.failed == 0)
        status = pix_store_purge(indexing->store, MISSING_DAYS, error);
    if (!status && whole && !run->early)
        status = pix_background_refresh(indexing, error);
    if (!status)
        status = pix_store_commit(indexing->store, error);
    if (!status)
        pix_vectors_update(scan->vectors,
                           whole && !run->early ? PIX_VECTORS_SETTLE : PIX_VECTORS_GROW);
    return status;
}

/* A root that is away, or another drive in its place, cannot have told of renames. */
static pix_status rename_photos(pix_store *store, int64_t run_id, pix_targets *targets,
                                const pix_paths *renames, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i + 1 < renames->count && !status; i += 2) {
        const char *from = renames->items[i], *to = renames->items[i + 1];
        for (size_t k = 0; k < targets->count; k++) {
            pix_target *target = &targets->items[k];
            if (target->away[0] || target->elsewhere || !pix_path_is_within(to, target->root))
                continue;
            int64_t photos;
            status = pix_store_rename(store, run_id, target->id, from, to, &photos, error);
            target->renamed += photos;
            break;
        }
    }
    return status;
}

pix_status pix_indexing_run(pix_indexing *indexing, pix_targets *targets, pix_run *run,
                            pix_error *error) {
    pix_paths unsettled = {0};
    pix_vectors vectors = {.store = indexing->store,
                           .model = indexing->model,
                           .threads = indexing->threads,
                           .operation = run->operation};
    pix_scan_context scan = {.store = indexing->store,
                             .vectors = &vectors,
                             .progress = run->progress,
                             .recipe = &indexing->recipe,
                             .walk = &indexing->walk,
                             .unsettled = &unsettled,
                             .dimension = pix_model_config(indexing->model)->embed_dim,
                             .operation = run->operation,
                             .stopped = run->stopped,
                             .put_off = run->put_off,
                             .progressed = run->progressed,
                             .context = run->context};
    pix_status status = begin(indexing, &scan, run->small, &unsettled, error);
    vectors.model_id = indexing->recipe.model_id;
    if (!status && run->renames)
        status = rename_photos(indexing->store, scan.run_id, targets, run->renames, error);
    if (!status)
        status = run_all(indexing, targets, &scan, run, error);
    pix_vectors_free(&vectors);
    pix_paths_free(&unsettled);
    return status;
}
