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

#include "core/base/json.h"
#include "indexer/commands.h"
#include "indexer/edit.h"
#include "indexer/format.h"
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
    bool stopping, reloading, scanning_all, checking, checking_place, has_batch;
    bool answering; /* the first of `scans` */
    pix_change_batch batch;
    pix_scan_request *scans, *edits, *finished; /* waiting, and done */
    pix_paths put_off;
    pix_scanner_report report;

    /* The thread's own. */
    pix_indexing indexing;
    pix_change_batch work;  /* the batch at hand */
    pix_scan_request *edit; /* at hand, and in no list */
    pix_bytes mounts;       /* what the roots were on when everything was scanned */
    pix_summary summary;
    bool summing;   /* the run at hand has a summary */
    bool elsewhere; /* the index at hand was not where it had been opened */
};

typedef enum task { STOP, RELOAD, PLACE, EDIT, SCAN, ALL, CHECK, BATCH } task;

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
    bool stopped = scanner->stopping || scanner->reloading || scanner->checking_place ||
                   scanner->report.paused || scanner->edits;
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

typedef struct root_list {
    pix_paths paths;
    int64_t photos;
} root_list;

static pix_status add_root(void *context, const pix_root *root) {
    root_list *list = context;
    list->photos += root->photos;
    return pix_paths_add(&list->paths, root->path);
}

/* What the index knows by now: nothing else is watched. */
static pix_status note_roots(pix_scanner *scanner, pix_error *error) {
    root_list list = {0};
    pix_status status = pix_store_roots(scanner->indexing.store, add_root, &list, error);
    if (status == PIX_ENOMEM)
        status = pix_fail_memory(error);
    pthread_mutex_lock(&scanner->lock);
    if (!status) {
        scanner->report.photos = list.photos;
        scanner->report.roots = (int64_t)list.paths.count;
    }
    pthread_mutex_unlock(&scanner->lock);
    if (!status && scanner->settings.watches)
        pix_watches_keep(scanner->settings.watches, &list.paths);
    pix_paths_free(&list.paths);
    return status;
}

static pix_status run(pix_scanner *scanner, pix_targets *targets, bool small, pix_run *run,
                      pix_error *error) {
    *run = (pix_run){.operation = "watch",
                     .small = small,
                     .stopped = is_stopped,
                     .put_off = put_off,
                     .scanned = tell,
                     .progressed = note_progress,
                     .context = scanner,
                     .renames = &scanner->work.renames};
    pix_status status = pix_indexing_run(&scanner->indexing, targets, run, error);
    if (!status)
        status = note_roots(scanner, error);
    pthread_mutex_lock(&scanner->lock);
    scanner->report.counts = run->counts;
    scanner->report.troubled |= run->troubled;
    scanner->report.generation++;
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

/* What the roots are on now, and what is mounted in them, in words. */
static pix_status describe_mounts(const pix_targets *targets, pix_bytes *text, pix_error *error) {
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
            if (pix_bytes_append_text(text, words[k]))
                status = pix_fail_memory(error);
        if (!status)
            status = pix_mounts_describe(target->root, NULL, text, error);
    }
    return status;
}

/* Every root; when all were forgotten, none. */
static pix_status choose_all(pix_scanner *scanner, pix_targets *targets, pix_error *error) {
    pix_status status = pix_targets_choose(scanner->indexing.store, NULL, 0, targets, error);
    return status == PIX_ENOTFOUND ? PIX_OK : status;
}

/* Roots that cannot be reached are looked for from time to time; what was watched of them may be
 * elsewhere now. */
static void note_away(pix_scanner *scanner, const pix_targets *targets) {
    int64_t away = 0;
    for (size_t i = 0; i < targets->count; i++) {
        if (!targets->items[i].away[0])
            continue;
        away++;
        if (scanner->settings.watches)
            pix_watches_drop(scanner->settings.watches, targets->items[i].root);
    }
    pthread_mutex_lock(&scanner->lock);
    scanner->report.away = away;
    scanner->report.troubled = false;
    pthread_mutex_unlock(&scanner->lock);
}

