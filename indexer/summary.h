/* summary.h - what came of a run, as people and scripts read it. */
#ifndef PIX_INDEXER_SUMMARY_H
#define PIX_INDEXER_SUMMARY_H

#include <stdio.h>

#include "storage/store.h"

/* One folder's line. */
void pix_summary_print(FILE *out, const char *folder, const pix_run_counts *counts, double seconds);

/* The same of a few files: only what is not 0; nothing when nothing was done. */
void pix_summary_print_short(FILE *out, const char *folder, const pix_run_counts *counts,
                             double seconds);

/* The object that a report has of a folder: {"path":...,"seen":...}. */
void pix_summary_write_folder(FILE *out, const char *folder, const pix_run_counts *counts,
                              double seconds);

/* The report, one object in one line: the outcome ("complete", "stopped" or "failed"), why (NULL:
 * nothing to say), the sum of all counts, and the folders' objects with commas between. */
void pix_summary_write(FILE *out, const char *outcome, const char *reason,
                       const pix_run_counts *counts, double seconds, const char *folders);

#endif
