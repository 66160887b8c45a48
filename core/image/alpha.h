/* alpha.h - rows with transparency, as a person sees them and as Pillow resizes them. */
#ifndef PIX_IMAGE_ALPHA_H
#define PIX_IMAGE_ALPHA_H

#include <stddef.h>
#include <stdint.h>

/* Rows of `count` pixels of `colours` samples (1 or 3), then alpha. */

/* Composited on white; `to` has no alpha. */
void pix_alpha_on_white(const uint8_t *from, size_t count, size_t colours, uint8_t *to);
/* Pillow's RGBA -> RGBa. */
void pix_alpha_premultiply(const uint8_t *from, size_t count, size_t colours, uint8_t *to);
/* Pillow's RGBa -> RGBA; `to` may be `from`. */
void pix_alpha_divide(const uint8_t *from, size_t count, size_t colours, uint8_t *to);

/* a * b / 255, rounded. */
static inline uint8_t pix_multiply_255(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

#endif
