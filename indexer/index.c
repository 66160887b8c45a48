/* pixgrepd index: the folders are chosen, everything is opened, each folder is scanned. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/threads.h"
#include "core/clip/fidelity.h"
#include "core/clip/library.h"
#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/indexing.h"
#include "indexer/interrupt.h"
#include "indexer/remote.h"
#include "indexer/summary.h"

typedef struct index_job {
    const pix_options *options;
    int64_t deadline_ns; /* 0: none */
    bool late;           /* stopped by it */
    pix_summary summary; /* with --report */
    int output_cause;    /* errno when a line could not be written */
} index_job;

static bool is_stopped(void *context) {
    index_job *job = context;
    job->late |= job->deadline_ns > 0 && pix_now_ns() >= job->deadline_ns;
    return job->late || pix_interrupted();
}

static void tell(void *context, const pix_target *target, const pix_scan_result *result) {
    index_job *job = context;
    if (job->options->report) {
        pix_summary_add(&job->summary, target->folder, &result->counts, result->seconds);
    } else if (!job->options->quiet && !job->output_cause) {
        pix_summary_print(stdout, target->folder, &result->counts, result->seconds);
        job->output_cause = fflush(stdout) ? errno : 0;
    }
}

/* A model that nobody chose is told of, and a precision that does it harm. */
static void tell_model(const pix_options *options, const pix_model *model) {
    const char *notice = pix_library_notice(options->model, model);
    char warning[PIX_FIDELITY_WARNING];
    if (notice && !options->quiet)
        pix_complain("index: %s", notice);
    if (pix_fidelity_warning(pix_model_name(model), pix_model_fidelity(model),
                             pix_precision_or(options->precision, PIX_FP32), warning))
        pix_complain("index: %s", warning);
}

static pix_exit outcome(const index_job *job, const pix_run *run, pix_error *error) {
    if (run->early) {
        pix_complain("index: %s; run it again to go on",
                     job->late ? "stopped at the time limit" : "stopped early");
        return PIX_EXIT_STOPPED;
    }
    if (run->away) {
        (void)pix_fail(error, PIX_ENOTFOUND, "not every folder could be reached");
        return PIX_EXIT_ERROR;
    }
    if (job->output_cause) {
        errno = job->output_cause;
        (void)pix_fail_errno(error, "cannot write the output");
        return PIX_EXIT_ERROR;
    }
    return run->counts.failed > 0 ? PIX_EXIT_FAILURES : PIX_EXIT_OK;
}

static pix_exit report(index_job *job, pix_exit code, pix_error *error) {
    const char *outcome = code == PIX_EXIT_ERROR     ? "failed"
                          : code == PIX_EXIT_STOPPED ? "stopped"
                                                     : "complete";
    const char *reason = code == PIX_EXIT_ERROR     ? error->text
                         : code != PIX_EXIT_STOPPED ? NULL
                         : job->late                ? "time limit"
                                                    : "signal";
    char *text = pix_summary_end(&job->summary, outcome, reason);
    if (text)
        (void)puts(text);
    if (!text && code != PIX_EXIT_ERROR) {
        (void)pix_fail_memory(error);
        code = PIX_EXIT_ERROR;
    }
    free(text);
    return code;
}

/* Whether a daemon keeps this index and does the work, then with *code as its outcome.  Its own
 * options hold for all it does. */
static bool leave_to_daemon(const pix_options *options, pix_exit *code, pix_error *error) {
    bool own = options->follow || options->hidden || options->exact || options->no_autorotate ||
               options->precision || options->model || options->exclude_count > 0 ||
               options->threads > 0;
    pix_error busy = *error;
    if (!own && pix_remote_index(options, "index", code, error) != PIX_ENOTFOUND)
        return true;
    *error = busy;
    return false;
}

pix_exit pix_command_index(const pix_options *options, pix_error *error) {
    index_job job = {.options = options};
    pix_run run = {.operation = "index", .stopped = is_stopped, .scanned = tell, .context = &job};
    pix_indexing indexing = {0};
    pix_targets targets = {0};
    if (options->time_limit_s > 0)
        job.deadline_ns = pix_now_ns() + options->time_limit_s * 1000000000;
    pix_status status = pix_interrupt_watch(error);
    if (!status && options->report)
        status = pix_summary_begin(&job.summary, error);
    if (!status)
        status = pix_indexing_open(options, &indexing, error);
    pix_exit code;
    if (status == PIX_EBUSY && leave_to_daemon(options, &code, error)) {
        free(pix_summary_end(&job.summary, "", NULL));
        return code;
    }
    if (!status)
        status = pix_targets_choose(indexing.store, options->operands, options->operand_count,
                                    &targets, error);
    if (!status) {
        tell_model(options, indexing.model);
        run.progress = options->quiet ? NULL : pix_progress_new();
        status = pix_indexing_run(&indexing, &targets, &run, error);
    }
    code = status ? PIX_EXIT_ERROR : outcome(&job, &run, error);
    pix_progress_free(run.progress);
    if (options->report)
        code = report(&job, code, error);
    pix_targets_free(&targets);
    pix_indexing_close(&indexing);
    return code;
}
