/* summary.h - what came of a run, as people and scripts read it.
 *
 * One thread at a time. */
#ifndef PIX_INDEXER_SUMMARY_H
#define PIX_INDEXER_SUMMARY_H

#include <jansson.h>
#include <stdio.h>

#include "storage/store.h"

/* One folder's line. */
void pix_summary_print(FILE *out, const char *folder, const pix_run_counts *counts, double seconds);

/* The same, only what is not 0; nothing when nothing was done. */
void pix_summary_print_short(FILE *out, const char *folder, const pix_run_counts *counts,
                             double seconds);

void pix_run_counts_add(pix_run_counts *sum, const pix_run_counts *counts);

/* The counts of a report, or of a folder in one, as another process wrote it. */
void pix_summary_read(const json_t *object, pix_run_counts *counts);

/* The report of a run: one object of all its folders. */
typedef struct pix_summary {
    pix_run_counts counts; /* the sum */
    int64_t start_ns;
    FILE *folders; /* in memory */
    char *text;
    size_t size;
} pix_summary;

pix_status pix_summary_begin(pix_summary *summary, pix_error *error);
void pix_summary_add(pix_summary *summary, const char *folder, const pix_run_counts *counts,
                     double seconds);

/* Ends it: the object in heap memory, NULL when that is out.  The outcome is "complete", "stopped"
 * or "failed", the reason may be NULL. */
char *pix_summary_end(pix_summary *summary, const char *outcome, const char *reason);

#endif
