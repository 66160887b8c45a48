#include "indexer/scanner.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "indexer/indexing.h"
#include "indexer/summary.h"

/* A file written more recently than this may still be being written. */
static const int64_t SETTLED_NS = 2000000000;

/* ioprio_set(2) has no header: best effort, the last of its levels. */
enum { NICE = 10, IOPRIO_WHO_PROCESS = 1, IOPRIO_LOWEST = 2 << 13 | 7 };

struct pix_scanner {
    pix_scanner_settings settings;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t asked;
    bool stopping, reloading, scanning_all, checking_mounts, has_batch;
    pix_change_batch batch;
    pix_scan_request *requests, *finished;
    pix_paths put_off;
    pix_scanner_report report;

    /* The thread's own. */
    pix_indexing indexing;
    pix_change_batch work; /* the batch at hand */
    pix_bytes mounts;      /* what the roots were on when everything was scanned */
    pix_summary summary;
    bool summing; /* the run at hand has a summary */
};

typedef enum task { STOP, RELOAD, REQUEST, ALL, MOUNTS, BATCH } task;

static void set_state(pix_scanner *scanner, pix_scanner_state state) {
    pthread_mutex_lock(&scanner->lock);
    scanner->report.state = state;
    scanner->report.opened |= state == PIX_SCANNER_IDLE;
    scanner->report.breaks += state == PIX_SCANNER_BROKEN;
    pthread_mutex_unlock(&scanner->lock);
    scanner->settings.wake(scanner->settings.context);
}

static bool is_stopped(void *context) {
    pix_scanner *scanner = context;
    pthread_mutex_lock(&scanner->lock);
    bool stopped = scanner->stopping || scanner->reloading || scanner->report.paused;
    pthread_mutex_unlock(&scanner->lock);
    return stopped;
}

static bool put_off(void *context, const char *path, int64_t mtime_ns) {
    pix_scanner *scanner = context;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    bool unsteady = mtime_ns == INT64_MAX;
    bool fresh = mtime_ns <= now_ns && mtime_ns > now_ns - SETTLED_NS;
    if (!unsteady && (!fresh || scanner->summing || /* somebody waits for an answer */
                      pix_paths_has(&scanner->work.settled, path)))
        return false;
    pthread_mutex_lock(&scanner->lock);
    bool kept = pix_paths_add(&scanner->put_off, path) == PIX_OK;
    pthread_mutex_unlock(&scanner->lock);
    return kept;
}

static void note_progress(void *context, const pix_run_counts *counts) {
    pix_scanner *scanner = context;
    pthread_mutex_lock(&scanner->lock);
    scanner->report.counts = *counts;
    pthread_mutex_unlock(&scanner->lock);
}

static void tell(void *context, const pix_target *target, const pix_scan_result *result) {
    pix_scanner *scanner = context;
    if (scanner->summing)
        pix_summary_add(&scanner->summary, target->folder, &result->counts, result->seconds);
    if (scanner->settings.options->quiet)
        return;
    pix_summary_print_short(stdout, target->folder, &result->counts, result->seconds);
    (void)fflush(stdout);
}

static pix_status count_root(void *context, const pix_root *root) {
    pix_scanner_report *report = context;
    report->roots++;
    report->photos += root->photos;
    return PIX_OK;
}

static pix_status run(pix_scanner *scanner, pix_targets *targets, pix_run *run, pix_error *error) {
    pix_scanner_report after = {0};
    *run = (pix_run){.operation = "watch",
                     .stopped = is_stopped,
                     .put_off = put_off,
                     .scanned = tell,
                     .progressed = note_progress,
                     .context = scanner,
                     .renames = &scanner->work.renames};
    pix_status status = pix_indexing_run(&scanner->indexing, targets, run, error);
    if (!status)
        status = pix_store_roots(scanner->indexing.store, count_root, &after, error);
    pthread_mutex_lock(&scanner->lock);
    scanner->report.counts = run->counts;
    scanner->report.photos = after.photos;
    scanner->report.roots = after.roots;
    scanner->report.generation++;
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

/* What the roots are on now, and what is mounted in them, in words. */
static pix_status describe_mounts(const pix_targets *targets, pix_bytes *text) {
    pix_bytes_clear(text);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < targets->count && !status; i++) {
        const pix_target *target = &targets->items[i];
        bool away = target->away[0] != '\0';
        const char *words[] = {target->root, "\n", away ? "" : target->identity.text,
                               away                        ? "\naway\n"
                               : target->identity.is_mount ? "\nmount\n"
                                                           : "\nfolder\n"};
        for (size_t k = 0; k < sizeof words / sizeof *words && !status; k++)
            status = pix_bytes_append_text(text, words[k]);
        if (!status)
            status = pix_mounts_describe(target->root, NULL, text);
    }
    return status;
}

