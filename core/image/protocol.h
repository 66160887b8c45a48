/* protocol.h - what pixgrepd and pixgrep say to pixgrep-decode, and hear.
 *
 * Both ends are of one build, so structs travel as they are, one a packet, over a SOCK_SEQPACKET
 * socket.  Each request carries the photo's descriptor (SCM_RIGHTS); the crop comes back in shared
 * memory of size * size * 3 bytes, then the reply.  The child ends when the socket closes.
 *
 * The first request decides what is loaded before the sandbox closes: libvips takes longer than
 * decoding a photo, and most photos are JPEG, which does without.  A child that comes to miss it
 * says so and is replaced. */
#ifndef PIX_IMAGE_PROTOCOL_H
#define PIX_IMAGE_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/image/decoder.h"

/* Descriptors of the child, all it has besides the standard three. */
enum { PIX_DECODE_SOCKET = 3, PIX_DECODE_MEMORY = 4 };

typedef struct pix_decode_request {
    int32_t size;
    bool exact;
    bool ignore_rotation;
    bool all; /* libvips, too; looked at in the first request */
} pix_decode_request;

typedef struct pix_decode_reply {
    pix_photo photo;
    pix_error error;   /* its status alone counts when it is PIX_OK */
    int32_t wants_all; /* this photo needs libvips, which is not loaded: nothing else counts */
} pix_decode_reply;

#endif