static pix_status scan_all(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets = {0};
    pix_run done = {0};
    pix_status status = choose_all(scanner, &targets, error);
    if (!status)
        status = describe_mounts(&targets, &scanner->mounts, error);
    note_away(scanner, &targets);
    if (scanner->settings.watches)
        pix_watches_recount(scanner->settings.watches);
    if (!status && targets.count > 0)
        status = run(scanner, &targets, false, &done, error);
    pix_targets_free(&targets);
    *early = done.early;
    return status;
}

/* Every root, and whether all are where they were when everything was scanned. */
static pix_status choose_and_compare(pix_scanner *scanner, pix_targets *targets, bool *same,
                                     pix_error *error) {
    pix_bytes now = {0};
    pix_status status = choose_all(scanner, targets, error);
    if (!status)
        status = describe_mounts(targets, &now, error);
    *same = now.size == scanner->mounts.size &&
            (now.size == 0 || memcmp(now.data, scanner->mounts.data, now.size) == 0);
    pix_bytes_free(&now);
    return status;
}

static pix_status check_mounts(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets;
    bool same;
    pix_status status = choose_and_compare(scanner, &targets, &same, error);
    pix_targets_free(&targets);
    return status || same ? status : scan_all(scanner, early, error);
}

static pix_status look_at_changes(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets;
    pix_run done = {0};
    bool same;
    pix_status status = choose_and_compare(scanner, &targets, &same, error);
    bool all = scanner->work.all || !same;
    if (!status && !all)
        status = pix_targets_narrow(&targets, &scanner->work.paths, error);
    if (!status && !all && targets.count > 0)
        status = run(scanner, &targets, true, &done, error);
    pix_targets_free(&targets);
    *early = done.early;
    return status || !all ? status : scan_all(scanner, early, error);
}

/* Moves a request from its list to those that are done.  The lock is held. */
static void finish(pix_scanner *scanner, pix_scan_request **link, char *answer) {
    pix_scan_request *request = *link;
    *link = request->next;
    request->answer = answer;
    request->next = scanner->finished;
    scanner->finished = request;
}

/* Ends the summary; NULL when memory is out. */
static char *make_report(pix_scanner *scanner, const pix_error *mistake) {
    char *answer = NULL,
         *report = pix_summary_end(&scanner->summary, mistake->status ? "failed" : "complete",
                                   mistake->status ? mistake->text : NULL);
    if (report && asprintf(&answer, "{\"ok\":true,\"report\":%s}\n", report) < 0)
        answer = NULL;
    free(report);
    return answer;
}

