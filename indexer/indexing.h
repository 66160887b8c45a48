/* indexing.h - what bringing the index up to date needs, opened once for any number of runs.
 *
 * The store is open for writing as long as this is, so there is one at a time.  One thread runs;
 * that thread's priority is that of decoding and encoding, too. */
#ifndef PIX_INDEXER_INDEXING_H
#define PIX_INDEXER_INDEXING_H

#include "indexer/options.h"
#include "indexer/scan.h"

typedef struct pix_indexing {
    pix_store *store;
    pix_model *model;
    pix_pipeline *pipeline; /* from the first run on */
    pix_recipe recipe;
    pix_walk_options walk; /* `entering` is the caller's to set */
    int threads;           /* at least 1 */
} pix_indexing;

/* `options` are borrowed until _close. */
pix_status pix_indexing_open(const pix_options *options, pix_indexing *out, pix_error *error);
void pix_indexing_close(pix_indexing *indexing); /* a zeroed one, too */

/* How a run goes, set by the caller, and what came of it. */
typedef struct pix_run {
    const char *operation;  /* as of pix_scan_context, like the functions */
    pix_progress *progress; /* may be NULL */
    bool (*stopped)(void *context);
    bool (*put_off)(void *context, const char *path, int64_t mtime_ns);
    /* Told of each target when it is done; may be NULL. */
    void (*scanned)(void *context, const pix_target *target, const pix_scan_result *result);
    void (*progressed)(void *context, const pix_run_counts *counts);
    void *context;
    bool small;               /* one of many: pix_store_run_go_on */
    const pix_paths *renames; /* old and new paths by turns, done first; may be NULL */

    pix_run_counts counts;
    bool early;    /* stopped */
    bool away;     /* a folder that was named cannot be reached */
    bool troubled; /* as of pix_scan_result */
} pix_run;

/* After an error the index must be opened again. */
pix_status pix_indexing_run(pix_indexing *indexing, pix_targets *targets, pix_run *run,
                            pix_error *error);

#endif
