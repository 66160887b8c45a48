/* format.h - numbers and paths as people read them.
 *
 * The pix_text functions return a string in one of eight buffers of the calling thread: for
 * printing. */
#ifndef PIX_INDEXER_FORMAT_H
#define PIX_INDEXER_FORMAT_H

#include <stdint.h>
#include <stdio.h>

const char *pix_text_count(int64_t count);       /* "5,000" */
const char *pix_text_size(int64_t bytes);        /* "577.2 MiB" */
const char *pix_text_duration(double seconds);   /* "3.2 s", "4 min 05 s", "2 h 10 min" */
const char *pix_text_time(int64_t unix_seconds); /* "2024-05-01 13:45:10" local time, or "never" */

/* Prints a path with its control bytes escaped, whole and without a buffer. */
void pix_print_path(FILE *stream, const char *path);

/* A line on standard error, "pixgrepd: " and this, control bytes escaped: it may hold names of
 * files.  It is written at once, so that those of several threads do not mix. */
void pix_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
