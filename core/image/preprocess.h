/* preprocess.h - a picture file into the square the model sees, in this process.
 *
 * The work of pixgrep-decode, for its main and for tests.  Decoding a hostile file may crash or
 * grow without bound: programs use decoder.h. */
#ifndef PIX_IMAGE_PREPROCESS_H
#define PIX_IMAGE_PREPROCESS_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/image/decoder.h"

/* Reads the regular file `fd` from its start, whatever its offset, and writes crop
 * [size, size, 3].  options->timeout_ms is not looked at. */
pix_status pix_preprocess(int fd, const pix_decode_options *options, uint8_t *crop,
                          pix_photo *photo, pix_error *error);

#endif
