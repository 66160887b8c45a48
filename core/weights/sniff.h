/* sniff.h - what a file that is no checkpoint looks like, for the message that refuses it. */
#ifndef PIX_WEIGHTS_SNIFF_H
#define PIX_WEIGHTS_SNIFF_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

/* Always fails: PIX_EUNSUPPORTED for a format of weights that is known but not read, PIX_EFORMAT
 * otherwise; the text names what the beginning of the file looks like. */
pix_status pix_sniff_refuse(const uint8_t *data, size_t size, pix_error *error);

#endif
