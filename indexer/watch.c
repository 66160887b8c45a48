/* pixgrepd watch: a loop that waits for the kernel, for time and for signals, and tells the scanner
 * what to look at.  Nothing here computes or reads photos; with nothing to do, nothing runs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/bytes.h"
#include "core/base/json.h"
#include "core/base/threads.h"
#include "indexer/commands.h"
#include "indexer/control.h"
#include "indexer/format.h"
#include "indexer/notify.h"
#include "indexer/scanner.h"

static const int64_t RESCAN_S = 21600; /* six hours */
/* What was put off because it was just written is looked at again after this. */
static const int64_t PUT_OFF_NS = 2000000000;
/* After an error the index is opened again, or everything looked at again, later and later. */
enum { RETRY_FIRST_S = 30, RETRY_MOST_S = 3600, STATUS_MS = 10000, PROGRESS_MS = 500 };
/* A root that is away is looked for, too. */
enum { LOOK_FIRST_S = 1, LOOK_MOST_S = 300 };

typedef struct watch {
    const pix_options *options;
    uv_loop_t loop;
    uv_async_t woken; /* by the scanner */
    uv_poll_t events, mounts;
    uv_timer_t due, rescan, retry, heartbeat, status, progress, look, again;
    uv_signal_t signals[3];
    int mounts_fd; /* -1: none */

    pix_watches *watches; /* NULL: folders cannot be watched */
    pix_changes *changes;
    pix_scanner *scanner;
    pix_answers *answers;
    pix_control *control; /* NULL: there is no place for a socket */
    int waiters;          /* clients that wait for a scan */
    int retry_s, look_s, again_s;
    bool ready, complete, reloading, stopping;
    pix_scanner_state seen; /* the scanner's state when it was asked last */
    int64_t breaks;         /* of the scanner, that were met */
    pix_exit code;
    pix_error *error;
} watch;

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

static uint64_t milliseconds(int64_t ns) {
    return ns <= 0 ? 0 : (uint64_t)((ns + 999999) / 1000000);
}

/* The next of waits that get longer. */
static int later(int seconds, int first, int most) {
    return seconds == 0 ? first : seconds > most / 2 ? most : 2 * seconds;
}

static void hand_over(uv_timer_t *timer);

/* Has the timer go off when there is something to look at; the scanner takes it when it can. */
static void schedule(watch *w) {
    int64_t due = pix_changes_due(w->changes);
    if (due < 0 || w->stopping)
        (void)uv_timer_stop(&w->due);
    else
        (void)uv_timer_start(&w->due, hand_over, milliseconds(due - pix_now_ns()), 0);
}

static void hand_over(uv_timer_t *timer) {
    watch *w = timer->data;
    pix_scanner_report report;
    pix_scanner_ask(w->scanner, &report);
    if (report.state != PIX_SCANNER_IDLE || report.undone)
        return; /* its wake comes back here */
    pix_change_batch batch = {0};
    pix_changes_take(w->changes, pix_now_ns(), &batch);
    if (batch.all || batch.paths.count > 0)
        (void)pix_scanner_take(w->scanner, &batch);
    pix_change_batch_free(&batch);
    schedule(w);
}

static void on_retry(uv_timer_t *timer);

static void tell_again(int seconds) {
    pix_complain("watch: everything is looked at again in %s", pix_text_duration(seconds));
}

static void on_events(uv_poll_t *poll, int status, int events) {
    watch *w = poll->data;
    pix_watches_news news;
    pix_error error;
    (void)status;
    (void)events;
    if (pix_watches_read(w->watches, w->changes, pix_now_ns(), &news, &error)) {
        pix_complain("watch: %s", error.text);
        tell_again(RETRY_FIRST_S);
        (void)uv_poll_stop(poll);
        (void)uv_timer_start(&w->retry, on_retry, (uint64_t)RETRY_FIRST_S * 1000, 0);
    }
    if (news.lost)
        pix_complain(
            "watch: the kernel dropped some of what it had to tell: everything is looked at again");
    if (news.root)
        pix_scanner_scan_all(w->scanner);
    if (news.index)
        pix_scanner_check_place(w->scanner);
    schedule(w);
}