static pix_status choose_all(pix_scanner *scanner, pix_targets *targets, pix_error *error) {
    return pix_targets_choose(scanner->indexing.store, NULL, 0, targets, error);
}

static pix_status scan_all(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets = {0};
    pix_run done = {0};
    pix_status status = choose_all(scanner, &targets, error);
    if (!status && describe_mounts(&targets, &scanner->mounts))
        status = pix_fail_memory(error);
    if (!status)
        status = run(scanner, &targets, &done, error);
    pix_targets_free(&targets);
    *early = done.early;
    return status;
}

static pix_status check_mounts(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets = {0};
    pix_bytes now = {0};
    pix_status status = choose_all(scanner, &targets, error);
    if (!status && describe_mounts(&targets, &now))
        status = pix_fail_memory(error);
    pix_targets_free(&targets);
    bool same = now.size == scanner->mounts.size &&
                (now.size == 0 || memcmp(now.data, scanner->mounts.data, now.size) == 0);
    pix_bytes_free(&now);
    return status || same ? status : scan_all(scanner, early, error);
}

static pix_status look_at_changes(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets = {0};
    pix_run done = {0};
    if (scanner->work.all)
        return scan_all(scanner, early, error);
    pix_status status = choose_all(scanner, &targets, error);
    if (!status)
        status = pix_targets_narrow(&targets, &scanner->work.paths, error);
    if (!status && targets.count > 0)
        status = run(scanner, &targets, &done, error);
    pix_targets_free(&targets);
    *early = done.early;
    return status;
}

/* Moves the first request to those that are done. */
static void finish_request(pix_scanner *scanner, char *report) {
    pthread_mutex_lock(&scanner->lock);
    pix_scan_request *request = scanner->requests;
    scanner->requests = request->next;
    request->report = report;
    request->next = scanner->finished;
    scanner->finished = request;
    pthread_mutex_unlock(&scanner->lock);
}

/* A folder that cannot be scanned is the asker's mistake; only the index can fail here. */
static pix_status answer_request(pix_scanner *scanner, pix_error *error) {
    const pix_paths *folders = &scanner->requests->folders;
    pix_targets targets = {0};
    pix_run done = {0};
    pix_error mistake = {0};
    pix_status status = pix_summary_begin(&scanner->summary, error);
    if (status)
        return status;
    scanner->summing = true;
    if (!pix_targets_choose(scanner->indexing.store, (const char *const *)folders->items,
                            folders->count, &targets, &mistake))
        status = run(scanner, &targets, &done, error);
    scanner->summing = false;
    pix_targets_free(&targets);
    if (status)
        mistake = *error;
    else if (done.away)
        (void)pix_fail(&mistake, PIX_ENOTFOUND, "not every folder could be reached");
    char *report = pix_summary_end(&scanner->summary, mistake.status ? "failed" : "complete",
                                   mistake.status ? mistake.text : NULL);
    if (done.early) /* it is done again after the pause */
        free(report);
    else
        finish_request(scanner, report);
    return status;
}

static void watch_folder(void *context, const char *folder) {
    pix_watches_add(context, folder);
}

/* What the command line names must be there or known, or else something must be known; what is new
 * becomes a request that nobody waits for. */
