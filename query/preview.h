/* preview.h - --preview: pictures in the terminal, drawn by chafa.
 *
 * chafa knows what the terminal can show (kitty, sixel, iTerm2, else blocks of colour).  It is
 * given a thumbnail through a file descriptor, never a name or a photo. */
#ifndef PIX_QUERY_PREVIEW_H
#define PIX_QUERY_PREVIEW_H

#include <stdio.h>

#include "query/options.h"

typedef struct pix_preview pix_preview;

/* PIX_ENOTFOUND when chafa is not installed. */
pix_status pix_preview_open(const pix_query_options *options, pix_preview **out, pix_error *error);
void pix_preview_close(pix_preview *preview);

/* Draws the photo on standard output below what `out`, which writes there, has printed.  The error
 * is the reason alone. */
pix_status pix_preview_show(pix_preview *preview, const char *path, FILE *out, pix_error *error);

#endif
