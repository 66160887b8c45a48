/* Windows and OS/2 bitmaps, which libvips reads only through ImageMagick.  Rows are stored from the
 * bottom in the common case; the file is in memory, so they are handed over from the top all the
 * same.  Microsoft, "Bitmap Storage" and the BITMAPINFOHEADER family; 16-bit samples widen as
 * in Pillow. */
#include <stdlib.h>
#include <string.h>

#include "core/image/codec.h"
#include "core/image/crop.h"
#include "core/image/pillow.h"

enum { RGB = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };
enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, V2_HEADER = 52, V3_HEADER = 56 };

typedef struct bitmap {
    const uint8_t *data;
    size_t size;
    size_t header; /* its length */
    size_t pixels; /* offset of the first stored row */
    size_t stride; /* bytes of a stored row */
    int width, height;
    bool top_down;
    unsigned bits, compression;
    uint32_t masks[4]; /* red, green, blue, alpha */
    uint8_t palette[256][3];
    size_t colours;
    uint8_t *indices; /* [height, width] from the top, of a run-length picture */
} bitmap;

static uint32_t number(const bitmap *b, size_t offset, size_t bytes) {
    uint32_t value = 0;
    if (offset > b->size || b->size - offset < bytes)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint32_t)b->data[offset + i] << 8 * i;
    return value;
}

static void read_masks(bitmap *b) {
    static const uint32_t of_16[4] = {0x7C00, 0x03E0, 0x001F, 0};
    static const uint32_t of_32[4] = {0xFF0000, 0x00FF00, 0x0000FF, 0};
    memcpy(b->masks, b->bits == 16 ? of_16 : of_32, sizeof b->masks);
    if (b->compression != BITFIELDS && b->compression != ALPHA_BITFIELDS)
        return;
    bool alpha = b->compression == ALPHA_BITFIELDS || b->header >= V3_HEADER;
    for (size_t i = 0; i < (alpha ? 4 : 3); i++)
        b->masks[i] = number(b, FILE_HEADER + INFO_HEADER + 4 * i, 4);
}

static void read_palette(bitmap *b) {
    if (b->bits > 8)
        return;
    size_t entry = b->header == CORE_HEADER ? 3 : 4;
    size_t at = FILE_HEADER + b->header;
    size_t most = (size_t)1 << b->bits;
    uint32_t used = b->header >= INFO_HEADER ? number(b, FILE_HEADER + 32, 4) : 0;
    b->colours = used > 0 && used < most ? used : most;
    for (size_t i = 0; i < b->colours; i++, at += entry)
        for (size_t c = 0; c < 3; c++)
            b->palette[i][c] = (uint8_t)number(b, at + 2 - c, 1);
}

static bool known_kind(const bitmap *b) {
    switch (b->compression) {
    case RGB:
        return b->bits == 1 || b->bits == 4 || b->bits == 8 || b->bits == 16 || b->bits == 24 ||
               b->bits == 32;
    case RLE8:
        return b->bits == 8 && !b->top_down;
    case RLE4:
        return b->bits == 4 && !b->top_down;
    case BITFIELDS:
    case ALPHA_BITFIELDS:
        return b->header >= INFO_HEADER && (b->bits == 16 || b->bits == 32);
    default:
        return false;
    }
}

static pix_status read_header(bitmap *b, pix_error *error) {
    b->header = number(b, FILE_HEADER, 4);
    b->pixels = number(b, 10, 4);
    int64_t width, height;
    if (b->header == CORE_HEADER) {
        width = number(b, FILE_HEADER + 4, 2);
        height = number(b, FILE_HEADER + 6, 2);
        b->bits = number(b, FILE_HEADER + 10, 2);
    } else {
        width = (int32_t)number(b, FILE_HEADER + 4, 4);
        height = (int32_t)number(b, FILE_HEADER + 8, 4);
        b->bits = number(b, FILE_HEADER + 14, 2);
        b->compression = b->header > 16 ? number(b, FILE_HEADER + 16, 4) : RGB;
    }
    if (b->header < CORE_HEADER || b->header > 256 || b->size < FILE_HEADER + b->header)
        return pix_fail(error, PIX_EFORMAT, "corrupt or truncated BMP (in the header)");
    b->top_down = height < 0;
    height = height < 0 ? -height : height;
    bool runs = b->compression == RLE8 || b->compression == RLE4;
    pix_status status = pix_check_dimensions(
        width, height, runs ? PIX_MEGAPIXELS_WHOLE : PIX_MEGAPIXELS_STREAMED, error);
    if (status)
        return status;
    if (!known_kind(b))
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "BMP of %u bits with compression %u is not supported", b->bits,
                        b->compression);
    b->width = (int)width;
    b->height = (int)height;
    b->stride = ((size_t)width * b->bits + 31) / 32 * 4;
    read_masks(b);
    read_palette(b);
    return PIX_OK;
}

static pix_status check_length(const bitmap *b, pix_error *error) {
    size_t there = b->pixels < b->size ? (b->size - b->pixels) / b->stride : 0;
    if (there < (size_t)b->height)
        return pix_fail(error, PIX_EFORMAT, "truncated BMP (the file holds %zu of %d rows)", there,
                        b->height);
    return PIX_OK;
}

/* Pixels from..from + count of the absolute run at `at`. */
static void copy_run(const bitmap *b, size_t at, int count, int from, uint8_t *row) {
    for (int i = 0; i < count && from + i < b->width; i++) {
        uint32_t pair = number(b, at + (size_t)(b->bits == 8 ? i : i / 2), 1);
        row[from + i] = (uint8_t)(b->bits == 8 ? pair : i % 2 ? pair & 15 : pair >> 4);
    }
}

