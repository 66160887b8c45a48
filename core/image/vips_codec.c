/* Everything that is not JPEG, BMP or RAW: libvips reads from memory, in order, and we pull strips
 * of rows.  16-bit samples become bytes here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vips/vips.h>

#include "core/image/codec.h"
#include "core/image/crop.h"
#include "core/image/metadata.h"
#include "core/image/pillow.h"
#include "core/image/vips.h"

enum { STRIP = 16 };

/* libvips' own words for the last failure, after ": " and on one line; "" when there are none. They
 * are forgotten. */
static void take_reason(char *text, size_t size) {
    const char *words = vips_error_buffer();
    (void)snprintf(text, size, "%s%s", words[0] ? ": " : "", words);
    vips_error_clear();
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = text[i] == '\n' ? ';' : ' ';
}

enum { NAME = 16 };

/* "HEIC" */
static const char *format_in_capitals(pix_format format, char name[NAME]) {
    (void)snprintf(name, NAME, "%s", pix_format_name(format));
    for (char *c = name; *c; c++)
        *c = (char)g_ascii_toupper(*c);
    return name;
}

/* Blames the file: libvips says what, we say how far it came. */
static pix_status fail_reading(const pix_source *source, int row, int rows, pix_error *error) {
    char reason[512], name[NAME];
    take_reason(reason, sizeof reason);
    (void)format_in_capitals(source->format, name);
    if (rows == 0)
        return pix_fail(error, PIX_EFORMAT, "corrupt or truncated %s (in the header)%s", name,
                        reason);
    return pix_fail(error, PIX_EFORMAT, "corrupt or truncated %s (at row %d of %d)%s", name, row,
                    rows, reason);
}

/* Who decodes for libvips: its loader, which may be a module in a package of its own, and the
 * library that the loader calls. */
typedef struct loader {
    const char *name, *library;
} loader;

static loader loader_of(pix_format format) {
    switch (format) {
    case PIX_FORMAT_PNG:
        return (loader){"pngload_source", "libpng"};
    case PIX_FORMAT_GIF:
        return (loader){"gifload_source", "libnsgif"};
    case PIX_FORMAT_WEBP:
        return (loader){"webpload_source", "libwebp"};
    case PIX_FORMAT_TIFF:
        return (loader){"tiffload_source", "libtiff"};
    case PIX_FORMAT_HEIC:
        return (loader){"heifload_source", "libheif and libde265"};
    case PIX_FORMAT_AVIF:
        return (loader){"heifload_source", "libheif and dav1d or aom"};
    case PIX_FORMAT_JP2:
        return (loader){"jp2kload_source", "libopenjp2"};
    case PIX_FORMAT_JXL:
        return (loader){"jxlload_source", "libjxl"};
    default:
        return (loader){"ppmload_source", "its loader of PNM"};
    }
}

/* Not the photo's fault, so that it is tried again once the package is there. */
static pix_status check_loader(const pix_source *source, pix_error *error) {
    loader l = loader_of(source->format);
    char name[NAME];
    if (vips_type_find("VipsOperation", l.name))
        return PIX_OK;
    return pix_fail(error, PIX_EBUSY,
                    "libvips cannot read %s here for want of %s: install the package libvips42, or "
                    "its like",
                    format_in_capitals(source->format, name), l.library);
}

static VipsImage *open_image(const pix_source *source, const uint8_t *data) {
    VipsImage *image = NULL;
    VipsSource *memory = vips_source_new_from_memory((void *)(uintptr_t)data, source->size);
    if (!memory)
        return NULL;
    (void)vips_call(loader_of(source->format).name, memory, &image, "access",
                    VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_WARNING, NULL);
    g_object_unref(memory);
    return image;
}

/* What only colour science can turn into RGB, libvips does; takes over `image`. */
static VipsImage *to_plain_samples(VipsImage *image) {
    switch (vips_image_get_interpretation(image)) {
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_scRGB:
    case VIPS_INTERPRETATION_YXY:
    case VIPS_INTERPRETATION_HSV:
        break;
    default:
        return image;
    }
    VipsImage *converted = NULL;
    (void)vips_colourspace(image, &converted, VIPS_INTERPRETATION_sRGB, NULL);
    g_object_unref(image);
    return converted;
}

