/* The formats that no golden covers: RAW, the kinds of BMP, and what libvips can write itself. */
#include <sys/stat.h>

#include <vips/vips.h>

#include "core/base/files.h"
#include "core/image/format.h"
#include "tests/pictures.h"

enum { SIZE = 32, BYTES = 3 * SIZE * SIZE };

static const pix_decode_options usual = {.size = SIZE};
static const pix_decode_options exact = {.size = SIZE, .exact = true};

/* LeakSanitizer's hook: the HEVC encoder, used only here to make a picture, never frees a table. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:x265_malloc\n";
}

static char folder[4096];

static int make_folder(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    return VIPS_INIT("test");
}

static const char *temporary(const char *name) {
    static char path[4200];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* --- RAW --- */

enum { SENSOR_WIDTH = 320, SENSOR_HEIGHT = 240 };

/* A directory under construction: entries in order of their tags, longer values behind it. */
typedef struct directory {
    pix_bytes entries, values;
    uint32_t count;
    uint32_t values_at; /* where `values` will be in the file */
} directory;

static void add(directory *d, unsigned tag, unsigned type, uint32_t count, uint32_t value) {
    put_entry(&d->entries, tag, type, count, value, false);
    d->count++;
}

static void add_long(directory *d, unsigned tag, unsigned type, uint32_t count, const void *data,
                     size_t size) {
    add(d, tag, type, count, d->values_at + (uint32_t)d->values.size);
    assert_int_equal(pix_bytes_append(&d->values, data, size), PIX_OK);
    if (size % 2)
        put(&d->values, 0, 1, false);
}

/* A Bayer sensor (RGGB, 16 bits) that saw a reddish left and a bluish right half. */
static void add_sensor(directory *d, int orientation, uint32_t pixels_at) {
    static const int32_t matrix[18] = {1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1};
    static const uint32_t neutral[6] = {1, 1, 1, 1, 1, 1};
    add(d, 254, 4, 1, 0);
    add(d, 256, 4, 1, SENSOR_WIDTH);
    add(d, 257, 4, 1, SENSOR_HEIGHT);
    add(d, 258, 3, 1, 16);
    add(d, 259, 3, 1, 1);
    add(d, 262, 3, 1, 32803);
    add_long(d, 271, 2, 5, "Acme", 5);
    add_long(d, 272, 2, 6, "Raw 1", 6);
    add(d, 273, 4, 1, pixels_at);
    add(d, 274, 3, 1, (uint32_t)orientation);
    add(d, 277, 3, 1, 1);
    add(d, 278, 4, 1, SENSOR_HEIGHT);
    add(d, 279, 4, 1, 2 * SENSOR_WIDTH * SENSOR_HEIGHT);
    add_long(d, 306, 2, 20, "2019:07:14 08:09:10", 20);
    add(d, 33421, 3, 2, 2 | 2 << 16);
    add(d, 33422, 1, 4, 0x02010100);
    add(d, 50706, 1, 4, 0x00000401);
    add(d, 50717, 4, 1, 65535);
    add_long(d, 50721, 10, 9, matrix, sizeof matrix);
    add_long(d, 50728, 5, 3, neutral, sizeof neutral);
}

static void put_directory(pix_bytes *out, directory *d, uint32_t next) {
    put(out, d->count, 2, false);
    assert_int_equal(pix_bytes_append(out, d->entries.data, d->entries.size), PIX_OK);
    put(out, next, 4, false);
    assert_int_equal(out->size, d->values_at);
    assert_int_equal(pix_bytes_append(out, d->values.data, d->values.size), PIX_OK);
    pix_bytes_free(&d->entries);
    pix_bytes_free(&d->values);
}

