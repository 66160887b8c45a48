/* colour.h - a crop in the file's own colours into sRGB.
 *
 * Colours are converted after the resize: the crop is 50,000 pixels where the photo is twelve
 * million, and profiles of photos differ so little from sRGB in their curves that the order cannot
 * be seen. */
#ifndef PIX_IMAGE_COLOUR_H
#define PIX_IMAGE_COLOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True for a profile that calls itself sRGB: nothing to convert. */
bool pix_profile_is_srgb(const void *profile, size_t size);

/* `pixels` [count, channels] with channels 1 (grey), 3 (RGB) or 4 (CMYK) into rgb [count, 3].
 * Without a profile CMYK is taken as a usual offset print; a profile that does not fit the
 * channels or is broken is ignored, as every viewer does. */
void pix_colour_to_srgb(const uint8_t *pixels, size_t count, int channels, const void *profile,
                        size_t profile_size, uint8_t *rgb);

/* Pillow's CMYK -> RGB, which knows no profile. */
void pix_colour_plain_cmyk(const uint8_t *cmyk, size_t count, uint8_t *rgb);

#endif
