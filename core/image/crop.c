#include "core/image/crop.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/image/alpha.h"
#include "core/image/colour.h"
#include "core/image/nearest.h"
#include "core/image/orientation.h"
#include "core/image/resample.h"
#include "core/image/resample16.h"

struct pix_crop {
    pix_picture picture;
    int size;
    bool exact;
    bool premultiplied;
    size_t channels;   /* of `square` */
    uint8_t *prepared; /* one row as the resize wants it, when that is not the codec's */
    uint8_t *square;   /* [size, size, channels], as stored */
    uint8_t *out;
    void *profile;            /* what picture.profile points to */
    pix_resampler *resampler; /* one of the three */
    pix_resampler16 *resampler16;
    pix_nearest *nearest;
};

size_t pix_mode_bytes(pix_mode mode) {
    switch (mode) {
    case PIX_MODE_GREY:
        return 1;
    case PIX_MODE_GREY_ALPHA:
    case PIX_MODE_GREY16:
        return 2;
    case PIX_MODE_RGB:
        return 3;
    case PIX_MODE_RGBA:
    case PIX_MODE_CMYK:
        return 4;
    }
    return 0;
}

static bool has_alpha(pix_mode mode) {
    return mode == PIX_MODE_GREY_ALPHA || mode == PIX_MODE_RGBA;
}

/* Resized so that the short side becomes `size`, then the middle of `size` samples, an odd
 * remainder split with halves to even.  In a direction that the rotation reverses, the remainder
 * is split as seen from the other end. */
static pix_axis place(int input, int full, int shrink, int other, int size, bool reversed) {
    int shorter = full < other ? full : other;
    int64_t output = (int64_t)((double)((int64_t)size * full) / shorter);
    int64_t rest = output - size;
    int64_t first = rest / 2;
    if (rest % 2 != 0)
        first += first % 2;
    return (pix_axis){.input = input,
                      .extent = (float)full / (float)shrink,
                      .output = output,
                      .first = reversed ? rest - first : first,
                      .count = size};
}

static pix_status start(pix_crop *c, pix_error *error) {
    const pix_picture *p = &c->picture;
    pix_axis x = place(p->width, p->full_width, p->shrink, p->full_height, c->size,
                       pix_orientation_reverses_columns(p->orientation));
    pix_axis y = place(p->height, p->full_height, p->shrink, p->full_width, c->size,
                       pix_orientation_reverses_rows(p->orientation));
    bool resized = x.output != p->full_width || y.output != p->full_height;
    bool flattened = has_alpha(p->mode) && !c->exact;
    c->premultiplied = has_alpha(p->mode) && c->exact && resized && !p->nearest;
    c->channels = p->mode == PIX_MODE_GREY16 ? 1 : pix_mode_bytes(p->mode) - (flattened ? 1 : 0);
    c->square = calloc((size_t)c->size * (size_t)c->size, c->channels);
    if (flattened || c->premultiplied)
        c->prepared = calloc((size_t)p->width, c->channels);
    if (!c->square || ((flattened || c->premultiplied) && !c->prepared))
        return pix_fail_memory(error);
    if (p->mode == PIX_MODE_GREY16)
        return pix_resampler16_new(&x, &y, c->square, &c->resampler16, error);
    if (p->nearest && c->exact)
        return pix_nearest_new(&x, &y, c->channels, c->square, &c->nearest, error);
    const pix_loops *loops = pix_loops_choose(getenv("PIXGREP_ISA"));
    return pix_resampler_new(loops, &x, &y, (int)c->channels, c->square, &c->resampler, error);
}

/* libvips may replace an image's profile while it reads rows. */
static pix_status keep_profile(pix_crop *c, pix_error *error) {
    const void *profile = c->picture.profile;
    c->picture.profile = NULL;
    if (!profile || c->exact)
        return PIX_OK;
    c->profile = malloc(c->picture.profile_size + 1);
    if (!c->profile)
        return pix_fail_memory(error);
    memcpy(c->profile, profile, c->picture.profile_size);
    c->picture.profile = c->profile;
    return PIX_OK;
}

pix_status pix_crop_new(const pix_picture *picture, const pix_decode_options *options, uint8_t *out,
                        pix_crop **crop, pix_error *error) {
    *crop = NULL;
    pix_crop *c = calloc(1, sizeof *c);
    if (!c)
        return pix_fail_memory(error);
    c->picture = *picture;
    if (options->ignore_rotation)
        c->picture.orientation = 1;
    c->size = options->size;
    c->exact = options->exact;
    c->out = out;
    pix_status status = keep_profile(c, error);
    if (!status)
        status = start(c, error);
    if (status)
        pix_crop_free(c);
    else
        *crop = c;
    return status;
}

void pix_crop_free(pix_crop *c) {
    if (!c)
        return;
    pix_resampler_free(c->resampler);
    pix_resampler16_free(c->resampler16);
    pix_nearest_free(c->nearest);
    free(c->profile);
    free(c->prepared);
    free(c->square);
    free(c);
}

void pix_crop_row(pix_crop *c, const void *row) {
    const uint8_t *samples = row;
    if (c->prepared) {
        size_t colours = pix_mode_bytes(c->picture.mode) - 1;
        if (c->premultiplied)
            pix_alpha_premultiply(row, (size_t)c->picture.width, colours, c->prepared);
        else
            pix_alpha_on_white(row, (size_t)c->picture.width, colours, c->prepared);
        samples = c->prepared;
    }
    if (c->nearest)
        pix_nearest_row(c->nearest, samples);
    else if (c->resampler16)
        pix_resampler16_row(c->resampler16, row);
    else
        pix_resampler_row(c->resampler, samples);
}

pix_box pix_crop_needs(const pix_crop *c) {
    if (!c->resampler)
        return (pix_box){.right = c->picture.width, .bottom = c->picture.height};
    return pix_resampler_needs(c->resampler);
}

void pix_crop_skip(pix_crop *c, int rows) {
    if (c->resampler)
        pix_resampler_skip(c->resampler, rows);
}

/* The first one or three samples of every pixel. */
static void drop_to_rgb(const uint8_t *from, size_t count, size_t channels, uint8_t *rgb) {
    bool grey = channels < 3;
    for (size_t i = 0; i < count; i++, from += channels, rgb += 3) {
        rgb[0] = from[0];
        rgb[1] = from[grey ? 0 : 1];
        rgb[2] = from[grey ? 0 : 2];
    }
}

static void convert(pix_crop *c, uint8_t *rgb) {
    const pix_picture *p = &c->picture;
    size_t count = (size_t)c->size * (size_t)c->size;
    bool cmyk = p->mode == PIX_MODE_CMYK;
    if (c->premultiplied)
        pix_alpha_divide(c->square, count, c->channels - 1, c->square);
    if (cmyk && c->exact)
        pix_colour_plain_cmyk(c->square, count, rgb);
    else if (!c->exact &&
             (cmyk || (p->profile && !pix_profile_is_srgb(p->profile, p->profile_size))))
        pix_colour_to_srgb(c->square, count, (int)c->channels, p->profile, p->profile_size, rgb);
    else
        drop_to_rgb(c->square, count, c->channels, rgb);
}

pix_status pix_crop_finish(pix_crop *c, pix_error *error) {
    uint8_t *rgb = calloc((size_t)c->size * (size_t)c->size, 3);
    if (!rgb)
        return pix_fail_memory(error);
    convert(c, rgb);
    pix_orientation_apply(c->picture.orientation, c->size, rgb, c->out);
    free(rgb);
    return PIX_OK;
}
