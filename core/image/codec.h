/* codec.h - what every codec gets and leaves.
 *
 * A codec decodes source->data and hands rows to a pix_crop.  It fills photo's width, height and
 * what metadata the file carries (photo arrives zeroed but for `format`, with orientation 1).
 * Errors are the reason alone. */
#ifndef PIX_IMAGE_CODEC_H
#define PIX_IMAGE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/image/decoder.h"
#include "core/image/format.h"

/* Limits from the header, before anything is decoded. */
enum {
    PIX_MEGAPIXELS_STREAMED = 512, /* where rows stream */
    PIX_MEGAPIXELS_WHOLE = 128,    /* where the codec holds the whole picture */
    PIX_SIDE_LIMIT = 1000000
};

typedef struct pix_source {
    const uint8_t *data;
    size_t size;
    pix_format format;
    const pix_decode_options *options;
    int orientation; /* when not 0: instead of what the data says */
} pix_source;

pix_status pix_jpeg_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                           pix_error *error);
pix_status pix_bmp_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                          pix_error *error);
pix_status pix_raw_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                          pix_error *error);
pix_status pix_vips_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                           pix_error *error);

/* PIX_ELIMIT when a picture is larger than the limit, PIX_EFORMAT when it has no pixels. */
pix_status pix_check_dimensions(int64_t width, int64_t height, int megapixels, pix_error *error);

#endif
