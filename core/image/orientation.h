/* orientation.h - the eight EXIF orientations (EXIF 2.32, tag 0x0112). */
#ifndef PIX_IMAGE_ORIENTATION_H
#define PIX_IMAGE_ORIENTATION_H

#include <stdbool.h>
#include <stdint.h>

/* Whether turning a picture upright reverses the order of its stored columns or rows. */
bool pix_orientation_reverses_columns(int orientation);
bool pix_orientation_reverses_rows(int orientation);

/* The square from [side, side, 3], as stored, turned upright into `to`. */
void pix_orientation_apply(int orientation, int side, const uint8_t *from, uint8_t *to);

#endif
