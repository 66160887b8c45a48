/* png.h - pixels as a PNG file in memory (ISO/IEC 15948), 8 bits a channel, RGB. */
#ifndef PIX_BASE_PNG_H
#define PIX_BASE_PNG_H

#include <stdint.h>

#include "core/base/bytes.h"

/* Replaces *out by the file; rgb: [height, width, 3], both sides from 1 to 4096. */
pix_status pix_png_write(const uint8_t *rgb, int width, int height, pix_bytes *out);

#endif
