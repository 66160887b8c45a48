/* scan.h - one folder walked, its photos encoded, what is gone marked.
 *
 * The thread that calls owns the walk and every write to the store; it commits about once a second,
 * so a crash loses a second of work.  Failures are printed to standard error as they happen. */
#ifndef PIX_INDEXER_SCAN_H
#define PIX_INDEXER_SCAN_H

#include "indexer/paths.h"
#include "indexer/pipeline.h"
#include "indexer/progress.h"
#include "indexer/targets.h"
#include "indexer/vectors.h"
#include "indexer/walk.h"
#include "storage/store.h"

/* What a run's scans share. */
typedef struct pix_scan_context {
    pix_store *store;
    pix_pipeline *pipeline;
    pix_vectors *vectors;
    pix_progress *progress; /* may be NULL */
    const pix_recipe *recipe;
    const pix_walk_options *walk;
    const pix_paths *unsettled; /* sorted: files that failed and are tried again all the same */
    int dimension;
    int64_t run_id;
    const char *operation;          /* "index": how lines on standard error begin */
    bool (*stopped)(void *context); /* asked often; true ends the scan early */
    /* Whether a photo whose time is `mtime_ns` (INT64_MAX: it changed while it was read) is looked
     * at later, by a scan of its own; NULL: never. */
    bool (*put_off)(void *context, const char *path, int64_t mtime_ns);
    /* Told often how far the scan is; may be NULL. */
    void (*progressed)(void *context, const pix_run_counts *counts);
    void *context;
} pix_scan_context;

typedef struct pix_scan_result {
    pix_run_counts counts;
    bool stopped;    /* early: nothing was taken for removed */
    bool unreadable; /* a known root's folder: nothing else is set but `troubled` */
    bool troubled;   /* something could not be looked at, and may be the next time */
    double seconds;
} pix_scan_result;

/* `target` is not away; of one with parts, only these are looked at.  Every photo seen is in
 * exactly one of the counts unchanged, added, changed, moved, duplicates, returned, failed and
 * failed_before; the last two also count folders that cannot be read. */
pix_status pix_scan(const pix_scan_context *context, const pix_target *target,
                    pix_scan_result *result, pix_error *error);

/* The stages of failures that may end although the file stays as it is: those that end when
 * permissions change are tried in every run; those of a decoder that something else ended or held
 * up, PIX_INTERRUPTIONS times, lest a photo that brings this about be tried for ever. */
extern const char pix_stage_permission[], pix_stage_interrupted[];
enum { PIX_INTERRUPTIONS = 3 };

#endif