static pix_status choose_mode(VipsImage *image, pix_mode *mode, pix_error *error) {
    static const pix_mode by_bands[] = {PIX_MODE_GREY, PIX_MODE_GREY_ALPHA, PIX_MODE_RGB,
                                        PIX_MODE_RGBA};
    int bands = vips_image_get_bands(image);
    VipsBandFormat format = vips_image_get_format(image);
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
        return pix_fail(error, PIX_EUNSUPPORTED, "samples of type %s are not supported",
                        vips_enum_nick(VIPS_TYPE_BAND_FORMAT, format));
    bool cmyk = vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK;
    if (bands < 1 || bands > 4 || (cmyk && bands != 4))
        return pix_fail(error, PIX_EUNSUPPORTED, "%d samples a pixel are not supported", bands);
    *mode = cmyk ? PIX_MODE_CMYK : by_bands[bands - 1];
    return PIX_OK;
}

/* 16-bit samples as bytes: scaled, or, as Pillow, without their low byte. */
static void narrow(const uint16_t *from, size_t count, bool exact, uint8_t *to) {
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)(exact ? from[i] >> 8 : (from[i] * 255U + 32767U) / 65535U);
}

typedef struct reader {
    const pix_source *source;
    VipsImage *image;
    VipsRegion *region;
    pix_crop *crop;
    pix_mode mode;     /* of the rows as libvips gives them, once bytes */
    pix_pillow pillow; /* what to do to them in exact mode */
    bool wide;         /* 16-bit samples */
    uint8_t *bytes;    /* one row narrowed */
    uint8_t *opaque;   /* one row without alpha */
    uint8_t *altered;  /* a copy of the file, when it has to be read differently */
} reader;

/* Removes the last sample of every pixel. */
static void drop_alpha(const uint8_t *from, size_t count, size_t samples, uint8_t *to) {
    for (size_t i = 0; i < count; i++, from += samples, to += samples - 1)
        memcpy(to, from, samples - 1);
}

static void give_row(const reader *r, const void *row) {
    size_t width = (size_t)vips_image_get_width(r->image);
    size_t samples = (size_t)vips_image_get_bands(r->image);
    if (r->pillow.grey16) {
        pix_crop_row(r->crop, row);
        return;
    }
    if (r->wide) {
        narrow(row, width * samples, r->source->options->exact, r->bytes);
        row = r->bytes;
    }
    if (r->opaque) {
        drop_alpha(row, width, samples, r->opaque);
        row = r->opaque;
    }
    pix_crop_row(r->crop, row);
}

static pix_status read_rows(reader *r, pix_error *error) {
    int width = vips_image_get_width(r->image), height = vips_image_get_height(r->image);
    r->region = vips_region_new(r->image);
    if (!r->region)
        return pix_fail_memory(error);
    for (int top = 0; top < height; top += STRIP) {
        VipsRect strip = {0, top, width, height - top < STRIP ? height - top : STRIP};
        if (vips_region_prepare(r->region, &strip))
            return fail_reading(r->source, top, height, error);
        for (int y = top; y < top + strip.height; y++)
            give_row(r,
                     r->region->data + (size_t)(y - r->region->valid.top) * (size_t)r->region->bpl);
    }
    return PIX_OK;
}

/* Codecs that turn or tile pictures themselves deliver them upright. */
static bool turns_by_itself(pix_format format) {
    return format == PIX_FORMAT_HEIC || format == PIX_FORMAT_AVIF || format == PIX_FORMAT_JXL;
}

static bool streams(const pix_source *source) {
    return (source->format == PIX_FORMAT_PNG &&
            !pix_png_is_interlaced(source->data, source->size)) ||
           source->format == PIX_FORMAT_TIFF || source->format == PIX_FORMAT_PNM;
}