/* The kernel marks the file when anything was mounted or unmounted (proc(5)). */
static void on_mounts(uv_poll_t *poll, int status, int events) {
    watch *w = poll->data;
    char buffer[4096];
    (void)status;
    (void)events;
    (void)lseek(w->mounts_fd, 0, SEEK_SET);
    while (read(w->mounts_fd, buffer, sizeof buffer) > 0)
        continue;
    pix_scanner_check(w->scanner);
}

static void on_look(uv_timer_t *timer) {
    watch *w = timer->data;
    pix_scanner_check(w->scanner);
}

/* As long as a root is away, later and later. */
static void look_for_roots(watch *w, int64_t away) {
    if (away == 0) {
        w->look_s = 0;
        (void)uv_timer_stop(&w->look);
    } else if (!uv_is_active((const uv_handle_t *)&w->look)) {
        w->look_s = later(w->look_s, LOOK_FIRST_S, LOOK_MOST_S);
        (void)uv_timer_start(&w->look, on_look, (uint64_t)w->look_s * 1000, 0);
    }
}

static void on_rescan(uv_timer_t *timer) {
    watch *w = timer->data;
    pix_scanner_scan_all(w->scanner);
}

/* What could not be looked at tells nobody when it can be. */
static void look_again(watch *w, const pix_scanner_report *report) {
    if (report->undone)
        return;
    if (!report->troubled) {
        w->again_s = 0;
        (void)uv_timer_stop(&w->again);
    } else if (!uv_is_active((const uv_handle_t *)&w->again)) {
        w->again_s = later(w->again_s, RETRY_FIRST_S, RETRY_MOST_S);
        tell_again(w->again_s);
        (void)uv_timer_start(&w->again, on_rescan, (uint64_t)w->again_s * 1000, 0);
    }
}

static void on_retry(uv_timer_t *timer) {
    watch *w = timer->data;
    if (w->watches && !uv_is_active((const uv_handle_t *)&w->events))
        (void)uv_poll_start(&w->events, UV_READABLE, on_events);
    pix_scanner_reload(w->scanner);
}

static void on_heartbeat(uv_timer_t *timer) {
    (void)timer;
    pix_notify("WATCHDOG=1");
}

/* In words, for systemctl status. */
static void tell_status(const watch *w, const pix_scanner_report *report) {
    if (report->state == PIX_SCANNER_BROKEN)
        pix_notify_status(report->error.text);
    else if (report->paused)
        pix_notify("STATUS=Paused: %s photos", pix_text_count(report->photos));
    else if (report->state == PIX_SCANNER_SCANNING)
        pix_notify("STATUS=Indexing: %s photos seen, %s encoded",
                   pix_text_count(report->counts.seen), pix_text_count(report->counts.encoded));
    else if (w->watches) {
        size_t refused;
        pix_notify("STATUS=Watching %s folders: %s photos",
                   pix_text_count((int64_t)pix_watches_count(w->watches, &refused)),
                   pix_text_count(report->photos));
    }
}

static void on_status(uv_timer_t *timer) {
    watch *w = timer->data;
    pix_scanner_report report;
    pix_scanner_ask(w->scanner, &report);
    tell_status(w, &report);
}

static int64_t read_limit(void) {
    int64_t limit = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
    char line[32] = "";
    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (file)
        (void)fclose(file);
    if (pix_parse_integer(line, 1, INT64_MAX / 4, &limit))
        limit = 0;
    return limit;
}

/* With what an administrator can do. */
static void tell_limit(const watch *w, size_t count, size_t refused) {
    int64_t limit = read_limit();
    int64_t wanted = 2 * (int64_t)(count + refused);
    if (wanted < 2 * limit)
        wanted = 2 * limit;
    pix_complain("watch: only %s of %s folders can be watched; the others are looked at "
                 "every %s; to raise the limit: sysctl fs.inotify.max_user_watches=%lld",
                 pix_text_count((int64_t)count), pix_text_count((int64_t)(count + refused)),
                 pix_text_duration((double)w->options->rescan_s), (long long)wanted);
}