/* Runs until the end mark or the last row is full; a file that ends earlier is truncated. */
static pix_status expand_runs(bitmap *b, pix_error *error) {
    b->indices = calloc((size_t)b->height, (size_t)b->width);
    if (!b->indices)
        return pix_fail_memory(error);
    int x = 0, y = 0;
    for (size_t at = b->pixels; y < b->height;) {
        if (at + 2 > b->size)
            return pix_fail(error, PIX_EFORMAT, "truncated BMP (the file holds %d of %d rows)", y,
                            b->height);
        uint8_t *row = b->indices + (size_t)(b->height - 1 - y) * (size_t)b->width;
        int count = b->data[at], value = b->data[at + 1];
        at += 2;
        if (count > 0) {
            for (int i = 0; i < count && x < b->width; i++, x++)
                row[x] = (uint8_t)(b->bits == 8 ? value : i % 2 ? value & 15 : value >> 4);
        } else if (value == 0) {
            x = 0;
            y++;
        } else if (value == 1) {
            return PIX_OK;
        } else if (value == 2) {
            x += (int)number(b, at, 1);
            y += (int)number(b, at + 1, 1);
            x = x < b->width ? x : b->width;
            at += 2;
        } else {
            copy_run(b, at, value, x, row);
            x = x + value < b->width ? x + value : b->width;
            at += ((size_t)value * b->bits / 8 + (value % 2 && b->bits == 4 ? 1 : 0) + 1) / 2 * 2;
        }
    }
    return PIX_OK;
}

static const uint8_t *stored_row(const bitmap *b, int y) {
    return b->data + b->pixels + (size_t)(b->top_down ? y : b->height - 1 - y) * b->stride;
}

static unsigned index_at(const bitmap *b, const uint8_t *row, int x) {
    if (b->indices)
        return row[x];
    size_t bit = (size_t)x * b->bits;
    return (unsigned)row[bit / 8] >> (8 - b->bits - bit % 8) & ((1U << b->bits) - 1);
}

/* The masked bits as 0..255. */
static uint8_t sample(uint32_t pixel, uint32_t mask) {
    if (mask == 0)
        return 0;
    uint32_t low = mask & -mask;
    return (uint8_t)((uint64_t)((pixel & mask) / low) * 255 / (mask / low));
}

static void write_row(const bitmap *b, int y, bool alpha, uint8_t *to) {
    const uint8_t *row = b->indices ? b->indices + (size_t)y * (size_t)b->width : stored_row(b, y);
    size_t bytes = b->bits / 8;
    for (int x = 0; x < b->width; x++) {
        if (b->bits <= 8) {
            memcpy(to, b->palette[index_at(b, row, x)], 3);
        } else if (b->bits == 24) {
            const uint8_t *pixel = row + 3 * (size_t)x;
            to[0] = pixel[2];
            to[1] = pixel[1];
            to[2] = pixel[0];
        } else {
            uint32_t pixel = 0;
            for (size_t i = 0; i < bytes; i++)
                pixel |= (uint32_t)row[(size_t)x * bytes + i] << 8 * i;
            for (size_t c = 0; c < (alpha ? 4 : 3); c++)
                to[c] = sample(pixel, b->masks[c]);
        }
        to += alpha ? 4 : 3;
    }
}

/* Pillow resizes a palette by nearest neighbour unless it is 0, 1, 2, ...: that it takes for grey.
 */
static bool resized_by_nearest(const bitmap *b) {
    return b->bits <= 8 &&
           (b->colours == 2 || !pix_palette_is_grey_ramp(b->palette[0], b->colours, 3));
}

/* Many programs declare an alpha channel and leave it zero. */
static bool alpha_is_used(const bitmap *b) {
    if (b->masks[3] == 0 || b->bits != 32)
        return false;
    for (int y = 0; y < b->height; y++)
        for (int x = 0; x < b->width; x++)
            if (number(b, (size_t)(stored_row(b, y) - b->data) + 4 * (size_t)x, 4) & b->masks[3])
                return true;
    return false;
}

static pix_status decode(bitmap *b, const pix_source *source, uint8_t *crop, pix_photo *photo,
                         pix_crop **c, uint8_t **row, pix_error *error) {
    pix_status status = read_header(b, error);
    if (status)
        return status;
    photo->width = b->width;
    photo->height = b->height;
    bool runs = b->compression == RLE8 || b->compression == RLE4;
    status = runs ? expand_runs(b, error) : check_length(b, error);
    if (status)
        return status;
    bool alpha = alpha_is_used(b);
    pix_picture picture = {.mode = alpha ? PIX_MODE_RGBA : PIX_MODE_RGB,
                           .width = b->width,
                           .height = b->height,
                           .full_width = b->width,
                           .full_height = b->height,
                           .shrink = 1,
                           .nearest = resized_by_nearest(b),
                           .orientation = 1};
    *row = calloc((size_t)b->width, 4);
    if (!*row)
        return pix_fail_memory(error);
    status = pix_crop_new(&picture, source->options, crop, c, error);
    if (status)
        return status;
    for (int y = 0; y < b->height; y++) {
        write_row(b, y, alpha, *row);
        pix_crop_row(*c, *row);
    }
    return pix_crop_finish(*c, error);
}

pix_status pix_bmp_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                          pix_error *error) {
    bitmap *b = calloc(1, sizeof *b);
    if (!b)
        return pix_fail_memory(error);
    b->data = source->data;
    b->size = source->size;
    pix_crop *c = NULL;
    uint8_t *row = NULL;
    pix_status status = decode(b, source, crop, photo, &c, &row, error);
    pix_crop_free(c);
    free(row);
    free(b->indices);
    free(b);
    return status;
}
