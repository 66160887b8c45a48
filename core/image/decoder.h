/* decoder.h - a photo into the pixels the model sees, in another process.
 *
 * A pix_decoder owns one child, pixgrep-decode, a socket to it and memory shared with it.  Picture
 * libraries are linked only there, and before they see a photo the child shuts itself in
 * (sandbox.h).  A child that crashes, hangs or grows without bound costs one file: the error says
 * so and the next call starts a new child; and none is condemned for memory that another left
 * occupied.  One thread at a time per decoder; the child dies with the thread that started it.  The
 * libraries' chatter goes nowhere unless PIXGREP_DECODE_STDERR is set in the environment.
 */
#ifndef PIX_IMAGE_DECODER_H
#define PIX_IMAGE_DECODER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_decode_options {
    int size;             /* side of the square crop in pixels, 1..4096 */
    bool exact;           /* full decode and OpenAI's order of operations, bit for bit */
    bool ignore_rotation; /* leave the EXIF orientation unapplied, as OpenAI does */
    int timeout_ms;       /* of work for one photo, at most 18 times that in all; 0 means 60,000 */
    const atomic_bool *stopping; /* when it is true a photo gets little more time; may be NULL */
} pix_decode_options;

typedef struct pix_photo {
    int32_t width, height; /* as stored, before orientation */
    int32_t orientation;   /* EXIF 1..8 */
    char format[16];       /* "jpeg", "png", ... by content */
    char taken_at[20];     /* "2024-05-01T13:45:10" local time, "" when unknown */
    char camera[80];       /* maker and model, UTF-8, "" when unknown */
    bool has_location;
    double latitude, longitude; /* degrees, north and east positive */
} pix_photo;

typedef struct pix_decoder pix_decoder;

/* `program` NULL: the installed libexec/pixgrep/pixgrep-decode.  The child starts with the first
 * photo. */
pix_status pix_decoder_open(const char *program, const pix_decode_options *options,
                            pix_decoder **out, pix_error *error);
void pix_decoder_close(pix_decoder *decoder);

/* Reads the regular file `fd` from its start and writes crop [size, size, 3].  The error is the
 * reason alone ("truncated JPEG: ..."), without the file's name; PIX_EBUSY says that no child could
 * be started, PIX_EINTERRUPTED that it was killed or held up by something else, or stopped: none is
 * the photo's fault. */
pix_status pix_decoder_run(pix_decoder *decoder, int fd, uint8_t *crop, pix_photo *photo,
                           pix_error *error);

/* Opens `path` for pix_decoder_run: regular files of at most 3 GiB only, and a FIFO never hangs.
 * The error is the reason alone. */
pix_status pix_photo_open(const char *path, int *fd, pix_error *error);

#endif
