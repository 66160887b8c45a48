/* What the scanner looks at, and what it notes of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "indexer/scanner_parts.h"

/* A file written more recently than this may still be being written. */
static const int64_t SETTLED_NS = 2000000000;

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

pix_status pix_scanner_note_roots(pix_scanner *scanner, pix_error *error) {
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

pix_status pix_scanner_run(pix_scanner *scanner, pix_targets *targets, bool small, pix_run *run,
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
        status = pix_scanner_note_roots(scanner, error);
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
        char inode[24] = "";
        if (!away)
            (void)snprintf(inode, sizeof inode, "\n%" PRIu64, target->identity.inode);
        const char *words[] = {target->root, "\n", away ? "" : target->identity.text, inode,
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

pix_status pix_scanner_run_all(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets = {0};
    pix_run done = {0};
    pix_status status = choose_all(scanner, &targets, error);
    if (!status)
        status = describe_mounts(&targets, &scanner->mounts, error);
    note_away(scanner, &targets);
    if (scanner->settings.watches)
        pix_watches_recount(scanner->settings.watches);
    if (!status && targets.count > 0)
        status = pix_scanner_run(scanner, &targets, false, &done, error);
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

pix_status pix_scanner_run_if_moved(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets;
    bool same;
    pix_status status = choose_and_compare(scanner, &targets, &same, error);
    pix_targets_free(&targets);
    return status || same ? status : pix_scanner_run_all(scanner, early, error);
}

pix_status pix_scanner_run_batch(pix_scanner *scanner, bool *early, pix_error *error) {
    pix_targets targets;
    pix_run done = {0};
    bool same;
    pix_status status = choose_and_compare(scanner, &targets, &same, error);
    bool all = scanner->work.all || !same;
    if (!status && !all)
        status = pix_targets_narrow(&targets, &scanner->work.paths, error);
    if (!status && !all && targets.count > 0)
        status = pix_scanner_run(scanner, &targets, true, &done, error);
    pix_targets_free(&targets);
    *early = done.early;
    return status || !all ? status : pix_scanner_run_all(scanner, early, error);
}