/* The members of a status, for the control socket. */
static void write_status(void *context, FILE *out) {
    static const char *const states[] = {[PIX_SCANNER_OPENING] = "opening",
                                         [PIX_SCANNER_IDLE] = "idle",
                                         [PIX_SCANNER_SCANNING] = "indexing",
                                         [PIX_SCANNER_BROKEN] = "broken",
                                         [PIX_SCANNER_OVER] = "over"};
    watch *w = context;
    pix_scanner_report report;
    pix_scanner_ask(w->scanner, &report);
    size_t refused = 0;
    size_t folders = w->watches ? pix_watches_count(w->watches, &refused) : 0;
    (void)fprintf(out, ",\"state\":\"%s\",\"paused\":%s,\"photos\":%lld,\"roots\":%lld",
                  states[report.state], report.paused ? "true" : "false", (long long)report.photos,
                  (long long)report.roots);
    (void)fprintf(out, ",\"folders_watched\":%zu,\"folders_not_watched\":%zu", folders, refused);
    (void)fprintf(out, ",\"runs\":%lld,\"seen\":%lld,\"encoded\":%lld,\"failed\":%lld",
                  (long long)report.generation, (long long)report.counts.seen,
                  (long long)report.counts.encoded, (long long)report.counts.failed);
    struct stat info = {0};
    char *path = pix_command_store_path(w->options, NULL);
    if (path && stat(path, &info) == 0)
        (void)fprintf(out, ",\"database\":{\"device\":%llu,\"inode\":%llu}",
                      (unsigned long long)info.st_dev, (unsigned long long)info.st_ino);
    free(path);
    (void)fputs(",\"problem\":", out);
    pix_json_text(out, report.state == PIX_SCANNER_BROKEN ? report.error.text : NULL);
}

static void on_pause(void *context, bool paused) {
    watch *w = context;
    pix_scanner_report report;
    pix_scanner_pause(w->scanner, paused);
    pix_scanner_ask(w->scanner, &report);
    tell_status(w, &report);
    schedule(w);
}

static void on_progress(uv_timer_t *timer) {
    watch *w = timer->data;
    pix_scanner_report report;
    pix_scanner_ask(w->scanner, &report);
    pix_control_tell_progress(w->control, &report.counts);
}

static void on_withdraw(void *context, int64_t waiter) {
    watch *w = context;
    pix_scanner_withdraw(w->scanner, waiter);
}

