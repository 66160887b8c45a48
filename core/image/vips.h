/* vips.h - libvips, set up once: one thread, no cache, and only the loaders we use. */
#ifndef PIX_IMAGE_VIPS_H
#define PIX_IMAGE_VIPS_H

#include <stdbool.h>

#include "core/base/error.h"

/* Any thread; the first call does the work (30 ms). */
pix_status pix_vips_start(pix_error *error);

/* From now on starting it fails; whether someone tried. */
void pix_vips_leave_out(void);
bool pix_vips_is_missed(void);

#endif
