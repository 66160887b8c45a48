/* output.h - standard output that remembers why it failed.
 *
 * A stream knows that a write failed, errno knows why only until the next call; a disk may be full
 * long before the stream is closed. */
#ifndef PIX_QUERY_OUTPUT_H
#define PIX_QUERY_OUTPUT_H

#include <stdio.h>

/* The stream, by lines on a terminal; NULL when memory is out.  One at a time. */
FILE *pix_output_open(void);

/* 0, or the errno of the first write that failed. */
int pix_output_close(FILE *output);

#endif
