/* metadata.h - when, where and with what a photo was taken, from its EXIF block (libexif).
 *
 * Cameras and programs write nonsense: only plausible values are kept, anything else counts as
 * absent. */
#ifndef PIX_IMAGE_METADATA_H
#define PIX_IMAGE_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/image/decoder.h"

bool pix_exif_looks_like(const void *block, size_t size);

/* `block` begins with "Exif\0\0" and goes on like a TIFF file. */
void pix_metadata_from_exif(const void *block, size_t size, pix_photo *photo);

/* "2024:05:01 13:45:10", as EXIF writes it, into photo->taken_at; false when it is no time. */
bool pix_metadata_set_time(const char *text, pix_photo *photo);

/* Any text of a camera into photo->camera: clean UTF-8, the maker not said twice. */
void pix_metadata_set_camera(const char *maker, const char *model, pix_photo *photo);

/* Degrees; (0, 0) is what a receiver without a fix writes and counts as absent. */
void pix_metadata_set_location(double latitude, double longitude, pix_photo *photo);

#endif
