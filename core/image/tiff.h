/* tiff.h - a look into the directories of a TIFF, without decoding it (TIFF 6.0, section 2). */
#ifndef PIX_IMAGE_TIFF_H
#define PIX_IMAGE_TIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pix_tiff {
    const uint8_t *data;
    size_t size;
    bool big_endian;
} pix_tiff;

enum {
    PIX_TIFF_BITS_PER_SAMPLE = 258,
    PIX_TIFF_COMPRESSION = 259,
    PIX_TIFF_PHOTOMETRIC = 262,
    PIX_TIFF_SUBIFDS = 330,
    PIX_TIFF_EXTRA_SAMPLES = 338,
    PIX_TIFF_DNG_VERSION = 50706
};

pix_tiff pix_tiff_view(const uint8_t *data, size_t size);

/* The first number of a tag in the first directory, or `otherwise`. */
uint32_t pix_tiff_value(const pix_tiff *tiff, uint32_t tag, uint32_t otherwise);

/* Whether any directory holds a sensor's data: a camera's RAW file. */
bool pix_tiff_is_raw(const pix_tiff *tiff);

#endif