static pix_status check_named(pix_scanner *scanner, pix_error *error) {
    const pix_options *options = scanner->settings.options;
    pix_targets targets = {0};
    pix_scan_request *request = NULL;
    pix_status status = pix_targets_choose(scanner->indexing.store, options->operands,
                                           options->operand_count, &targets, error);
    for (size_t i = 0; i < targets.count && !status; i++) {
        if (targets.items[i].known)
            continue;
        if ((!request && !(request = calloc(1, sizeof *request))) ||
            pix_paths_add(&request->folders, targets.items[i].folder))
            status = pix_fail_memory(error);
    }
    pix_targets_free(&targets);
    if (status)
        pix_scan_request_free(request);
    else if (request)
        pix_scanner_request(scanner, request);
    return status;
}

static pix_status open_all(pix_scanner *scanner, pix_error *error) {
    pix_indexing *indexing = &scanner->indexing;
    pix_indexing_close(indexing);
    pix_status status = pix_indexing_open(scanner->settings.options, indexing, error);
    if (status)
        return status;
    if (scanner->settings.watches) {
        indexing->walk.entering = watch_folder;
        indexing->walk.context = scanner->settings.watches;
    }
    return check_named(scanner, error);
}

/* What there is to do first; STOP: nothing.  The lock is held. */
static task choose_task(const pix_scanner *scanner) {
    if (scanner->reloading)
        return RELOAD;
    if (scanner->report.paused || scanner->report.state == PIX_SCANNER_BROKEN)
        return STOP;
    return scanner->requests          ? REQUEST
           : scanner->scanning_all    ? ALL
           : scanner->checking_mounts ? MOUNTS
           : scanner->has_batch       ? BATCH
                                      : STOP;
}

/* Waits for something to do, and takes it; STOP: nothing any more. */
static task next_task(pix_scanner *scanner) {
    task next = STOP;
    pthread_mutex_lock(&scanner->lock);
    while (!scanner->stopping && (next = choose_task(scanner)) == STOP)
        pthread_cond_wait(&scanner->asked, &scanner->lock);
    if (scanner->stopping)
        next = STOP;
    if (next == RELOAD) {
        scanner->reloading = false;
        scanner->scanning_all = true;
    } else if (next == ALL) {
        scanner->scanning_all = false;
    } else if (next == MOUNTS) {
        scanner->checking_mounts = false;
    } else if (next == BATCH) {
        scanner->has_batch = false;
        scanner->work = scanner->batch;
        scanner->batch = (pix_change_batch){0};
    }
    pthread_mutex_unlock(&scanner->lock);
    return next;
}

static pix_status do_task(pix_scanner *scanner, task next, bool *early, pix_error *error) {
    switch (next) {
    case RELOAD:
        return open_all(scanner, error);
    case REQUEST:
        return answer_request(scanner, error);
    case ALL:
        return scan_all(scanner, early, error);
    case MOUNTS:
        return check_mounts(scanner, early, error);
    case BATCH:
        return look_at_changes(scanner, early, error);
    case STOP:
        break;
    }
    return PIX_OK;
}

static void *work(void *context) {
    pix_scanner *scanner = context;
    task next;
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* of this thread, and of those it starts */
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_LOWEST);
    while ((next = next_task(scanner)) != STOP) {
        bool early = false;
        pix_error error;
        if (next != RELOAD)
            set_state(scanner, PIX_SCANNER_SCANNING);
        pix_status status = do_task(scanner, next, &early, &error);
        pix_change_batch_free(&scanner->work);
        pthread_mutex_lock(&scanner->lock);
        scanner->scanning_all |= early; /* what was left of it is found again */
        if (status)
            scanner->report.error = error;
        pthread_mutex_unlock(&scanner->lock);
        set_state(scanner, status ? PIX_SCANNER_BROKEN : PIX_SCANNER_IDLE);
    }
    pix_indexing_close(&scanner->indexing);
    set_state(scanner, PIX_SCANNER_OVER);
    return NULL;
}