/* A folder that cannot be scanned is the asker's mistake; only the index can fail here. */
static pix_status answer_scan(pix_scanner *scanner, pix_error *error) {
    const pix_paths *folders = &scanner->scans->folders;
    pix_targets targets = {0};
    pix_run done = {0};
    pix_error mistake = {0};
    pix_status status = pix_summary_begin(&scanner->summary, error);
    if (status)
        return status;
    scanner->summing = true;
    if (!pix_targets_choose(scanner->indexing.store, (const char *const *)folders->items,
                            folders->count, &targets, &mistake))
        status = run(scanner, &targets, false, &done, error);
    scanner->summing = false;
    pix_targets_free(&targets);
    if (status)
        mistake = *error;
    else if (done.away)
        (void)pix_fail(&mistake, PIX_ENOTFOUND, "not every folder could be reached");
    char *answer = make_report(scanner, &mistake);
    pthread_mutex_lock(&scanner->lock);
    if (done.early) /* it is done again after what ended it */
        free(answer);
    else
        finish(scanner, &scanner->scans, answer);
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

/* What was forgotten is not indexed because somebody asked for that before. */
static pix_status drop_scans_of(pix_scanner *scanner, const char *folder, pix_error *error) {
    pix_error forgotten;
    (void)pix_fail(&forgotten, PIX_ENOTFOUND, "%s: was forgotten meanwhile", folder);
    pix_status status = PIX_OK;
    pthread_mutex_lock(&scanner->lock);
    for (pix_scan_request **link = &scanner->scans; *link && !status;) {
        pix_paths *folders = &(*link)->folders;
        bool dropped = pix_paths_drop_within(folders, folder);
        if (!dropped || folders->count > 0)
            link = &(*link)->next;
        else if (!(status = pix_summary_begin(&scanner->summary, error)))
            finish(scanner, link, make_report(scanner, &forgotten));
    }
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

/* What an edit leaves to do here. */
static pix_status follow_edit(pix_scanner *scanner, const pix_scan_request *edit,
                              pix_error *error) {
    pix_status status = note_roots(scanner, error);
    if (!status && edit->call == PIX_CALL_FORGET) {
        bool exists;
        char *folder = pix_folder_path(edit->folders.items[0], &exists, error);
        status = folder ? drop_scans_of(scanner, folder, error) : error->status;
        free(folder);
    }
    pthread_mutex_lock(&scanner->lock);
    scanner->scanning_all |= edit->call == PIX_CALL_MOVE || edit->call == PIX_CALL_RETRY;
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

/* The line for the socket; NULL when memory is out. */
static char *write_answer(const pix_edit_text *text, const pix_error *mistake) {
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);
    if (!out)
        return NULL;
    if (mistake->status) {
        pix_answer_error(out, mistake);
    } else {
        (void)fputs("{\"ok\":true,", out);
        pix_json_bytes(out, "output", text->output.data, text->output.size);
        (void)fputc(',', out);
        pix_json_bytes(out, "notes", text->notes.data, text->notes.size);
        (void)fputs("}\n", out);
    }
    if (fclose(out) == 0)
        return line;
    free(line);
    return NULL;
}

/* A wrong edit is the asker's mistake and changes nothing; `broken` says that the index cannot be
 * used, because of *error or of what was reported.  After one whose commit failed it is opened
 * anew: the next may succeed. */
static pix_status answer_edit(pix_scanner *scanner, pix_scan_request *edit, pix_status broken,
                              pix_error *error) {
    pix_error mistake = {0};
    pix_edit_text text = {0};
    pix_status status = broken;
    if (broken)
        mistake = *error;
    else if (!scanner->indexing.store)
        mistake = scanner->report.error; /* written by this thread alone */
    else if (!pix_edit_run(scanner->indexing.store, edit->call, &edit->folders, &text, &mistake))
        status = follow_edit(scanner, edit, error);
    char *answer = write_answer(&text, &mistake);
    pix_edit_text_free(&text);
    const pix_store *store = scanner->indexing.store;
    bool failed =
        store && pix_store_has_failed(store) && pix_store_place_get(store) == PIX_STORE_IN_PLACE;
    pthread_mutex_lock(&scanner->lock);
    scanner->reloading |= failed;
    finish(scanner, &edit, answer);
    pthread_mutex_unlock(&scanner->lock);
    return status;
}

static void watch_folder(void *context, const char *folder) {
    pix_watches_add(context, folder);
}

/* What is new among these becomes a request that nobody waits for. */
static pix_status request_new(pix_scanner *scanner, const char *const *names, size_t count,
                              pix_error *error) {
    pix_targets targets = {0};
    pix_scan_request *request = NULL;
    pix_status status = pix_targets_choose(scanner->indexing.store, names, count, &targets, error);
    for (size_t i = 0; i < targets.count && !status; i++) {
        if (targets.items[i].known)
            continue;
        if ((!request && !(request = calloc(1, sizeof *request))) ||
            pix_paths_add(&request->folders, targets.items[i].folder))
            status = pix_fail_memory(error);
    }
    pix_targets_free(&targets);
    if (status) {
        pix_scan_request_free(request);
    } else if (request) {
        request->call = PIX_CALL_RESCAN;
        pix_scanner_request(scanner, request);
    }
    return status;
}

/* At the start, what the command line names must be there or known, or else something must be
 * known.  What was forgotten since is not indexed because it was named then, but in another index,
 * or a new one, it is. */
static pix_status check_named(pix_scanner *scanner, pix_error *error) {
    const pix_options *options = scanner->settings.options;
    if (!scanner->report.opened)
        return request_new(scanner, options->operands, options->operand_count, error);
    for (size_t i = 0; i < options->operand_count && scanner->elsewhere; i++) {
        pix_error away;
        if (request_new(scanner, options->operands + i, 1, &away))
            pix_complain("watch: %s", away.text);
    }
    scanner->elsewhere = false;
    return PIX_OK;
}

static void tell_elsewhere(const pix_scanner *scanner, const char *path) {
    if (scanner->report.roots > 0)
        pix_complain("watch: %s: is another index now, of %s %s in %s %s", path,
                     pix_text_count(scanner->report.photos),
                     scanner->report.photos == 1 ? "photo" : "photos",
                     pix_text_count(scanner->report.roots),
                     scanner->report.roots == 1 ? "folder" : "folders");
    else
        pix_complain(
            "watch: %s: is made anew: it knows no folder but those that watch was started with",
            path);
}

static pix_status open_all(pix_scanner *scanner, pix_error *error) {
    pix_indexing *indexing = &scanner->indexing;
    pix_indexing_close(indexing);
    pthread_mutex_lock(&scanner->lock);
    scanner->report.state = PIX_SCANNER_OPENING; /* no longer broken */
    pthread_mutex_unlock(&scanner->lock);
    pix_status status = pix_indexing_open(scanner->settings.options, indexing, error);
    if (status)
        return status;
    char *path = pix_command_store_path(scanner->settings.options, error);
    status = path ? note_roots(scanner, error) : error->status;
    if (!status && scanner->elsewhere)
        tell_elsewhere(scanner, path);
    if (!status && scanner->settings.watches) {
        pix_watches_add_index(scanner->settings.watches, path);
        indexing->walk.entering = watch_folder;
        indexing->walk.context = scanner->settings.watches;
    }
    free(path);
    return status ? status : check_named(scanner, error);
}

static pix_store_place place_of(const pix_scanner *scanner) {
    const pix_store *store = scanner->indexing.store;
    return store ? pix_store_place_get(store) : PIX_STORE_IN_PLACE;
}

/* An index that was put in the place of ours is opened; when ours was only taken away, one may
 * follow: that is waited for as after any error. */
static pix_status check_place(pix_scanner *scanner, pix_error *error) {
    pix_store_place place = place_of(scanner);
    if (place == PIX_STORE_IN_PLACE)
        return PIX_OK;
    scanner->elsewhere = true;
    if (place == PIX_STORE_REPLACED) {
        pthread_mutex_lock(&scanner->lock);
        scanner->scanning_all = true;
        pthread_mutex_unlock(&scanner->lock);
        return open_all(scanner, error);
    }
    pix_indexing_close(&scanner->indexing);
    char *path = pix_command_store_path(scanner->settings.options, error);
    pix_status status =
        path ? pix_fail(error, PIX_ENOTFOUND, "%s: was removed", path) : error->status;
    free(path);
    return status;
}

/* What there is to do first; STOP: nothing.  The lock is held. */
static task choose_task(const pix_scanner *scanner) {
    if (scanner->reloading)
        return RELOAD;
    if (scanner->checking_place)
        return PLACE;
    if (scanner->edits)
        return EDIT;
    if (scanner->report.paused || scanner->report.state == PIX_SCANNER_BROKEN)
        return STOP;
    return scanner->scans          ? SCAN
           : scanner->scanning_all ? ALL
           : scanner->checking     ? CHECK
           : scanner->has_batch    ? BATCH
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
    } else if (next == PLACE) {
        scanner->checking_place = false;
    } else if (next == EDIT) {
        scanner->edit = scanner->edits;
        scanner->edits = scanner->edits->next;
    } else if (next == SCAN) {
        scanner->answering = true;
    } else if (next == ALL) {
        scanner->scanning_all = false;
    } else if (next == CHECK) {
        scanner->checking = false;
    } else if (next == BATCH) {
        scanner->has_batch = false;
        scanner->work = scanner->batch;
        scanner->batch = (pix_change_batch){0};
    }
    pthread_mutex_unlock(&scanner->lock);
    return next;
}

static pix_status do_task(pix_scanner *scanner, task next, bool *early, pix_error *error) {
    pix_status status = next == RELOAD ? PIX_OK : check_place(scanner, error);
    if (status && next != EDIT)
        return status;
    switch (next) {
    case RELOAD:
        return open_all(scanner, error);
    case EDIT:
        return answer_edit(scanner, scanner->edit, status, error);
    case SCAN:
        return answer_scan(scanner, error);
    case ALL:
        return scan_all(scanner, early, error);
    case CHECK:
        return check_mounts(scanner, early, error);
    case BATCH:
        return look_at_changes(scanner, early, error);
    case PLACE:
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
        if (next >= SCAN)
            set_state(scanner, PIX_SCANNER_SCANNING);
        pix_status status = do_task(scanner, next, &early, &error);
        pix_change_batch_free(&scanner->work);
        pix_store_place place = status && next != RELOAD ? place_of(scanner) : PIX_STORE_IN_PLACE;
        bool replaced = place == PIX_STORE_REPLACED;
        if (place == PIX_STORE_REMOVED)
            pix_indexing_close(&scanner->indexing);
        scanner->elsewhere |= place != PIX_STORE_IN_PLACE;
        pthread_mutex_lock(&scanner->lock);
        scanner->answering = false;
        scanner->scanning_all |= early; /* what was left of it is found again */
        if (replaced)
            scanner->reloading = true;
        else if (status)
            scanner->report.error = error;
        pthread_mutex_unlock(&scanner->lock);
        if (status && !replaced)
            set_state(scanner, PIX_SCANNER_BROKEN);
        else if (scanner->report.state == PIX_SCANNER_BROKEN) /* only set by this thread */
            scanner->settings.wake(scanner->settings.context);
        else
            set_state(scanner, PIX_SCANNER_IDLE);
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
    free(request->answer);
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
    free_requests(scanner->scans);
    free_requests(scanner->edits);
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

void pix_scanner_check(pix_scanner *scanner) {
    ask_for(scanner, &scanner->checking, true);
}

void pix_scanner_check_place(pix_scanner *scanner) {
    ask_for(scanner, &scanner->checking_place, true);
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
    report->reloading = scanner->reloading;
    report->undone =
        scanner->scans || scanner->edits || scanner->scanning_all || scanner->has_batch;
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
    pix_scan_request **last = request->call == PIX_CALL_RESCAN ? &scanner->scans : &scanner->edits;
    while (*last)
        last = &(*last)->next;
    *last = request;
    pthread_cond_signal(&scanner->asked);
    pthread_mutex_unlock(&scanner->lock);
}

void pix_scanner_withdraw(pix_scanner *scanner, int64_t waiter) {
    pthread_mutex_lock(&scanner->lock);
    for (pix_scan_request **link = &scanner->edits; *link; link = &(*link)->next)
        if ((*link)->waiter == waiter) {
            finish(scanner, link, NULL);
            break;
        }
    pix_scan_request **link = &scanner->scans;
    if (*link && scanner->answering)
        link = &(*link)->next;
    while (*link && ((*link)->waiter != waiter || (*link)->folders.count > 0))
        link = &(*link)->next;
    if (*link) {
        scanner->scanning_all = true;
        finish(scanner, link, NULL);
    }
    pthread_mutex_unlock(&scanner->lock);
    scanner->settings.wake(scanner->settings.context);
}

pix_scan_request *pix_scanner_collect(pix_scanner *scanner) {
    pthread_mutex_lock(&scanner->lock);
    pix_scan_request *request = scanner->finished;
    if (request)
        scanner->finished = request->next;
    pthread_mutex_unlock(&scanner->lock);
    return request;
}
