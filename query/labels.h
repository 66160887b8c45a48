/* labels.h - what --classify chooses from: the labels in a file, or those on the command line. */
#ifndef PIX_QUERY_LABELS_H
#define PIX_QUERY_LABELS_H

#include <stdio.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/lines.h"

/* The labels that the value of --classify means: "-" is the lines of `in`; one with a comma, unless
 * it begins with "/", "./" or "../", is a list; anything else is a file, a label a line, commas and
 * all.  Labels that the model reads alike, as "Cat" and "cat", would share what belongs to one: the
 * first stays, and `note` receives one line that names the others. */
pix_status pix_labels_open(const char *value, FILE *in, pix_list *out, pix_bytes *note,
                           pix_error *error);

#endif
