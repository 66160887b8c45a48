/* format.h - what a file is, by its bytes; names and extensions lie. */
#ifndef PIX_IMAGE_FORMAT_H
#define PIX_IMAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

typedef enum pix_format {
    PIX_FORMAT_UNKNOWN,
    PIX_FORMAT_JPEG,
    PIX_FORMAT_PNG,
    PIX_FORMAT_GIF,
    PIX_FORMAT_WEBP,
    PIX_FORMAT_TIFF,
    PIX_FORMAT_BMP,
    PIX_FORMAT_HEIC,
    PIX_FORMAT_AVIF,
    PIX_FORMAT_JP2,
    PIX_FORMAT_JXL,
    PIX_FORMAT_PNM,
    PIX_FORMAT_RAW,
    /* Recognised so that the reason for leaving them out can be told. */
    PIX_FORMAT_SVG,
    PIX_FORMAT_PLAIN_PNM,
    PIX_FORMAT_PDF,
    PIX_FORMAT_PSD,
    PIX_FORMAT_VIDEO
} pix_format;

/* The whole file: a camera's RAW file is told from a TIFF by its directories, anywhere in it. */
pix_format pix_format_detect(const uint8_t *data, size_t size);

/* "jpeg", "png", ...; never NULL. */
const char *pix_format_name(pix_format format);

#endif