static void read_metadata(const reader *r, pix_photo *photo) {
    static const char prefix[6] = "Exif\0\0";
    const void *blob = NULL;
    size_t size = 0;
    if (r->source->format == PIX_FORMAT_TIFF) /* the file itself is what EXIF embeds elsewhere */
        pix_metadata_from_exif(r->source->data - sizeof prefix, r->source->size + sizeof prefix,
                               photo);
    else if (vips_image_get_typeof(r->image, VIPS_META_EXIF_NAME) &&
             !vips_image_get_blob(r->image, VIPS_META_EXIF_NAME, &blob, &size)) {
        uint8_t *copy = malloc(size + sizeof prefix);
        if (!copy)
            return;
        memcpy(copy, prefix, sizeof prefix);
        memcpy(copy + sizeof prefix, blob, size);
        bool prefixed = pix_exif_looks_like(blob, size);
        pix_metadata_from_exif(prefixed ? blob : copy, prefixed ? size : size + sizeof prefix,
                               photo);
        free(copy);
    }
    if (turns_by_itself(r->source->format))
        photo->orientation = 1;
}

static pix_status prepare(reader *r, uint8_t *crop, const pix_photo *photo, pix_error *error) {
    bool exact = r->source->options->exact;
    pix_picture picture = {.width = photo->width,
                           .height = photo->height,
                           .full_width = photo->width,
                           .full_height = photo->height,
                           .shrink = 1,
                           .orientation = photo->orientation};
    picture.mode = r->mode;
    size_t samples = (size_t)vips_image_get_bands(r->image);
    bool alpha = r->mode == PIX_MODE_GREY_ALPHA || r->mode == PIX_MODE_RGBA;
    if (exact)
        r->pillow = pix_pillow_rules(r->source, r->wide);
    if (r->pillow.opaque && alpha) {
        picture.mode = r->mode == PIX_MODE_RGBA ? PIX_MODE_RGB : PIX_MODE_GREY;
        r->opaque = malloc((size_t)photo->width * samples);
    }
    if (r->pillow.grey16)
        picture.mode = PIX_MODE_GREY16;
    picture.nearest = r->pillow.nearest;
    if (r->wide)
        r->bytes = malloc((size_t)photo->width * samples);
    if ((r->wide && !r->bytes) || (r->pillow.opaque && alpha && !r->opaque))
        return pix_fail_memory(error);
    if (!exact && vips_image_get_typeof(r->image, VIPS_META_ICC_NAME))
        (void)vips_image_get_blob(r->image, VIPS_META_ICC_NAME, &picture.profile,
                                  &picture.profile_size);
    return pix_crop_new(&picture, r->source->options, crop, &r->crop, error);
}

static pix_status decode(reader *r, uint8_t *crop, pix_photo *photo, pix_error *error) {
    pix_status status = check_loader(r->source, error);
    if (status)
        return status;
    if (r->source->options->exact && r->source->format == PIX_FORMAT_GIF) {
        r->altered = malloc(r->source->size);
        if (!r->altered)
            return pix_fail_memory(error);
        memcpy(r->altered, r->source->data, r->source->size);
        pix_gif_forget_transparency(r->altered, r->source->size);
    }
    r->image = open_image(r->source, r->altered ? r->altered : r->source->data);
    if (!r->image)
        return fail_reading(r->source, 0, 0, error);
    photo->width = vips_image_get_width(r->image);
    photo->height = vips_image_get_height(r->image);
    status = pix_check_dimensions(
        photo->width, photo->height,
        streams(r->source) ? PIX_MEGAPIXELS_STREAMED : PIX_MEGAPIXELS_WHOLE, error);
    if (status)
        return status;
    read_metadata(r, photo);
    r->image = to_plain_samples(r->image);
    if (!r->image)
        return fail_reading(r->source, 0, 0, error);
    status = choose_mode(r->image, &r->mode, error);
    r->wide = vips_image_get_format(r->image) == VIPS_FORMAT_USHORT;
    if (!status)
        status = prepare(r, crop, photo, error);
    if (!status)
        status = read_rows(r, error);
    if (!status)
        status = pix_crop_finish(r->crop, error);
    return status;
}

pix_status pix_vips_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                           pix_error *error) {
    reader r = {.source = source};
    pix_status status = pix_vips_start(error);
    if (status)
        return status;
    status = decode(&r, crop, photo, error);
    pix_crop_free(r.crop);
    free(r.bytes);
    free(r.opaque);
    VIPS_UNREF(r.region);
    VIPS_UNREF(r.image);
    free(r.altered);
    vips_error_clear();
    return status;
}