/* A DNG; with `preview`, a JPEG of that name is its second directory. */
static void make_dng(const char *path, int orientation, const char *preview, uint32_t width,
                     uint32_t height) {
    enum { SENSOR_VALUES = 8 + 2 + 12 * 20 + 4, PREVIEW = 2048, PIXELS = 4096 };
    pix_bytes out = {0}, jpeg = {0};
    pix_error error;
    directory sensor = {.values_at = SENSOR_VALUES};
    uint32_t pixel_bytes = 2 * SENSOR_WIDTH * SENSOR_HEIGHT;
    assert_int_equal(pix_bytes_append(&out, "II*\0\10\0\0\0", 8), PIX_OK);
    add_sensor(&sensor, orientation, PIXELS);
    put_directory(&out, &sensor, preview ? PREVIEW : 0);
    while (out.size < PREVIEW)
        put(&out, 0, 1, false);
    if (preview) {
        directory d = {.values_at = PREVIEW + 2 + 12 * 9 + 4};
        assert_ok(pix_file_read(preview, 1 << 24, &jpeg, &error), &error);
        add(&d, 254, 4, 1, 1);
        add(&d, 256, 4, 1, width);
        add(&d, 257, 4, 1, height);
        add(&d, 259, 3, 1, 7);
        add(&d, 262, 3, 1, 6);
        add(&d, 273, 4, 1, PIXELS + pixel_bytes);
        add(&d, 277, 3, 1, 3);
        add(&d, 278, 4, 1, height);
        add(&d, 279, 4, 1, (uint32_t)jpeg.size);
        put_directory(&out, &d, 0);
    }
    while (out.size < PIXELS)
        put(&out, 0, 1, false);
    for (int y = 0; y < SENSOR_HEIGHT; y++)
        for (int x = 0; x < SENSOR_WIDTH; x++) {
            bool red = y % 2 == 0 && x % 2 == 0, blue = y % 2 == 1 && x % 2 == 1;
            bool bright = x < SENSOR_WIDTH / 2 ? red : blue;
            put(&out, bright ? 40000 : 6000, 2, false);
        }
    if (preview)
        assert_int_equal(pix_bytes_append(&out, jpeg.data, jpeg.size), PIX_OK);
    test_write_file(path, out.data, out.size);
    pix_bytes_free(&out);
    pix_bytes_free(&jpeg);
}

static const uint8_t *at(const uint8_t *crop, int x, int y) {
    return crop + 3 * ((size_t)y * SIZE + (size_t)x);
}

static void a_raw_file_without_a_preview_is_developed(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_photo photo;
    pix_error error;
    make_dng(temporary("a.dng"), 6, NULL, 0, 0);
    assert_ok(preprocess(temporary("a.dng"), &usual, crop, &photo, &error), &error);
    assert_string_equal(photo.format, "raw");
    assert_string_equal(photo.camera, "Acme Raw 1");
    assert_string_equal(photo.taken_at, "2019-07-14T08:09:10");
    assert_int_equal(photo.width, SENSOR_WIDTH);
    assert_int_equal(photo.height, SENSOR_HEIGHT);
    assert_int_equal(photo.orientation, 6);
    /* turned to the right, the left half is on top */
    assert_true(at(crop, 16, 6)[0] > at(crop, 16, 6)[2] + 40);
    assert_true(at(crop, 16, 26)[2] > at(crop, 16, 26)[0] + 40);
    pix_decode_options unturned = usual;
    unturned.ignore_rotation = true;
    assert_ok(preprocess(temporary("a.dng"), &unturned, crop, NULL, &error), &error);
    assert_true(at(crop, 6, 16)[0] > at(crop, 6, 16)[2] + 40);
}

static void a_large_preview_stands_for_the_raw_file_and_a_small_one_does_not(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_photo photo;
    pix_error error;
    for (int large = 0; large < 2; large++) {
        int width = large ? 1200 : 400, height = large ? 900 : 300;
        char preview[4200];
        uint8_t *green = calloc((size_t)width * (size_t)height, 3);
        assert_non_null(green);
        for (size_t i = 1; i < 3 * (size_t)width * (size_t)height; i += 3)
            green[i] = 200;
        (void)snprintf(preview, sizeof preview, "%s", temporary("preview.jpg"));
        make_jpeg(preview, green, width, height, &(jpeg_options){0});
        make_dng(temporary("b.dng"), 1, preview, (uint32_t)width, (uint32_t)height);
        free(green);
        assert_ok(preprocess(temporary("b.dng"), &usual, crop, &photo, &error), &error);
        assert_int_equal(photo.width, SENSOR_WIDTH);
        bool is_green = at(crop, 6, 16)[1] > 150 && at(crop, 6, 16)[0] < 60;
        assert_true(is_green == (large == 1));
    }
}

