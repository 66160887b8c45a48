#include "core/image/pillow.h"

#include "core/image/tiff.h"

/* The IHDR chunk is always first (PNG specification, 11.2.2). */
enum { PNG_DEPTH = 24, PNG_COLOUR = 25, PNG_INTERLACE = 28, PNG_HEADER = 33 };

enum { GIF_HEADER = 13, GIF_EXTENSION = 0x21, GIF_IMAGE = 0x2C };

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

/* The offset of what follows the header and the global palette (GIF89a, appendix A). */
static size_t gif_blocks(const uint8_t *data, size_t size) {
    if (size < GIF_HEADER)
        return size;
    size_t palette = data[10] & 0x80 ? (size_t)3 * (2U << (data[10] & 7)) : 0;
    return GIF_HEADER + palette;
}

/* Past the extension at `at`: blocks until an empty one. */
static size_t gif_skip(const uint8_t *data, size_t size, size_t at) {
    at += 2;
    while (at < size && data[at] != 0)
        at += (size_t)data[at] + 1;
    return at + 1;
}

/* The first image's own palette, if any, overrides the global one. */
static pix_pillow gif_rules(const uint8_t *data, size_t size) {
    pix_pillow rules = {.nearest = true, .opaque = true};
    size_t at = gif_blocks(data, size);
    size_t palette = at > GIF_HEADER ? GIF_HEADER : 0;
    size_t colours = palette ? (at - palette) / 3 : 0;
    while (at + 2 < size && data[at] == GIF_EXTENSION)
        at = gif_skip(data, size, at);
    if (at + 10 <= size && data[at] == GIF_IMAGE && data[at + 9] & 0x80) {
        palette = at + 10;
        colours = (size_t)2 << (data[at + 9] & 7);
    }
    if (palette && palette + 3 * colours <= size)
        rules.nearest = !pix_palette_is_grey_ramp(data + palette, colours, 3);
    return rules;
}

void pix_gif_forget_transparency(uint8_t *data, size_t size) {
    enum { GRAPHIC_CONTROL = 0xF9, TRANSPARENT = 1 };
    for (size_t at = gif_blocks(data, size); at + 3 < size && data[at] == GIF_EXTENSION;
         at = gif_skip(data, size, at))
        if (data[at + 1] == GRAPHIC_CONTROL)
            data[at + 3] &= (uint8_t)~TRANSPARENT;
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
