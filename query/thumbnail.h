/* thumbnail.h - the middle of a photo, small, as a PNG: what --html and --preview show.
 *
 * It is the square that a model sees, decoded by pixgrep-decode: whoever shows it never meets the
 * photo's own bytes.  One thread at a time. */
#ifndef PIX_QUERY_THUMBNAIL_H
#define PIX_QUERY_THUMBNAIL_H

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "query/options.h"

typedef struct pix_thumbnails pix_thumbnails;

/* `size` is the side in pixels.  The decoding process starts with the first photo. */
pix_status pix_thumbnails_open(const pix_query_options *options, int size, pix_thumbnails **out,
                               pix_error *error);
void pix_thumbnails_close(pix_thumbnails *thumbnails);

/* Replaces *png.  The error is the reason alone, without the file's name. */
pix_status pix_thumbnails_get(pix_thumbnails *thumbnails, const char *path, pix_bytes *png,
                              pix_error *error);

#endif
