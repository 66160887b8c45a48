/* pictures.h - small picture files made on the spot, and one call that preprocesses them. */
#ifndef PIX_TESTS_PICTURES_H
#define PIX_TESTS_PICTURES_H

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "core/base/bytes.h"
#include "core/image/preprocess.h"
#include "tests/support.h"

/* ThreadSanitizer's hook: GLib and the codecs are not instrumented and lock with futexes of their
 * own, so that what they do looks like races. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "ignore_noninstrumented_modules=1";
}

static inline void put(pix_bytes *out, uint32_t value, int size, bool big_endian) {
    for (int i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * (big_endian ? size - 1 - i : i));
        assert_int_equal(pix_bytes_append(out, &byte, 1), PIX_OK);
    }
}

/* Colours that differ in every direction, so that no two orientations look alike. */
static inline uint8_t *scene(int width, int height) {
    uint8_t *rgb = malloc(3 * (size_t)width * (size_t)height);
    assert_non_null(rgb);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *to = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            to[0] = (uint8_t)(255 * x / width);
            to[1] = (uint8_t)(255 * y / height);
            to[2] = (uint8_t)(x * 4 < width && y * 4 < height ? 230 : 40);
        }
    return rgb;
}

typedef struct jpeg_options {
    int channels; /* 1, 3 or 4; 0 means 3 */
    int quality;  /* 0 means 95 */
    bool progressive;
    int across, down; /* samples of brightness for one of colour; 0 means 2 */
    unsigned restart; /* blocks between marks to restart at, or 0 */
    const pix_bytes *exif;
    const void *profile;
    size_t profile_size;
} jpeg_options;

static inline void make_jpeg(const char *path, const uint8_t *pixels, int width, int height,
                             const jpeg_options *options) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    int channels = options->channels ? options->channels : 3;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, options->quality ? options->quality : 95, TRUE);
    if (options->across)
        jpeg.comp_info[0].h_samp_factor = options->across;
    if (options->down)
        jpeg.comp_info[0].v_samp_factor = options->down;
    jpeg.restart_interval = options->restart;
    if (options->progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (options->exif)
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, (const JOCTET *)options->exif->data,
                          (unsigned)options->exif->size);
    if (options->profile)
        jpeg_write_icc_profile(&jpeg, options->profile, (unsigned)options->profile_size);
    for (int y = 0; y < height; y++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)y * (size_t)width * (size_t)channels);
        (void)jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(file), 0);
}

/* 24-bit rows from the bottom, 40-byte header. */
static inline void make_bmp(const char *path, const uint8_t *rgb, int width, int height) {
    pix_bytes out = {0};
    size_t stride = (3 * (size_t)width + 3) / 4 * 4;
    assert_int_equal(pix_bytes_append(&out, "BM", 2), PIX_OK);
    put(&out, (uint32_t)(54 + stride * (size_t)height), 4, false);
    put(&out, 0, 4, false);
    put(&out, 54, 4, false);
    put(&out, 40, 4, false);
    put(&out, (uint32_t)width, 4, false);
    put(&out, (uint32_t)height, 4, false);
    put(&out, 1, 2, false);
    put(&out, 24, 2, false);
    for (int i = 0; i < 6; i++)
        put(&out, 0, 4, false);
    for (int y = height - 1; y >= 0; y--) {
        for (int x = 0; x < width; x++)
            for (int c = 2; c >= 0; c--)
                put(&out, rgb[3 * ((size_t)y * (size_t)width + (size_t)x) + (size_t)c], 1, false);
        for (size_t i = 3 * (size_t)width; i < stride; i++)
            put(&out, 0, 1, false);
    }
    test_write_file(path, out.data, out.size);
    pix_bytes_free(&out);
}

static inline void put_entry(pix_bytes *out, unsigned tag, unsigned type, uint32_t count,
                             uint32_t value, bool big) {
    put(out, tag, 2, big);
    put(out, type, 2, big);
    put(out, count, 4, big);
    if (type == 3 && count == 1) { /* a SHORT sits at the front of its four bytes */
        put(out, value, 2, big);
        put(out, 0, 2, big);
    } else {
        put(out, value, 4, big);
    }
}

/* Uncompressed RGB with an orientation. */
static inline void make_tiff(const char *path, const uint8_t *rgb, int width, int height,
                             int orientation) {
    enum { ENTRIES = 11, START = 8, BITS = START + 2 + 12 * ENTRIES + 4, PIXELS = BITS + 6 };
    pix_bytes out = {0};
    size_t size = 3 * (size_t)width * (size_t)height;
    assert_int_equal(pix_bytes_append(&out, "II*\0", 4), PIX_OK);
    put(&out, START, 4, false);
    put(&out, ENTRIES, 2, false);
    put_entry(&out, 256, 4, 1, (uint32_t)width, false);
    put_entry(&out, 257, 4, 1, (uint32_t)height, false);
    put_entry(&out, 258, 3, 3, BITS, false);
    put_entry(&out, 259, 3, 1, 1, false);
    put_entry(&out, 262, 3, 1, 2, false);
    put_entry(&out, 273, 4, 1, PIXELS, false);
    put_entry(&out, 274, 3, 1, (uint32_t)orientation, false);
    put_entry(&out, 277, 3, 1, 3, false);
    put_entry(&out, 278, 4, 1, (uint32_t)height, false);
    put_entry(&out, 279, 4, 1, (uint32_t)size, false);
    put_entry(&out, 284, 3, 1, 1, false);
    put(&out, 0, 4, false);
    for (int i = 0; i < 3; i++)
        put(&out, 8, 2, false);
    assert_int_equal(pix_bytes_append(&out, rgb, size), PIX_OK);
    test_write_file(path, out.data, out.size);
    pix_bytes_free(&out);
}

