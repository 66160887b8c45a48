/* crop.h - the rows of any picture in, the square that the model sees out.
 *
 * Codecs describe what they decode and hand over rows from the top; everything else that decides
 * the pixels happens here: resize, crop, transparency, colour, rotation.  Two orders of operations
 * exist.  The default converts to what a person would see, then resizes; `exact` resizes in the
 * file's own mode and converts then, which is what OpenAI's code does through Pillow.
 * The rotation is applied to the crop instead of the picture: the same but for a level here and
 * there, because a mirrored window may round one weight of 2^22 differently. */
#ifndef PIX_IMAGE_CROP_H
#define PIX_IMAGE_CROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/image/decoder.h"
#include "core/image/resample.h"

typedef enum pix_mode {
    PIX_MODE_GREY,
    PIX_MODE_GREY_ALPHA,
    PIX_MODE_RGB,
    PIX_MODE_RGBA,
    PIX_MODE_CMYK,   /* 255 is full ink */
    PIX_MODE_GREY16, /* native 16-bit samples; exact only, where they are resized before clipping */
} pix_mode;

typedef struct pix_picture {
    pix_mode mode;
    int width, height;           /* of the rows that come */
    int full_width, full_height; /* of the stored picture */
    int shrink;                  /* rows span full_width / shrink samples */
    bool nearest;                /* exact: Pillow resizes palettes and bilevel pictures so */
    int orientation;             /* EXIF 1..8, to be applied */
    const void *profile;         /* ICC, or NULL; pix_crop_new keeps a copy */
    size_t profile_size;
} pix_picture;

typedef struct pix_crop pix_crop;

/* `out` [size, size, 3] is written by pix_crop_finish. */
pix_status pix_crop_new(const pix_picture *picture, const pix_decode_options *options, uint8_t *out,
                        pix_crop **crop, pix_error *error);
void pix_crop_free(pix_crop *crop);
void pix_crop_row(pix_crop *crop, const void *row);

/* What the crop depends on, in rows and columns that come; elsewhere rows may hold anything, and
 * rows that are wholly outside may be left out. */
pix_box pix_crop_needs(const pix_crop *crop);
void pix_crop_skip(pix_crop *crop, int rows);

pix_status pix_crop_finish(pix_crop *crop, pix_error *error);

/* Bytes of one pixel of a row. */
size_t pix_mode_bytes(pix_mode mode);

#endif
