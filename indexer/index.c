/* pixgrepd index: the folders are chosen, everything is opened, each folder is scanned. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/clip/library.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/interrupt.h"
#include "indexer/scan.h"

/* Vectors of photos that have been missing this long are dropped. */
enum { MISSING_DAYS = 90 };

typedef struct index_run {
    const pix_options *options;
    pix_store *store;
    pix_model *model;
    pix_pipeline *pipeline;
    pix_progress *progress;
    pix_targets targets;
    pix_paths denied;
    pix_recipe recipe;
    pix_walk_options walk;
    int64_t run_id;
    pix_run_counts counts;
    bool stopped;
    bool away;        /* a folder named on the command line cannot be reached */
    int output_cause; /* errno when a summary could not be written */
} index_run;

static pix_status note_denied(void *context, const pix_failure *failure) {
    return strcmp(failure->stage, pix_stage_permission) == 0
               ? pix_paths_add((pix_paths *)context, failure->path)
               : PIX_OK;
}

/* The model's place in the store, the run, and what earlier runs left to be tried again. */
static pix_status begin(index_run *run, pix_error *error) {
    const pix_options *options = run->options;
    run->recipe = (pix_recipe){
        .exact = options->exact, .ignore_rotation = options->no_autorotate, .precision = "fp32"};
    run->walk = (pix_walk_options){.follow = options->follow,
                                   .hidden = options->hidden,
                                   .excludes = options->excludes,
                                   .exclude_count = options->exclude_count};
    pix_status status = pix_store_model_put(
        run->store, pix_model_name(run->model), pix_model_fingerprint(run->model),
        pix_model_config(run->model)->embed_dim, &run->recipe.model_id, error);
    if (!status)
        status = pix_store_run_begin(run->store, run->recipe.model_id, &run->run_id, error);
    if (!status)
        status = pix_store_failures(run->store, note_denied, &run->denied, error);
    if (status == PIX_ENOMEM)
        status = pix_fail_memory(error);
    pix_paths_sort(&run->denied);
    pix_pipeline_settings settings = {.model = run->model,
                                      .store = run->store,
                                      .recipe = run->recipe,
                                      .threads = options->threads};
    return status ? status : pix_pipeline_open(&settings, &run->pipeline, error);
}

/* Returns 0 or why not: the stream itself remembers only that something went wrong. */
static int print_summary(const pix_target *target, const pix_scan_result *result) {
    const pix_run_counts *c = &result->counts;
    pix_print_path(stdout, target->folder);
    (void)printf(": %s seen, %s new, %s changed, %s moved, %s duplicates, ",
                 pix_text_count(c->seen), pix_text_count(c->added), pix_text_count(c->changed),
                 pix_text_count(c->moved), pix_text_count(c->duplicates));
    (void)printf("%s removed, %s returned, %s failed, %s failed before, %s unchanged; ",
                 pix_text_count(c->removed), pix_text_count(c->returned), pix_text_count(c->failed),
                 pix_text_count(c->failed_before), pix_text_count(c->unchanged));
    (void)printf("%s encoded in %s", pix_text_count(c->encoded),
                 pix_text_duration(result->seconds));
    if (c->encoded > 0 && result->seconds > 0)
        (void)printf(" (%.1f photos/s)", (double)c->encoded / result->seconds);
    (void)putchar('\n');
    return fflush(stdout) ? errno : 0;
}

static void add_counts(pix_run_counts *sum, const pix_run_counts *c) {
    sum->seen += c->seen;
    sum->unchanged += c->unchanged;
    sum->added += c->added;
    sum->changed += c->changed;
    sum->moved += c->moved;
    sum->duplicates += c->duplicates;
    sum->removed += c->removed;
    sum->returned += c->returned;
    sum->failed += c->failed;
    sum->failed_before += c->failed_before;
    sum->encoded += c->encoded;
}

static pix_status scan_target(index_run *run, const pix_target *target, pix_error *error) {
    if (target->away[0]) {
        (void)fputs("pixgrepd: index ", stderr);
        pix_print_path(stderr, target->folder);
        (void)fprintf(stderr, ": %s: nothing is removed from the index\n", target->away);
        run->away |= target->named;
        return PIX_OK;
    }
    pix_scan_context context = {.store = run->store,
                                .pipeline = run->pipeline,
                                .progress = run->progress,
                                .recipe = &run->recipe,
                                .walk = &run->walk,
                                .denied = &run->denied,
                                .dimension = pix_model_config(run->model)->embed_dim,
                                .run_id = run->run_id,
                                .stopped = pix_interrupted};
    pix_scan_result result;
    pix_status status = pix_scan(&context, target, &result, error);
    add_counts(&run->counts, &result.counts);
    run->stopped |= result.stopped;
    run->away |= result.unreadable && target->named;
    if (!status && !result.unreadable && !run->options->quiet && !run->output_cause)
        run->output_cause = print_summary(target, &result);
    return status;
}

/* A model that nobody chose is told of. */
static void tell_model(const index_run *run) {
    const char *notice = pix_library_notice(run->options->model, run->model);
    if (notice && !run->options->quiet)
        (void)fprintf(stderr, "pixgrepd: index: %s\n", notice);
}

static pix_status scan_all(index_run *run, pix_error *error) {
    if (!run->options->quiet)
        run->progress = pix_progress_new();
    pix_status status = begin(run, error);
    for (size_t i = 0; i < run->targets.count && !status && !run->stopped; i++) {
        run->stopped = pix_interrupted();
        if (!run->stopped)
            status = scan_target(run, &run->targets.items[i], error);
    }
    if (!status)
        status = pix_store_run_end(run->store, run->run_id, &run->counts,
                                   run->stopped ? "stopped" : "complete", error);
    if (!status && !run->stopped && run->counts.failed == 0)
        status = pix_store_purge(run->store, MISSING_DAYS, error);
    return status ? status : pix_store_commit(run->store, error);
}

static pix_exit outcome(const index_run *run, pix_error *error) {
    if (run->stopped) {
        (void)fputs("pixgrepd: index: stopped early; run it again to go on\n", stderr);
        return PIX_EXIT_STOPPED;
    }
    if (run->away) {
        (void)pix_fail(error, PIX_ENOTFOUND, "not every folder could be reached");
        return PIX_EXIT_ERROR;
    }
    if (run->output_cause) {
        errno = run->output_cause;
        (void)pix_fail_errno(error, "cannot write the output");
        return PIX_EXIT_ERROR;
    }
    return run->counts.failed > 0 ? PIX_EXIT_FAILURES : PIX_EXIT_OK;
}

pix_exit pix_command_index(const pix_options *options, pix_error *error) {
    index_run run = {.options = options};
    pix_status status = pix_interrupt_watch(error);
    if (!status)
        status = pix_library_open(options->model, &run.model, error);
    if (!status)
        status = pix_command_open_store(options, PIX_STORE_WRITE, &run.store, error);
    if (!status)
        status = pix_targets_choose(run.store, options->operands, options->operand_count,
                                    &run.targets, error);
    if (!status) {
        tell_model(&run);
        status = scan_all(&run, error);
    }
    pix_exit code = status ? PIX_EXIT_ERROR : outcome(&run, error);
    pix_progress_free(run.progress);
    pix_pipeline_close(run.pipeline);
    pix_targets_free(&run.targets);
    pix_paths_free(&run.denied);
    pix_store_close(run.store);
    pix_model_close(run.model);
    return code;
}
