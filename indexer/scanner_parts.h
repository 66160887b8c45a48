/* scanner_parts.h - the inside of the scanner: its thread is in scanner.c, what it looks at in
 * scanner_runs.c, what others ask of it in scanner_requests.c. */
#ifndef PIX_INDEXER_SCANNER_PARTS_H
#define PIX_INDEXER_SCANNER_PARTS_H

#include <pthread.h>

#include "indexer/indexing.h"
#include "indexer/scanner.h"
#include "indexer/summary.h"

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

/* What follows is for the scanner's thread; when it fails the index must be opened again. */

/* Notes what the index knows by now: nothing else is watched. */
pix_status pix_scanner_note_roots(pix_scanner *scanner, pix_error *error);

/* Looks at what the targets say; `small` as of pix_run. */
pix_status pix_scanner_run(pix_scanner *scanner, pix_targets *targets, bool small, pix_run *run,
                           pix_error *error);

/* Looks at everything; at everything if something else is mounted than when that was done last; and
 * at the batch at hand.  *early is set when it was stopped. */
pix_status pix_scanner_run_all(pix_scanner *scanner, bool *early, pix_error *error);
pix_status pix_scanner_run_if_moved(pix_scanner *scanner, bool *early, pix_error *error);
pix_status pix_scanner_run_batch(pix_scanner *scanner, bool *early, pix_error *error);

/* What is new among these folders becomes a request that nobody waits for. */
pix_status pix_scanner_request_new(pix_scanner *scanner, const char *const *names, size_t count,
                                   pix_error *error);

/* Carries out the first scan that was asked for.  A folder that cannot be scanned is the asker's
 * mistake; only the index can fail here. */
pix_status pix_scanner_answer_scan(pix_scanner *scanner, pix_error *error);

/* Carries out an edit, which is in no list any more.  A wrong one is the asker's mistake and
 * changes nothing; `broken` says that the index cannot be used, because of *error or of what was
 * reported.  After one whose commit failed it is opened anew: the next may succeed. */
pix_status pix_scanner_answer_edit(pix_scanner *scanner, pix_scan_request *edit, pix_status broken,
                                   pix_error *error);

void pix_scanner_free_requests(pix_scan_request *first);

#endif
