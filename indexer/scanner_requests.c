/* Scans and edits that others ask the scanner for, from their place in line to their answer. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"
#include "indexer/edit.h"
#include "indexer/scanner_parts.h"

void pix_scan_request_free(pix_scan_request *request) {
    if (!request)
        return;
    pix_paths_free(&request->folders);
    free(request->answer);
    free(request);
}

void pix_scanner_free_requests(pix_scan_request *first) {
    while (first) {
        pix_scan_request *next = first->next;
        pix_scan_request_free(first);
        first = next;
    }
}

/* Moves a request from its list to those that are done.  The lock is held. */
static void finish(pix_scanner *scanner, pix_scan_request **link, char *answer) {
    pix_scan_request *request = *link;
    *link = request->next;
    request->answer = answer;
    request->next = scanner->finished;
    scanner->finished = request;
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

pix_status pix_scanner_answer_scan(pix_scanner *scanner, pix_error *error) {
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
        status = pix_scanner_run(scanner, &targets, false, &done, error);
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
    pix_status status = pix_scanner_note_roots(scanner, error);
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

pix_status pix_scanner_answer_edit(pix_scanner *scanner, pix_scan_request *edit, pix_status broken,
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

pix_status pix_scanner_request_new(pix_scanner *scanner, const char *const *names, size_t count,
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