static void a_truncated_raw_file_is_an_error(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    make_dng(temporary("cut.dng"), 1, NULL, 0, 0);
    assert_int_equal(truncate(temporary("cut.dng"), 60000), 0);
    assert_true(preprocess(temporary("cut.dng"), &usual, crop, NULL, &error) != PIX_OK);
    assert_non_null(strstr(error.text, "RAW"));
}

/* --- BMP --- */

typedef struct bmp_kind {
    uint32_t header, bits, compression;
    bool top_down;
    const char *palette; /* blue, green, red and, unless the header is OS/2's, zero */
    size_t palette_size;
    uint32_t masks[4];
    const char *pixels;
    size_t pixels_size;
} bmp_kind;

/* Two by two: red, green, then blue, white. */
static const uint8_t four_colours[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};

#define PALETTE "\0\0\xFF\0\0\xFF\0\0\xFF\0\0\0\xFF\xFF\xFF\0"
#define OS2_PALETTE "\0\0\xFF\0\xFF\0\xFF\0\0\xFF\xFF\xFF"
#define BYTES_OF(text) text, sizeof(text) - 1

static void make_bmp_of_kind(const char *path, const bmp_kind *kind) {
    pix_bytes out = {0};
    bool core = kind->header == 12, masks_outside = kind->compression == 3 && kind->header == 40;
    size_t start = 14 + kind->header + (masks_outside ? 12 : 0) + kind->palette_size;
    assert_int_equal(pix_bytes_append(&out, "BM\0\0\0\0\0\0\0\0", 10), PIX_OK);
    put(&out, (uint32_t)start, 4, false);
    put(&out, kind->header, 4, false);
    put(&out, 2, core ? 2 : 4, false);
    put(&out, kind->top_down ? (uint32_t)-2 : 2, core ? 2 : 4, false);
    put(&out, 1, 2, false);
    put(&out, kind->bits, 2, false);
    if (!core) {
        put(&out, kind->compression, 4, false);
        for (int i = 0; i < 3; i++)
            put(&out, 0, 4, false);
        put(&out, (uint32_t)kind->palette_size / 4, 4, false);
        put(&out, 0, 4, false);
    }
    for (size_t i = 0; i < 3 && kind->compression == 3; i++)
        put(&out, kind->masks[i], 4, false);
    while (out.size + kind->palette_size < start)
        put(&out, 0, 1, false);
    assert_int_equal(pix_bytes_append(&out, kind->palette, kind->palette_size), PIX_OK);
    assert_int_equal(pix_bytes_append(&out, kind->pixels, kind->pixels_size), PIX_OK);
    test_write_file(path, out.data, out.size);
    pix_bytes_free(&out);
}

