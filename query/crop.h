/* crop.h - pixgrep --crop: the pixels the model sees of a picture. */
#ifndef PIX_QUERY_CROP_H
#define PIX_QUERY_CROP_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/options.h"

/* Writes the square crop of the one input as binary PPM (P6).  Its side is --size, else what the
 * model reads, else, with no model at all, 224. */
pix_status pix_crop_write(const pix_query_options *options, FILE *out, pix_error *error);

#endif