/* What a camera writes into APP1: maker, model, orientation, time, place. */
static inline void make_exif(pix_bytes *out, int orientation, const char *time, bool big) {
    enum { MAKE = 74, MODEL = MAKE + 20, CAMERA_IFD = MODEL + 20, TIME = CAMERA_IFD + 18 };
    enum { GPS_IFD = TIME + 20, LATITUDE = GPS_IFD + 54, LONGITUDE = LATITUDE + 24 };
    assert_int_equal(pix_bytes_append(out, "Exif\0\0", 6), PIX_OK);
    assert_int_equal(pix_bytes_append(out, big ? "MM\0*" : "II*\0", 4), PIX_OK);
    put(out, 8, 4, big);
    put(out, 5, 2, big);
    put_entry(out, 0x010F, 2, 20, MAKE, big);
    put_entry(out, 0x0110, 2, 20, MODEL, big);
    put_entry(out, 0x0112, 3, 1, (uint32_t)orientation, big);
    put_entry(out, 0x8769, 4, 1, CAMERA_IFD, big);
    put_entry(out, 0x8825, 4, 1, GPS_IFD, big);
    put(out, 0, 4, big);
    assert_int_equal(out->size, 6 + MAKE);
    assert_int_equal(pix_bytes_append(out, "NIKON CORPORATION\0\0\0", 20), PIX_OK);
    assert_int_equal(pix_bytes_append(out, "NIKON  D70\t\0\0\0\0\0\0\0\0\0", 20), PIX_OK);
    put(out, 1, 2, big);
    put_entry(out, 0x9003, 2, 20, TIME, big);
    put(out, 0, 4, big);
    assert_int_equal(out->size, 6 + TIME);
    assert_int_equal(pix_bytes_append(out, time, 20), PIX_OK);
    put(out, 4, 2, big);
    put_entry(out, 1, 2, 2, big ? 0x53000000 : 'S', big);
    put_entry(out, 2, 5, 3, LATITUDE, big);
    put_entry(out, 3, 2, 2, big ? 0x45000000 : 'E', big);
    put_entry(out, 4, 5, 3, LONGITUDE, big);
    put(out, 0, 4, big);
    assert_int_equal(out->size, 6 + LATITUDE);
    static const uint32_t parts[] = {33, 1, 51, 1, 3540, 100, 151, 1, 12, 1, 0, 0};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        put(out, parts[i], 4, big);
}

/* The decoder of these options, kept for the next picture. */
static inline pix_decoder *sandboxed_decoder(const pix_decode_options *options) {
    static struct {
        pix_decode_options options;
        pix_decoder *decoder;
    } kept[64];
    size_t i = 0;
    while (kept[i].decoder &&
           (kept[i].options.size != options->size || kept[i].options.exact != options->exact ||
            kept[i].options.ignore_rotation != options->ignore_rotation)) {
        i++;
        assert_true(i < sizeof kept / sizeof *kept);
    }
    pix_error error;
    kept[i].options = *options;
    if (!kept[i].decoder)
        assert_ok(pix_decoder_open(NULL, options, &kept[i].decoder, &error), &error);
    return kept[i].decoder;
}

/* The picture in this process, and the same, whatever comes of it, through the sandbox. */
static inline pix_status preprocess(const char *path, const pix_decode_options *options,
                                    uint8_t *crop, pix_photo *photo, pix_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    pix_photo here = {0}, there = {0};
    pix_error refusal = {0};
    size_t size = 3 * (size_t)options->size * (size_t)options->size;
    uint8_t *boxed = malloc(size);
    assert_non_null(boxed);
    pix_status status = pix_preprocess(fd, options, crop, &here, error);
    pix_status again = pix_decoder_run(sandboxed_decoder(options), fd, boxed, &there, &refusal);
    if (again != status)
        fail_msg("%s: status %d here, %d in the sandbox (%s)", path, status, again, refusal.text);
    if (status)
        assert_string_equal(refusal.text, error->text);
    else
        assert_memory_equal(boxed, crop, size);
    if (!status)
        assert_memory_equal(&there, &here, sizeof here);
    if (photo)
        *photo = here;
    free(boxed);
    close(fd);
    return status;
}

/* Decibels; infinite when equal. */
static inline double psnr(const uint8_t *a, const uint8_t *b, size_t count) {
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return 10.0 * log10(255.0 * 255.0 * (double)count / sum);
}

static inline int largest_difference(const uint8_t *a, const uint8_t *b, size_t count) {
    int largest = 0;
    for (size_t i = 0; i < count; i++)
        if (abs(a[i] - b[i]) > largest)
            largest = abs(a[i] - b[i]);
    return largest;
}

#endif
