/* service.h - the life of pixgrep-decode: requests in, crops out, in a sandbox.
 *
 * What decodes is a parameter, so that a test can put something worse in its place. */
#ifndef PIX_IMAGE_SERVICE_H
#define PIX_IMAGE_SERVICE_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/image/decoder.h"

typedef pix_status pix_decode_function(int fd, const pix_decode_options *options, uint8_t *crop,
                                       pix_photo *photo, pix_error *error);

/* Serves until the socket closes.  PIX_EINVALID when nobody is at its other end. */
pix_status pix_decode_serve(pix_decode_function *decode, pix_error *error);

#endif
