#include "core/image/colour.h"

#include <string.h>

#include <vips/vips.h>

#include "core/image/alpha.h"
#include "core/image/vips.h"

/* The tag 'desc' of an ICC profile (ICC.1, 7.3) says "sRGB ..." in ASCII or in UTF-16. */
bool pix_profile_is_srgb(const void *profile, size_t size) {
    const uint8_t *bytes = profile;
    enum { TABLE = 128, ENTRY = 12 };
    size_t tags = size >= TABLE + 4 ? (size_t)bytes[TABLE + 2] << 8 | bytes[TABLE + 3] : 0;
    for (size_t i = 0; i < tags && TABLE + 4 + (i + 1) * ENTRY <= size; i++) {
        const uint8_t *tag = bytes + TABLE + 4 + i * ENTRY;
        if (memcmp(tag, "desc", 4) != 0)
            continue;
        size_t offset = 0, length = 0;
        for (int j = 4; j < 8; j++) {
            offset = offset << 8 | tag[j];
            length = length << 8 | tag[j + 4];
        }
        if (offset > size || length > size - offset)
            return false;
        return memmem(bytes + offset, length, "sRGB", 4) ||
               memmem(bytes + offset, length, "s\0R\0G\0B", 7);
    }
    return false;
}

void pix_colour_plain_cmyk(const uint8_t *cmyk, size_t count, uint8_t *rgb) {
    for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
        unsigned light = 255U - cmyk[3];
        for (size_t c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(light - pix_multiply_255(cmyk[c], light));
    }
}

static VipsImage *transform(const uint8_t *pixels, size_t count, int channels, const void *profile,
                            size_t profile_size) {
    VipsImage *image = vips_image_new_from_memory(pixels, count * (size_t)channels, (int)count, 1,
                                                  channels, VIPS_FORMAT_UCHAR);
    if (!image)
        return NULL;
    image->Type = channels == 1   ? VIPS_INTERPRETATION_B_W
                  : channels == 3 ? VIPS_INTERPRETATION_sRGB
                                  : VIPS_INTERPRETATION_CMYK;
    if (profile)
        vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, profile_size);
    VipsImage *converted = NULL;
    (void)vips_icc_transform(image, &converted, "srgb", "embedded", TRUE, "input_profile",
                             channels == 4 ? "cmyk" : "srgb", "depth", 8, NULL);
    g_object_unref(image);
    return converted;
}

pix_status pix_colour_to_srgb(const uint8_t *pixels, size_t count, int channels,
                              const void *profile, size_t profile_size, uint8_t *rgb,
                              pix_error *error) {
    pix_status status = pix_vips_start(error);
    if (status)
        return status;
    VipsImage *image = transform(pixels, count, channels, profile, profile_size);
    size_t size = 0;
    uint8_t *converted = NULL;
    if (image && vips_image_get_bands(image) == 3)
        converted = vips_image_write_to_memory(image, &size);
    if (converted && size == 3 * count)
        memcpy(rgb, converted, size);
    else if (channels == 4)
        pix_colour_plain_cmyk(pixels, count, rgb);
    else
        for (size_t i = 0; i < 3 * count; i++)
            rgb[i] = pixels[channels == 3 ? i : i / 3];
    g_free(converted);
    VIPS_UNREF(image);
    vips_error_clear();
    return PIX_OK;
}
