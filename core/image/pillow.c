#include "core/image/pillow.h"

#include "core/image/tiff.h"

/* The IHDR chunk is always first (PNG specification, 11.2.2). */
enum { PNG_DEPTH = 24, PNG_COLOUR = 25, PNG_INTERLACE = 28, PNG_HEADER = 33 };

bool pix_png_is_interlaced(const uint8_t *data, size_t size) {
    return size >= PNG_HEADER && data[PNG_INTERLACE] != 0;
}

static pix_pillow png_rules(const uint8_t *data, size_t size) {
    enum { GREY = 0, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };
    if (size < PNG_HEADER)
        return (pix_pillow){0};
    int depth = data[PNG_DEPTH], colour = data[PNG_COLOUR];
    return (pix_pillow){.nearest = colour == PALETTE || (colour == GREY && depth == 1),
                        .opaque = colour != GREY_ALPHA && colour != RGB_ALPHA,
                        .grey16 = colour == GREY && depth == 16};
}

bool pix_palette_is_grey_ramp(const uint8_t *palette, size_t colours, size_t stride) {
    for (size_t i = 0; i < colours; i++, palette += stride)
        if (palette[0] != i || palette[1] != i || palette[2] != i)
            return false;
    return true;
}

/* Walks to the first image descriptor; its own palette, if any, overrides the global one. */
static pix_pillow gif_rules(const uint8_t *data, size_t size) {
    pix_pillow rules = {.nearest = true, .opaque = true};
    const uint8_t *palette = NULL;
    size_t colours = 0, at = 13;
    if (size < at)
        return rules;
    if (data[10] & 0x80) {
        colours = (size_t)2 << (data[10] & 7);
        palette = data + at;
        at += 3 * colours;
    }
    while (at + 2 < size && data[at] == 0x21) { /* extensions: blocks until an empty one */
        at += 2;
        while (at < size && data[at] != 0)
            at += (size_t)data[at] + 1;
        at++;
    }
    if (at + 10 <= size && data[at] == 0x2C && data[at + 9] & 0x80) {
        colours = (size_t)2 << (data[at + 9] & 7);
        palette = data + at + 10;
    }
    if (palette && (size_t)(palette - data) + 3 * colours <= size)
        rules.nearest = !pix_palette_is_grey_ramp(palette, colours, 3);
    return rules;
}

static pix_pillow tiff_rules(const uint8_t *data, size_t size, bool wide) {
    enum { WHITE_IS_ZERO = 0, BLACK_IS_ZERO = 1, PALETTE = 3 };
    pix_tiff tiff = pix_tiff_view(data, size);
    uint32_t bits = pix_tiff_value(&tiff, PIX_TIFF_BITS_PER_SAMPLE, 1);
    uint32_t photometric = pix_tiff_value(&tiff, PIX_TIFF_PHOTOMETRIC, WHITE_IS_ZERO);
    uint32_t extra = pix_tiff_value(&tiff, PIX_TIFF_EXTRA_SAMPLES, 0);
    bool grey = photometric == WHITE_IS_ZERO || photometric == BLACK_IS_ZERO;
    return (pix_pillow){.nearest = photometric == PALETTE || (grey && bits == 1),
                        .opaque = photometric == PALETTE || extra == 0,
                        .grey16 = grey && wide};
}

pix_pillow pix_pillow_rules(const pix_source *source, bool wide) {
    switch (source->format) {
    case PIX_FORMAT_PNG:
        return png_rules(source->data, source->size);
    case PIX_FORMAT_GIF:
        return gif_rules(source->data, source->size);
    case PIX_FORMAT_TIFF:
        return tiff_rules(source->data, source->size, wide);
    case PIX_FORMAT_PNM:
        return (pix_pillow){.nearest = source->data[1] == '1' || source->data[1] == '4'};
    default:
        return (pix_pillow){0};
    }
}
