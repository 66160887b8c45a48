#include "core/image/colour.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <lcms2.h>
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

/* The conversion made last, and what it was made for: the photos of a folder come from a few
 * cameras, and making one costs as much as converting ten crops. */
typedef struct conversion {
    int channels;
    void *profile;
    size_t size;
    cmsHTRANSFORM transform; /* NULL: the profile is of no use */
} conversion;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static conversion last;

static cmsHTRANSFORM make_transform(const void *profile, size_t size, int channels) {
    cmsUInt32Number sample = channels == 1 ? TYPE_GRAY_8 : channels == 3 ? TYPE_RGB_8 : TYPE_CMYK_8;
    cmsColorSpaceSignature space = channels == 1   ? cmsSigGrayData
                                   : channels == 3 ? cmsSigRgbData
                                                   : cmsSigCmykData;
    cmsHTRANSFORM transform = NULL;
    cmsHPROFILE srgb = cmsCreate_sRGBProfile();
    cmsHPROFILE own = cmsOpenProfileFromMem(profile, (cmsUInt32Number)size);
    if (own && srgb && cmsGetColorSpace(own) == space)
        transform = cmsCreateTransform(own, sample, srgb, TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC,
                                       cmsFLAGS_NOCACHE);
    if (own)
        (void)cmsCloseProfile(own);
    if (srgb)
        (void)cmsCloseProfile(srgb);
    return transform;
}

/* False when the profile cannot convert `channels`; then nothing is written. */
static bool convert(const uint8_t *pixels, size_t count, int channels, const void *profile,
                    size_t size, uint8_t *rgb) {
    (void)pthread_mutex_lock(&lock);
    if (last.channels != channels || last.size != size ||
        memcmp(last.profile, profile, size) != 0) {
        if (last.transform)
            cmsDeleteTransform(last.transform);
        free(last.profile);
        last = (conversion){.profile = malloc(size)};
        if (last.profile) {
            memcpy(last.profile, profile, size);
            last.channels = channels;
            last.size = size;
            last.transform = make_transform(profile, size, channels);
        }
    }
    bool usable = last.transform != NULL;
    if (usable)
        cmsDoTransform(last.transform, pixels, rgb, (cmsUInt32Number)count);
    (void)pthread_mutex_unlock(&lock);
    return usable;
}

/* By the offset print that libvips brings along; by Pillow's formula when that is missing. */
static void convert_usual_cmyk(const uint8_t *cmyk, size_t count, uint8_t *rgb) {
    VipsBlob *blob = NULL;
    bool done = false;
    bool started = !pix_vips_start(NULL);
    if (started && !vips_profile_load("cmyk", &blob, NULL) && blob) {
        size_t size;
        const void *profile = vips_blob_get(blob, &size);
        done = convert(cmyk, count, 4, profile, size, rgb);
        vips_area_unref(VIPS_AREA(blob));
    }
    if (!done)
        pix_colour_plain_cmyk(cmyk, count, rgb);
    if (started)
        vips_error_clear();
}

void pix_colour_to_srgb(const uint8_t *pixels, size_t count, int channels, const void *profile,
                        size_t profile_size, uint8_t *rgb) {
    if (profile && profile_size > 0 && profile_size <= UINT32_MAX &&
        convert(pixels, count, channels, profile, profile_size, rgb))
        return;
    if (channels == 4)
        convert_usual_cmyk(pixels, count, rgb);
    else
        for (size_t i = 0; i < 3 * count; i++)
            rgb[i] = pixels[channels == 3 ? i : i / 3];
}
