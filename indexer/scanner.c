
/* The scanner's thread: what it does next, and the index it has open. */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "indexer/commands.h"
#include "indexer/format.h"
#include "indexer/scanner_parts.h"

/* ioprio_set(2) has no header: best effort, the last of its levels. */
enum { NICE = 10, IOPRIO_WHO_PROCESS = 1, IOPRIO_LOWEST = 2 << 13 | 7 };

typedef enum task { STOP, RELOAD, PLACE, EDIT, SCAN, ALL, CHECK, BATCH } task;

static void set_state(pix_scanner *scanner, pix_scanner_state state) {
    pthread_mutex_lock(&scanner->lock);
    scanner->report.state = state;
    scanner->report.opened |= state == PIX_SCANNER_IDLE;
    scanner->report.breaks += state == PIX_SCANNER_BROKEN;
    pthread_mutex_unlock(&scanner->lock);
    scanner->settings.wake(scanner->settings.context);
}

static void watch_folder(void *context, const char *folder) {
    pix_watches_add(context, folder);
}

/* At the start, what the command line names must be there or known, or else something must be
 * known.  What was forgotten since is not indexed because it was named then, but in another index,
 * or a new one, it is. */
static pix_status check_named(pix_scanner *scanner, pix_error *error) {
    const pix_options *options = scanner->settings.options;
    if (!scanner->report.opened)
        return pix_scanner_request_new(scanner, options->operands, options->operand_count, error);
    for (size_t i = 0; i < options->operand_count && scanner->elsewhere; i++) {
        pix_error away;
        if (pix_scanner_request_new(scanner, options->operands + i, 1, &away))
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
    status = path ? pix_scanner_note_roots(scanner, error) : error->status;
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
        return pix_scanner_answer_edit(scanner, scanner->edit, status, error);
    case SCAN:
        return pix_scanner_answer_scan(scanner, error);
    case ALL:
        return pix_scanner_run_all(scanner, early, error);
    case CHECK:
        return pix_scanner_run_if_moved(scanner, early, error);
    case BATCH:
        return pix_scanner_run_batch(scanner, early, error);
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

void pix_scanner_close(pix_scanner *scanner) {
    if (!scanner)
        return;
    pix_scanner_stop(scanner);
    (void)pthread_join(scanner->thread, NULL);
    pix_scanner_free_requests(scanner->scans);
    pix_scanner_free_requests(scanner->edits);
    pix_scanner_free_requests(scanner->finished);
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
