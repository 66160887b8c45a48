/* scanner.h - the thread of `pixgrepd watch` that does the work.
 *
 * It owns the writer of the store and all else a run needs, at a low priority that decoding and
 * encoding share.  The loop's thread says what to look at; its calls return at once.  The scanner
 * calls `wake`, from its own thread, when there is something new to ask. */
#ifndef PIX_INDEXER_SCANNER_H
#define PIX_INDEXER_SCANNER_H

#include "core/control/protocol.h"
#include "indexer/changes.h"
#include "indexer/options.h"
#include "indexer/watches.h"
#include "storage/store.h"

typedef struct pix_scanner pix_scanner;

typedef struct pix_scanner_settings {
    const pix_options *options;
    pix_watches *watches; /* NULL: folders cannot be watched */
    void (*wake)(void *context);
    void *context;
} pix_scanner_settings;

/* Begins with a scan of everything, what the command line names first. */
pix_status pix_scanner_start(const pix_scanner_settings *settings, pix_scanner **out,
                             pix_error *error);
/* Asks it to end after the photos at hand. */
void pix_scanner_stop(pix_scanner *scanner);
/* As well, and waits for it. */
void pix_scanner_close(pix_scanner *scanner);

typedef enum pix_scanner_state {
    PIX_SCANNER_OPENING,
    PIX_SCANNER_IDLE,
    PIX_SCANNER_SCANNING,
    PIX_SCANNER_BROKEN, /* by `error`, until it is reloaded */
    PIX_SCANNER_OVER
} pix_scanner_state;

typedef struct pix_scanner_report {
    pix_scanner_state state;
    bool opened; /* ever */
    bool paused;
    bool reloading; /* has been asked for, and is not done */
    bool undone;    /* there is work left */
    pix_error error;
    int64_t breaks;        /* how often it broke */
    pix_run_counts counts; /* of the run at hand, or of the last */
    int64_t photos, roots; /* in the index after the last run */
    int64_t away;          /* of the roots, when all were scanned last */
    bool troubled;      /* since then something could not be looked at, and may be the next time */
    int64_t generation; /* how many runs there were */
} pix_scanner_report;
void pix_scanner_ask(pix_scanner *scanner, pix_scanner_report *report);

/* Scans everything, once for any number of calls before it begins. */
void pix_scanner_scan_all(pix_scanner *scanner);

/* Scans everything if a root, or a drive mounted in one, went away, came back or is another one
 * since the last time. */
void pix_scanner_check(pix_scanner *scanner);

/* Ends the run at hand and, paused or not, opens what is in the place of the index if that is
 * another one by now. */
void pix_scanner_check_place(pix_scanner *scanner);

/* Takes a batch, leaving an empty one, unless there is one still to be done. */
bool pix_scanner_take(pix_scanner *scanner, pix_change_batch *batch);

/* Gives what was put off to `changes`, to be looked at from `until_ns` on. */
void pix_scanner_give_back(pix_scanner *scanner, pix_changes *changes, int64_t until_ns);

/* Paused, it ends the run at hand; what is left is done after. */
void pix_scanner_pause(pix_scanner *scanner, bool paused);

/* Opens everything anew, with the model that is current by then, and scans everything. */
void pix_scanner_reload(pix_scanner *scanner);

/* A scan that somebody waits for, or an edit: that ends the run at hand and is done first, paused
 * or not, and what it leaves to do is done after. */
typedef struct pix_scan_request pix_scan_request;
struct pix_scan_request {
    pix_call call;     /* PIX_CALL_RESCAN, or one of pix_edit_run */
    pix_paths folders; /* none: every root; an edit's paths */
    int64_t waiter;    /* the asker's own; 0: nobody */
    char *answer;      /* when it is done: a line for the control socket; NULL: memory was out */
    pix_scan_request *next;
};
/* Takes the request. */
void pix_scanner_request(pix_scanner *scanner, pix_scan_request *request);
/* Nobody waits for it any more: an edit that has not begun is dropped, and scans of everything that
 * have not begun become one. */
void pix_scanner_withdraw(pix_scanner *scanner, int64_t waiter);
/* One that is done, the caller's from then on; NULL for none. */
pix_scan_request *pix_scanner_collect(pix_scanner *scanner);
void pix_scan_request_free(pix_scan_request *request);

#endif