static void every_kind_of_bmp_is_read(void **state) {
    (void)state;
    static const bmp_kind kinds[] = {
        {40,
         24,
         0,
         false,
         BYTES_OF(""),
         {0},
         BYTES_OF("\xFF\0\0\xFF\xFF\xFF\0\0\0\0\xFF\0\xFF\0\0\0")},
        {40,
         24,
         0,
         true,
         BYTES_OF(""),
         {0},
         BYTES_OF("\0\0\xFF\0\xFF\0\0\0\xFF\0\0\xFF\xFF\xFF\0\0")},
        {12,
         24,
         0,
         false,
         BYTES_OF(""),
         {0},
         BYTES_OF("\xFF\0\0\xFF\xFF\xFF\0\0\0\0\xFF\0\xFF\0\0\0")},
        {40,
         32,
         0,
         false,
         BYTES_OF(""),
         {0},
         BYTES_OF("\xFF\0\0\0\xFF\xFF\xFF\0\0\0\xFF\0\0\xFF\0\0")},
        {40, 16, 0, false, BYTES_OF(""), {0}, BYTES_OF("\x1F\0\xFF\x7F\0\x7C\xE0\3")},
        {40,
         16,
         3,
         false,
         BYTES_OF(""),
         {0xF800, 0x7E0, 0x1F, 0},
         BYTES_OF("\x1F\0\xFF\xFF\0\xF8\xE0\7")},
        {56,
         32,
         3,
         false,
         BYTES_OF(""),
         {0xFF, 0xFF00, 0xFF0000, 0},
         BYTES_OF("\0\0\xFF\0\xFF\xFF\xFF\0\xFF\0\0\0\0\xFF\0\0")},
        {124,
         24,
         0,
         false,
         BYTES_OF(""),
         {0},
         BYTES_OF("\xFF\0\0\xFF\xFF\xFF\0\0\0\0\xFF\0\xFF\0\0\0")},
        {12, 8, 0, false, BYTES_OF(OS2_PALETTE), {0}, BYTES_OF("\2\3\0\0\0\1\0\0")},
        {40, 8, 0, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\2\3\0\0\0\1\0\0")},
        {40, 4, 0, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\x23\0\0\0\x01\0\0\0")},
        {40, 8, 1, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\1\2\1\3\0\0\1\0\1\1\0\0\0\1")},
        {64, 8, 1, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\1\2\0\2\0\0\1\3\0\0\1\0\1\1\0\0")},
        {40, 4, 2, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\2\x23\0\0\2\x01\0\1")},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint8_t crop[12];
        pix_error error = {0};
        pix_decode_options options = {.size = 2};
        make_bmp_of_kind(temporary("kind.bmp"), &kinds[i]);
        if (preprocess(temporary("kind.bmp"), &options, crop, NULL, &error))
            fail_msg("kind %zu: %s", i, error.text);
        if (memcmp(crop, four_colours, 12) != 0)
            fail_msg("kind %zu gives other pixels", i);
    }
}

/* Four by one: a run of different pixels, written out. */
static void absolute_runs_of_a_bmp_are_read(void **state) {
    (void)state;
    static const bmp_kind kinds[] = {
        {40, 8, 1, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\0\4\0\1\2\3\0\1")},
        {40, 8, 1, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\0\3\0\1\2\0\1\3\0\1")},
        {40, 4, 2, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\0\4\x01\x23\0\1")},
        {40, 4, 2, false, BYTES_OF(PALETTE), {0}, BYTES_OF("\0\3\x01\x20\1\x30\0\1")},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint8_t crop[3];
        pix_bytes file = {0};
        pix_error error;
        make_bmp_of_kind(temporary("run.bmp"), &kinds[i]);
        assert_ok(pix_file_read(temporary("run.bmp"), 1000, &file, &error), &error);
        file.data[18] = 4;
        file.data[22] = 1;
        test_write_file(temporary("run.bmp"), file.data, file.size);
        pix_bytes_free(&file);
        /* the middle pixel of the four, once enlarged, is between green and blue */
        pix_decode_options options = {.size = 1, .exact = true};
        assert_ok(preprocess(temporary("run.bmp"), &options, crop, NULL, &error), &error);
        const uint8_t blue[3] = {0, 0, 255}; /* nearest neighbour: round((4 - 1) / 2) = 2 */
        assert_memory_equal(crop, blue, 3);
    }
}

static void other_kinds_of_bmp_are_refused_with_their_name(void **state) {
    (void)state;
    static const bmp_kind kind = {40, 0, 4, false, BYTES_OF(""), {0}, BYTES_OF("\xFF\xD8\xFF\xE0")};
    uint8_t crop[BYTES];
    pix_error error;
    make_bmp_of_kind(temporary("other.bmp"), &kind);
    assert_int_equal(preprocess(temporary("other.bmp"), &usual, crop, NULL, &error),
                     PIX_EUNSUPPORTED);
    assert_string_equal(error.text, "BMP of 0 bits with compression 4 is not supported");
}

/* --- what libvips writes and reads --- */

static VipsImage *scene_for_vips(int width, int height) {
    uint8_t *pixels = scene(width, height);
    VipsImage *image = vips_image_new_from_memory_copy(pixels, 3 * (size_t)width * (size_t)height,
                                                       width, height, 3, VIPS_FORMAT_UCHAR);
    free(pixels);
    assert_non_null(image);
    image->Type = VIPS_INTERPRETATION_sRGB;
    return image;
}

/* Each format, lossy or not, shows the scene; `.heic` and its like come upright from their codec,
 * so an orientation in their EXIF must not turn them once more. */
static void formats_of_libvips_are_read(void **state) {
    (void)state;
    static const struct {
        const char *file, *format, *name;
        double level; /* dB: what the encoder's default quality leaves of a colourful scene */
    } cases[] = {{"a.png", ".png", "png", 99.0},
                 {"a.tiff", ".tiff", "tiff", 99.0},
                 {"a.gif", ".gif", "gif", 20.0},
                 {"a.webp", ".webp[lossless]", "webp", 99.0},
                 {"b.webp", ".webp", "webp", 25.0},
                 {"a.heic", ".heic", "heic", 25.0},
                 {"a.avif", ".avif[effort=0]", "avif", 25.0},
                 {"a.jp2", ".jp2[lossless]", "jp2", 99.0},
                 {"a.jxl", ".jxl", "jxl", 25.0},
                 {"a.ppm", ".ppm", "pnm", 99.0}};
    uint8_t expected[BYTES], crop[BYTES];
    pix_error error;
    uint8_t *pixels = scene(150, 100);
    make_bmp(temporary("scene.bmp"), pixels, 150, 100);
    free(pixels);
    assert_ok(preprocess(temporary("scene.bmp"), &usual, expected, NULL, &error), &error);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_photo photo;
        size_t size;
        void *data;
        VipsImage *image = scene_for_vips(150, 100);
        bool turned = cases[i].level < 30.0 && strcmp(cases[i].name, "webp") != 0;
        if (turned)
            vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
        int failed = vips_image_write_to_buffer(image, cases[i].format, &data, &size, NULL);
        g_object_unref(image);
        if (failed) { /* Debian splits libheif's encoders into packages of their own */
            print_message("SKIP %s: libvips cannot write it here: %s", cases[i].name,
                          vips_error_buffer());
            vips_error_clear();
            continue;
        }
        test_write_file(temporary(cases[i].file), data, size);
        g_free(data);
        for (int mode = 0; mode < 2; mode++) {
            if (preprocess(temporary(cases[i].file), mode ? &exact : &usual, crop, &photo, &error))
                fail_msg("%s: %s", cases[i].file, error.text);
            assert_string_equal(photo.format, cases[i].name);
            assert_int_equal(photo.width, 150);
            assert_int_equal(photo.orientation, 1);
            if (psnr(crop, expected, BYTES) < cases[i].level && !(mode && i == 2))
                fail_msg("%s: %.1f dB", cases[i].file, psnr(crop, expected, BYTES));
        }
    }
}

static void grey_and_transparent_kinds_are_read(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    VipsImage *image = scene_for_vips(60, 40), *grey, *faded;
    assert_int_equal(vips_colourspace(image, &grey, VIPS_INTERPRETATION_B_W, NULL), 0);
    assert_int_equal(vips_bandjoin_const1(grey, &faded, 0.0, NULL), 0);
    assert_int_equal(vips_pngsave(faded, temporary("faded.png"), NULL), 0);
    assert_ok(preprocess(temporary("faded.png"), &usual, crop, NULL, &error), &error);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(crop[i], 255); /* wholly transparent: white paper */
    assert_ok(preprocess(temporary("faded.png"), &exact, crop, NULL, &error), &error);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(crop[i], 0); /* Pillow: black */
    g_object_unref(image);
    g_object_unref(grey);
    g_object_unref(faded);
}

/* One pixel of the colour (200, 100, 50), which the file declares transparent. */
static void a_transparent_gif_is_white_by_default_and_coloured_in_exact_mode(void **state) {
    (void)state;
    static const char gif[] = "GIF89a\1\0\1\0\x80\0\0\x0A\x14\x1E\xC8\x64\x32"
                              "\x21\xF9\4\1\0\0\1\0"
                              "\x2C\0\0\0\0\1\0\1\0\0\2\2\x4C\1\0;";
    static const uint8_t white[3] = {255, 255, 255}, coloured[3] = {200, 100, 50};
    uint8_t crop[BYTES];
    pix_error error;
    test_write_file(temporary("clear.gif"), gif, sizeof gif - 1);
    assert_ok(preprocess(temporary("clear.gif"), &usual, crop, NULL, &error), &error);
    assert_memory_equal(crop, white, 3);
    assert_ok(preprocess(temporary("clear.gif"), &exact, crop, NULL, &error), &error);
    assert_memory_equal(crop, coloured, 3);
}

static void formats_are_told_by_their_bytes(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        pix_format format;
    } cases[] = {
        {BYTES_OF("\xFF\xD8\xFF\xE0"), PIX_FORMAT_JPEG},
        {BYTES_OF("II*\0\x10\0\0\0CR\2\0"), PIX_FORMAT_RAW},
        {BYTES_OF("FUJIFILMCCD-RAW 0201"), PIX_FORMAT_RAW},
        {BYTES_OF("IIRO\10\0\0\0"), PIX_FORMAT_RAW},
        {BYTES_OF("IIU\0\10\0\0\0"), PIX_FORMAT_RAW},
        {BYTES_OF("\0\0\0\x18"
                  "ftypcrx \0\0\0\1crx isom"),
         PIX_FORMAT_RAW},
        {BYTES_OF("\0\0\0\x18"
                  "ftypheic\0\0\0\0mif1heic"),
         PIX_FORMAT_HEIC},
        {BYTES_OF("\0\0\0\x1C"
                  "ftypmif1\0\0\0\0mif1avifmiaf"),
         PIX_FORMAT_AVIF},
        {BYTES_OF("\0\0\0\x18"
                  "ftypisom\0\0\0\0isommp41"),
         PIX_FORMAT_VIDEO},
        {BYTES_OF("RIFF\0\0\0\0WEBPVP8 "), PIX_FORMAT_WEBP},
        {BYTES_OF("RIFF\0\0\0\0AVI LIST"), PIX_FORMAT_VIDEO},
        {BYTES_OF("RIFF\0\0\0\0WAVEfmt "), PIX_FORMAT_UNKNOWN},
        {BYTES_OF("II*\0\xFF\xFF\xFF\xFF"), PIX_FORMAT_TIFF},
        {BYTES_OF("MM\0*\0\0\0\x08\xFF\xFF\0\0"), PIX_FORMAT_TIFF},
        {BYTES_OF("P6\n1 1\n255\nabc"), PIX_FORMAT_PNM},
        {BYTES_OF("P60 is a plane"), PIX_FORMAT_UNKNOWN},
        {BYTES_OF("Dear diary"), PIX_FORMAT_UNKNOWN},
        {BYTES_OF("\xEF\xBB\xBF \n<svg width='1'/>"), PIX_FORMAT_SVG},
        {BYTES_OF("<html><body>"), PIX_FORMAT_UNKNOWN},
        {BYTES_OF("\xFF\xD8"), PIX_FORMAT_UNKNOWN},
        {BYTES_OF(""), PIX_FORMAT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_format format = pix_format_detect((const uint8_t *)cases[i].bytes, cases[i].size);
        if (format != cases[i].format)
            fail_msg("case %zu is %s, not %s", i, pix_format_name(format),
                     pix_format_name(cases[i].format));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_file_without_a_preview_is_developed),
        cmocka_unit_test(a_large_preview_stands_for_the_raw_file_and_a_small_one_does_not),
        cmocka_unit_test(a_truncated_raw_file_is_an_error),
        cmocka_unit_test(every_kind_of_bmp_is_read),
        cmocka_unit_test(absolute_runs_of_a_bmp_are_read),
        cmocka_unit_test(other_kinds_of_bmp_are_refused_with_their_name),
        cmocka_unit_test(formats_of_libvips_are_read),
        cmocka_unit_test(grey_and_transparent_kinds_are_read),
        cmocka_unit_test(a_transparent_gif_is_white_by_default_and_coloured_in_exact_mode),
        cmocka_unit_test(formats_are_told_by_their_bytes),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