pix_status pix_scanner_start(const pix_scanner_settings *settings, pix_scanner **out,
                             pix_error *error) {
    *out = NULL;
    pix_scanner *scanner = calloc(1, sizeof *scanner);
    if (!scanner)
        return pix_fail_memory(error);
    scanner->settings = *settings;
    scanner->reloading = true;
    pthread_mutex_init(&scanner->lock, NULL);
    pthread_cond_init(&scanner->asked, NULL);
    int cause = pthread_create(&scanner->thread, NULL, work, scanner);
    if (!cause) {
        *out = scanner;
        return PIX_OK;
    }
    pthread_cond_destroy(&scanner->asked);
    pthread_mutex_destroy(&scanner->lock);
    free(scanner);
    errno = cause;
    return pix_fail_errno(error, "cannot start a thread");
}

void pix_scan_request_free(pix_scan_request *request) {
    if (!request)
        return;
    pix_paths_free(&request->folders);
    free(request->report);
    free(request);
}

static void free_requests(pix_scan_request *first) {
    while (first) {
        pix_scan_request *next = first->next;
        pix_scan_request_free(first);
        first = next;
    }
}

void pix_scanner_close(pix_scanner *scanner) {
    if (!scanner)
        return;
    pix_scanner_stop(scanner);
    (void)pthread_join(scanner->thread, NULL);
    free_requests(scanner->requests);
    free_requests(scanner->finished);
    pix_change_batch_free(&scanner->batch);
    pix_paths_free(&scanner->put_off);
    pix_bytes_free(&scanner->mounts);
    pthread_cond_destroy(&scanner->asked);
    pthread_mutex_destroy(&scanner->lock);
    free(scanner);
}

/* Sets a flag of the scanner and has it look. */
static void ask_for(pix_scanner *scanner, bool *flag, bool value) {
    pthread_mutex_lock(&scanner->lock);
    *flag = value;
    pthread_cond_signal(&scanner->asked);
    pthread_mutex_unlock(&scanner->lock);
}

void pix_scanner_stop(pix_scanner *scanner) {
    ask_for(scanner, &scanner->stopping, true);
}

void pix_scanner_scan_all(pix_scanner *scanner) {
    ask_for(scanner, &scanner->scanning_all, true);
}

void pix_scanner_check_mounts(pix_scanner *scanner) {
    ask_for(scanner, &scanner->checking_mounts, true);
}

void pix_scanner_pause(pix_scanner *scanner, bool paused) {
    ask_for(scanner, &scanner->report.paused, paused);
}

void pix_scanner_reload(pix_scanner *scanner) {
    ask_for(scanner, &scanner->reloading, true);
}

void pix_scanner_ask(pix_scanner *scanner, pix_scanner_report *report) {
    pthread_mutex_lock(&scanner->lock);
    *report = scanner->report;
    report->undone = scanner->requests || scanner->scanning_all || scanner->has_batch;
    pthread_mutex_unlock(&scanner->lock);
}

bool pix_scanner_take(pix_scanner *scanner, pix_change_batch *batch) {
    pthread_mutex_lock(&scanner->lock);
    bool taken = !scanner->has_batch;
    if (taken) {
        scanner->batch = *batch;
        scanner->has_batch = true;
        *batch = (pix_change_batch){0};
        pthread_cond_signal(&scanner->asked);
    }
    pthread_mutex_unlock(&scanner->lock);
    return taken;
}

void pix_scanner_give_back(pix_scanner *scanner, pix_changes *changes, int64_t until_ns) {
    pthread_mutex_lock(&scanner->lock);
    for (size_t i = 0; i < scanner->put_off.count; i++)
        pix_changes_put_off(changes, scanner->put_off.items[i], until_ns);
    pix_paths_free(&scanner->put_off);
    pthread_mutex_unlock(&scanner->lock);
}

void pix_scanner_request(pix_scanner *scanner, pix_scan_request *request) {
    pthread_mutex_lock(&scanner->lock);
    pix_scan_request **last = &scanner->requests;
    while (*last)
        last = &(*last)->next;
    *last = request;
    pthread_cond_signal(&scanner->asked);
    pthread_mutex_unlock(&scanner->lock);
}

pix_scan_request *pix_scanner_collect(pix_scanner *scanner) {
    pthread_mutex_lock(&scanner->lock);
    pix_scan_request *request = scanner->finished;
    if (request)
        scanner->finished = request->next;
    pthread_mutex_unlock(&scanner->lock);
    return request;
}