static void on_request(void *context, pix_scan_request *request) {
    watch *w = context;
    if (w->waiters++ == 0)
        (void)uv_timer_start(&w->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    pix_scanner_request(w->scanner, request);
}

/* Answers those who waited for a scan; what the command line named has nobody. */
static void deliver_scans(watch *w) {
    pix_scan_request *request;
    while ((request = pix_scanner_collect(w->scanner))) {
        if (request->waiter == 0) {
            pix_scan_request_free(request);
            continue;
        }
        if (--w->waiters == 0)
            (void)uv_timer_stop(&w->progress);
        pix_control_deliver_scan(w->control, request);
    }
}

static void stop(watch *w, pix_exit code) {
    if (!w->stopping)
        pix_notify("STOPPING=1");
    w->stopping = true;
    w->code = code;
    pix_scanner_stop(w->scanner);
}

/* The index cannot be written: its reason is told, and it is opened again later. */
static void meet_error(watch *w, const pix_scanner_report *report) {
    if (!report->opened) {
        *w->error = report->error;
        stop(w, PIX_EXIT_ERROR);
        return;
    }
    w->retry_s = later(w->retry_s, RETRY_FIRST_S, RETRY_MOST_S);
    pix_complain("watch: %s", report->error.text);
    pix_complain("watch: the index is opened again in %s", pix_text_duration(w->retry_s));
    (void)uv_timer_start(&w->retry, on_retry, (uint64_t)w->retry_s * 1000, 0);
}

/* Once everything has been looked at. */
static void tell_complete(watch *w, const pix_scanner_report *report) {
    if (w->complete || report->undone || report->paused)
        return;
    w->complete = true;
    size_t refused = 0;
    size_t count = w->watches ? pix_watches_count(w->watches, &refused) : 0;
    if (!w->options->quiet)
        (void)printf("%s photos, %s folders watched\n", pix_text_count(report->photos),
                     pix_text_count((int64_t)count));
    (void)fflush(stdout); /* a reader that is gone does not end the daemon */
    if (refused > 0)
        tell_limit(w, count, refused);
}

static void note_state(watch *w, const pix_scanner_report *report) {
    bool scanning = report->state == PIX_SCANNER_SCANNING;
    bool reloaded = w->reloading && !report->reloading && !scanning;
    if (report->opened && (!w->ready || reloaded)) { /* whatever came of it: the status tells */
        pix_notify("READY=1");
        w->ready = true;
        w->reloading = false;
    }
    if (report->state == PIX_SCANNER_BROKEN && w->breaks != report->breaks)
        meet_error(w, report); /* again when it is still broken after a reload */
    w->breaks = report->breaks;
    if (report->state == PIX_SCANNER_IDLE) {
        w->retry_s = 0;
        look_for_roots(w, report->away);
        look_again(w, report);
        tell_complete(w, report);
    }
    if (scanning != (w->seen == PIX_SCANNER_SCANNING) || !scanning)
        tell_status(w, report);
    if (scanning && !uv_is_active((const uv_handle_t *)&w->status))
        (void)uv_timer_start(&w->status, on_status, STATUS_MS, STATUS_MS);
    else if (!scanning)
        (void)uv_timer_stop(&w->status);
    w->seen = report->state;
}

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_woken(uv_async_t *async) {
    watch *w = async->data;
    pix_scanner_report report;
    pix_scanner_ask(w->scanner, &report);
    deliver_scans(w);
    if (w->control)
        pix_control_deliver(w->control);
    if (report.state == PIX_SCANNER_OVER) {
        if (w->code == PIX_EXIT_OK && report.undone)
            w->code = PIX_EXIT_STOPPED;
        pix_control_stop(w->control);
        uv_walk(&w->loop, close_handle, NULL);
        return;
    }
    if (!w->stopping)
        note_state(w, &report);
    pix_scanner_give_back(w->scanner, w->changes, pix_now_ns() + PUT_OFF_NS);
    schedule(w);
}

static void wake(void *context) {
    watch *w = context;
    (void)uv_async_send(&w->woken);
}

static void on_signal(uv_signal_t *handle, int number) {
    watch *w = handle->data;
    if (number != SIGHUP) {
        if (w->stopping) /* a second one does not wait */
            _exit(PIX_EXIT_STOPPED);
        stop(w, PIX_EXIT_OK);
        return;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    pix_notify("RELOADING=1\nMONOTONIC_USEC=%lld",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    w->reloading = true;
    pix_scanner_reload(w->scanner);
    if (w->answers)
        pix_answers_reload(w->answers);
}

static pix_status fail_uv(int cause, pix_error *error) {
    return pix_fail(error, PIX_EIO, "cannot set up the loop: %s", uv_strerror(cause));
}

static int start_timers(watch *w) {
    uv_timer_t *timers[] = {&w->due,      &w->rescan, &w->retry, &w->heartbeat, &w->status,
                            &w->progress, &w->look,   &w->again, NULL};
    int failed = 0;
    for (uv_timer_t **timer = timers; *timer && !failed; timer++) {
        failed = uv_timer_init(&w->loop, *timer);
        (*timer)->data = w;
    }
    uint64_t rescan_ms = (uint64_t)w->options->rescan_s * 1000;
    if (!failed)
        failed = uv_timer_start(&w->rescan, on_rescan, rescan_ms, rescan_ms);
    int64_t watchdog_us = pix_notify_watchdog_us();
    uint64_t half_ms = (uint64_t)watchdog_us / 2000;
    if (!failed && watchdog_us > 0)
        failed = uv_timer_start(&w->heartbeat, on_heartbeat, half_ms, half_ms ? half_ms : 1);
    return failed;
}

static int start_polls(watch *w) {
    int failed = 0;
    if (w->watches) {
        failed = uv_poll_init(&w->loop, &w->events, pix_watches_fd(w->watches));
        w->events.data = w;
        if (!failed)
            failed = uv_poll_start(&w->events, UV_READABLE, on_events);
    }
    w->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (!failed && w->mounts_fd >= 0) {
        failed = uv_poll_init(&w->loop, &w->mounts, w->mounts_fd);
        w->mounts.data = w;
        if (!failed)
            failed = uv_poll_start(&w->mounts, UV_PRIORITIZED, on_mounts);
    }
    return failed;
}

static int start_signals(watch *w) {
    int failed = 0;
    for (size_t i = 0; i < sizeof signal_numbers / sizeof *signal_numbers && !failed; i++) {
        failed = uv_signal_init(&w->loop, &w->signals[i]);
        w->signals[i].data = w;
        if (!failed)
            failed = uv_signal_start(&w->signals[i], on_signal, signal_numbers[i]);
    }
    return failed;
}

/* Without a place for it, or with another daemon there, the index is kept all the same. */
static pix_status start_control(watch *w, pix_error *error) {
    pix_error cause;
    int listener, lock;
    char *path = pix_control_place();
    if (!path)
        return PIX_OK;
    pix_status status = pix_control_bind(path, &listener, &lock, &cause);
    if (status) {
        pix_complain("watch: %s", cause.text);
        free(path);
        return PIX_OK;
    }
    pix_control_settings settings = {.loop = &w->loop,
                                     .status = write_status,
                                     .pause = on_pause,
                                     .request = on_request,
                                     .withdraw = on_withdraw,
                                     .context = w};
    status = pix_answers_start(w->options, wake, w, &w->answers, error);
    settings.answers = w->answers;
    if (!status)
        status = pix_control_start(&settings, path, listener, lock, &w->control, error);
    free(path);
    return status;
}

/* The scanner's thread is started last: all it uses is there. */
static pix_status start(watch *w, pix_error *error) {
    int failed = uv_async_init(&w->loop, &w->woken, on_woken);
    w->woken.data = w;
    if (!failed)
        failed = start_timers(w);
    if (!failed)
        failed = start_polls(w);
    if (!failed)
        failed = start_signals(w);
    if (failed)
        return fail_uv(failed, error);
    pix_status status = start_control(w, error);
    if (status)
        return status;
    pix_scanner_settings settings = {
        .options = w->options, .watches = w->watches, .wake = wake, .context = w};
    return pix_scanner_start(&settings, &w->scanner, error);
}

/* Without inotify everything is left to the full scans. */
static pix_status open_watches(watch *w, pix_error *error) {
    w->changes = pix_changes_new();
    if (!w->changes)
        return pix_fail_memory(error);
    pix_error cause;
    if (pix_watches_open(&w->watches, &cause)) {
        pix_complain("watch: %s", cause.text);
        pix_complain("watch: everything is looked at every %s; to raise the limit: "
                     "sysctl fs.inotify.max_user_instances=1024",
                     pix_text_duration((double)w->options->rescan_s));
    }
    return PIX_OK;
}

pix_exit pix_command_watch(const pix_options *given, pix_error *error) {
    pix_options options = *given;
    if (options.rescan_s == 0)
        options.rescan_s = RESCAN_S;
    watch w = {.options = &options, .mounts_fd = -1, .error = error};
    int failed = uv_loop_init(&w.loop);
    if (failed) {
        (void)fail_uv(failed, error);
        return PIX_EXIT_ERROR;
    }
    pix_status status = open_watches(&w, error);
    if (!status)
        status = start(&w, error);
    if (status) {
        pix_control_stop(w.control);
        uv_walk(&w.loop, close_handle, NULL);
    }
    (void)uv_run(&w.loop, UV_RUN_DEFAULT);
    pix_scanner_close(w.scanner);
    pix_answers_close(w.answers);
    pix_control_free(w.control);
    (void)uv_loop_close(&w.loop);
    if (w.mounts_fd >= 0)
        (void)close(w.mounts_fd);
    pix_changes_free(w.changes);
    pix_watches_close(w.watches);
    return status ? PIX_EXIT_ERROR : w.code;
}
