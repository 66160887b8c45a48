/* pillow.h - how Pillow would hold a picture in memory, which decides how OpenAI's code resizes it.
 *
 * libvips hands out grey or RGB with or without alpha; Pillow keeps palettes, single bits and
 * 16-bit grey as they are and ignores a colour that is only declared transparent. */
#ifndef PIX_IMAGE_PILLOW_H
#define PIX_IMAGE_PILLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/image/codec.h"

typedef struct pix_pillow {
    bool nearest; /* modes 1 and P */
    bool opaque;  /* alpha comes from a palette or a transparent colour: to be dropped */
    bool grey16;  /* mode I */
} pix_pillow;

/* `wide`: the codec delivers 16-bit samples. */
pix_pillow pix_pillow_rules(const pix_source *source, bool wide);

/* Pillow keeps the colour that a GIF declares transparent; libvips would leave black there.  Makes
 * the first image opaque. */
void pix_gif_forget_transparency(uint8_t *data, size_t size);

bool pix_png_is_interlaced(const uint8_t *data, size_t size);

/* Whether `colours` entries of red, green, blue, `stride` bytes apart, are the greys 0, 1, 2, ...
 */
bool pix_palette_is_grey_ramp(const uint8_t *palette, size_t colours, size_t stride);

#endif
