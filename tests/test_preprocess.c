/* Goldens were made with Pillow 9.4 (libjpeg-turbo 2.1.5, libwebp 1.2.4) by OpenAI's preprocessing.
 */
#include "core/image/preprocess.h"

#include <math.h>

#include <jansson.h>
#include <vips/vips.h>

#include "core/base/sha256.h"
#include "core/image/crop.h"
#include "tests/pictures.h"

static const pix_decode_options exact_224 = {.size = 224, .exact = true, .ignore_rotation = true};
static const pix_decode_options fast_224 = {.size = 224};

static void assert_hash(const char *name, int size, const uint8_t *crop, const char *expected) {
    pix_sha256 hash;
    uint8_t digest[PIX_SHA256_BYTES];
    char text[PIX_SHA256_HEX];
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, crop, 3 * (size_t)size * (size_t)size);
    pix_sha256_finish(&hash, digest);
    pix_hex(digest, sizeof digest, text);
    if (strcmp(text, expected) != 0)
        fail_msg("%s at %d pixels differs from Pillow's", name, size);
}

/* No tolerance: every kind of file, also palettes, single bits, 16-bit grey, CMYK and lossy ones,
 * equals Pillow's result. */
static void assert_goldens(const char *index_path, const char *images, size_t at_least) {
    static const int sizes[] = {224, 288, 336, 448};
    static const char *const keys[] = {"u8_sha256", "u8_sha256_288", "u8_sha256_336",
                                       "u8_sha256_448"};
    json_t *index = json_load_file(index_path, 0, NULL);
    assert_non_null(index);
    uint8_t *crop = malloc((size_t)3 * 448 * 448);
    assert_non_null(crop);
    size_t i, count = 0;
    json_t *entry;
    json_array_foreach(json_object_get(index, "images"), i, entry) {
        const char *name = json_string_value(json_object_get(entry, "file"));
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", images, name);
        for (size_t s = 0; s < 4; s++) {
            pix_decode_options options = exact_224;
            options.size = sizes[s];
            pix_error error = {0};
            pix_photo photo;
            if (preprocess(path, &options, crop, &photo, &error))
                fail_msg("%s: %s", name, error.text);
            assert_hash(name, sizes[s], crop, json_string_value(json_object_get(entry, keys[s])));
            assert_int_equal(photo.width, json_integer_value(json_object_get(entry, "width")));
            assert_int_equal(photo.height, json_integer_value(json_object_get(entry, "height")));
            assert_int_equal(photo.orientation,
                             json_integer_value(json_object_get(entry, "exif_orientation")));
        }
        count++;
    }
    assert_true(count >= at_least);
    free(crop);
    json_decref(index);
}

static void generated_pictures_equal_pillow_bit_for_bit(void **state) {
    (void)state;
    const char *chosen = getenv("PIXGREP_ISA");
    char *before = chosen ? strdup(chosen) : NULL;
    const pix_loops *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++) {
        assert_int_equal(setenv("PIXGREP_ISA", loops->name, 1), 0);
        assert_goldens(test_golden("preprocess/index.json"), test_golden("preprocess/images"), 10);
    }
    assert_int_equal(before ? setenv("PIXGREP_ISA", before, 1) : unsetenv("PIXGREP_ISA"), 0);
    free(before);
}

static void all_reference_pictures_equal_pillow_bit_for_bit(void **state) {
    (void)state;
    const char *index = test_reference("preprocess/u8/index.json");
    if (!test_exists(index))
        test_skip("the reference data is not here");
    assert_goldens(index, test_reference("preprocess/images"), 30);
}

/* Decoding at 1/2, 1/4 or 1/8 differs from a full decode by rounding and by how chroma is
 * upsampled.  Measured 53.7 dB to 58.4 dB on 12-megapixel pictures at 224 pixels; the small photos
 * here, whose detail is at the limit of their resolution, give 48.2 dB at worst. */
static void scaled_decoding_stays_near_the_exact_crop(void **state) {
    (void)state;
    static const char *const names[] = {"photo-wide.jpg", "photo-tall.jpg",  "progressive.jpg",
                                        "444.jpg",        "restart-411.jpg", "grey.jpg"};
    static const int sizes[] = {8, 20, 40};
    if (!test_exists(test_reference("preprocess/images")))
        test_skip("the reference photographs are not here");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t s = 0; s < 3; s++) {
            uint8_t fast[3 * 40 * 40], exact[3 * 40 * 40];
            pix_decode_options options = {.size = sizes[s], .ignore_rotation = true};
            const char *path = test_reference("preprocess/images/%s", names[i]);
            pix_error error;
            assert_ok(preprocess(path, &options, fast, NULL, &error), &error);
            options.exact = true;
            assert_ok(preprocess(path, &options, exact, NULL, &error), &error);
            double level = psnr(fast, exact, 3 * (size_t)sizes[s] * (size_t)sizes[s]);
            print_message("%s at %d pixels: %.1f dB\n", names[i], sizes[s], level);
            assert_true(level >= 45.0);
        }
}

static unsigned expected_shrink(unsigned shorter, const pix_decode_options *options) {
    for (unsigned shrink = 8; shrink > 1 && !options->exact; shrink /= 2)
        if (shorter / shrink >= 3 * (unsigned)options->size)
            return shrink;
    return 1;
}

/* The crop from every row and column of the decoded picture. */
static void crop_from_all(const char *path, const pix_decode_options *options, uint8_t *crop) {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    pix_crop *whole;
    pix_error error;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_stdio_src(&jpeg, file);
    (void)jpeg_read_header(&jpeg, TRUE);
    jpeg.scale_num = 1;
    jpeg.scale_denom = expected_shrink(
        jpeg.image_width < jpeg.image_height ? jpeg.image_width : jpeg.image_height, options);
    jpeg.do_fancy_upsampling = jpeg.scale_denom == 1;
    (void)jpeg_start_decompress(&jpeg);
    pix_picture picture = {.mode = jpeg.output_components == 1 ? PIX_MODE_GREY : PIX_MODE_RGB,
                           .width = (int)jpeg.output_width,
                           .height = (int)jpeg.output_height,
                           .full_width = (int)jpeg.image_width,
                           .full_height = (int)jpeg.image_height,
                           .shrink = (int)jpeg.scale_denom,
                           .orientation = 1};
    assert_ok(pix_crop_new(&picture, options, crop, &whole, &error), &error);
    JSAMPROW row = malloc((size_t)jpeg.output_width * (size_t)jpeg.output_components);
    assert_non_null(row);
    while (jpeg.output_scanline < jpeg.output_height) {
        (void)jpeg_read_scanlines(&jpeg, &row, 1);
        pix_crop_row(whole, row);
    }
    assert_ok(pix_crop_finish(whole, &error), &error);
    pix_crop_free(whole);
    (void)jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(row);
    assert_int_equal(fclose(file), 0);
}

/* Long pictures, of which most is not looked at, in every way that JPEG stores colours. */
static void what_the_crop_does_not_need_is_left_out_without_a_trace(void **state) {
    (void)state;
    static const int sides[][2] = {{1201, 307}, {307, 1201}, {640, 320}, {400, 411}};
    static const int samplings[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}};
    static const int sizes[] = {12, 24, 48, 60, 300};
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/long.jpg", test_folder());
    srand(7);
    for (size_t i = 0; i < 4; i++) {
        size_t count = 3 * (size_t)sides[i][0] * (size_t)sides[i][1];
        uint8_t *noise = malloc(count);
        assert_non_null(noise);
        for (size_t k = 0; k < count; k++)
            noise[k] = (uint8_t)rand();
        for (size_t kind = 0; kind < 20; kind++) { /* four samplings and grey, four ways each */
            size_t colours = kind / 4;
            bool grey = colours == 4;
            make_jpeg(path, noise, sides[i][0], sides[i][1],
                      &(jpeg_options){.channels = grey ? 1 : 3,
                                      .across = samplings[colours % 4][0],
                                      .down = samplings[colours % 4][1],
                                      .progressive = kind % 2 == 1,
                                      .restart = kind % 4 >= 2 ? 3 : 0,
                                      .quality = 60});
            for (size_t c = 0; c < 5; c++) { /* the last: in full, exactly */
                static uint8_t crop[3 * 300 * 300], expected[3 * 300 * 300];
                pix_decode_options options = {.size = sizes[c], .exact = c == 4};
                pix_error error;
                assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
                crop_from_all(path, &options, expected);
                if (memcmp(crop, expected, 3 * (size_t)options.size * (size_t)options.size) != 0)
                    fail_msg("%d x %d, kind %zu, crop %zu", sides[i][0], sides[i][1], kind, c);
            }
        }
        free(noise);
    }
}

/* The upright scene as seen when stored for `orientation`, by the words of the EXIF standard: where
 * its first row and first column are. */
static uint8_t *store_turned(const uint8_t *upright, int width, int height, int orientation,
                             int *stored_width, int *stored_height) {
    bool turned = orientation >= 5;
    *stored_width = turned ? height : width;
    *stored_height = turned ? width : height;
    uint8_t *stored = malloc(3 * (size_t)width * (size_t)height);
    assert_non_null(stored);
    for (int row = 0; row < *stored_height; row++)
        for (int column = 0; column < *stored_width; column++) {
            int x = 0, y = 0;
            switch (orientation) { /* 0th row, 0th column at */
            case 1:
                x = column, y = row;
                break; /* top, left */
            case 2:
                x = width - 1 - column, y = row;
                break; /* top, right */
            case 3:
                x = width - 1 - column, y = height - 1 - row;
                break; /* bottom, right */
            case 4:
                x = column, y = height - 1 - row;
                break; /* bottom, left */
            case 5:
                x = row, y = column;
                break; /* left, top */
            case 6:
                x = width - 1 - row, y = column;
                break; /* right, top */
            case 7:
                x = width - 1 - row, y = height - 1 - column;
                break; /* right, bottom */
            default:
                x = row, y = height - 1 - column;
                break; /* left, bottom */
            }
            memcpy(stored + 3 * ((size_t)row * (size_t)*stored_width + (size_t)column),
                   upright + 3 * ((size_t)y * (size_t)width + (size_t)x), 3);
        }
    return stored;
}

static void assert_turned_upright(int width, int height, bool exact) {
    enum { SIZE = 60, BYTES = 3 * SIZE * SIZE };
    const char *folder = test_folder();
    char path[4096];
    uint8_t expected[BYTES], crop[BYTES];
    pix_error error;
    pix_decode_options options = {.size = SIZE, .exact = exact};
    uint8_t *upright = scene(width, height);
    (void)snprintf(path, sizeof path, "%s/upright.bmp", folder);
    make_bmp(path, upright, width, height);
    assert_ok(preprocess(path, &options, expected, NULL, &error), &error);
    for (int orientation = 1; orientation <= 8; orientation++) {
        int w, h;
        pix_photo photo;
        pix_bytes exif = {0};
        uint8_t *stored = store_turned(upright, width, height, orientation, &w, &h);
        (void)snprintf(path, sizeof path, "%s/turned.tiff", folder);
        make_tiff(path, stored, w, h, orientation);
        assert_ok(preprocess(path, &options, crop, &photo, &error), &error);
        assert_int_equal(photo.orientation, orientation);
        assert_int_equal(photo.width, w);
        assert_int_equal(photo.height, h);
        /* a mirrored window may round a weight differently: a level, never more */
        assert_true(largest_difference(crop, expected, BYTES) <= 1);

        (void)snprintf(path, sizeof path, "%s/turned.jpg", folder);
        make_exif(&exif, orientation, "2024:05:01 13:45:10", orientation % 2);
        make_jpeg(path, stored, w, h, &(jpeg_options){.exif = &exif});
        assert_ok(preprocess(path, &options, crop, &photo, &error), &error);
        assert_int_equal(photo.orientation, orientation);
        assert_true(psnr(crop, expected, BYTES) >= 30.0); /* a wrong turn gives less than 12 */

        options.ignore_rotation = true;
        assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
        assert_true((psnr(crop, expected, BYTES) >= 30.0) == (orientation == 1));
        options.ignore_rotation = false;
        pix_bytes_free(&exif);
        free(stored);
    }
    free(upright);
}

static void every_orientation_is_turned_upright_before_the_crop(void **state) {
    (void)state;
    assert_turned_upright(200, 143, false); /* odd remainders are split unevenly */
    assert_turned_upright(143, 200, false);
    assert_turned_upright(200, 143, true);
    assert_turned_upright(91, 91, false);
}

static void transparency_is_composited_on_white(void **state) {
    (void)state;
    /* 32 bits with masks, 56-byte header: opaque red, half and fully transparent */
    pix_bytes bmp = {0};
    assert_int_equal(pix_bytes_append(&bmp, "BM", 2), PIX_OK);
    const uint32_t header[] = {82, 0, 70, 56, 1, (uint32_t)-3};
    for (size_t i = 0; i < 6; i++)
        put(&bmp, header[i], 4, false);
    put(&bmp, 1, 2, false);
    put(&bmp, 32, 2, false);
    const uint32_t rest[] = {3, 0, 0, 0, 0, 0, 0xFF0000, 0xFF00, 0xFF, 0xFF000000};
    for (size_t i = 0; i < 10; i++)
        put(&bmp, rest[i], 4, false);
    assert_int_equal(bmp.size, 70);
    for (int i = 0; i < 3; i++)
        put(&bmp, i == 0 ? 0xFFFF0000 : i == 1 ? 0x80FF0000 : 0x00FF0000, 4, false);
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/alpha.bmp", test_folder());
    test_write_file(path, bmp.data, bmp.size);
    pix_bytes_free(&bmp);
    uint8_t crop[3];
    pix_error error;
    pix_decode_options options = {.size = 1};
    assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
    const uint8_t on_white[3] = {255, 127, 127};
    assert_memory_equal(crop, on_white, 3);
    /* exact: alpha is dropped after resizing; the middle row alone remains */
    options.exact = true;
    assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
    const uint8_t dropped[3] = {255, 0, 0};
    assert_memory_equal(crop, dropped, 3);
}

static void sixteen_bits_are_scaled_by_default_and_cut_in_exact_mode(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/grey.tiff", test_folder());
    pix_bytes out = {0};
    assert_int_equal(pix_bytes_append(&out, "MM\0*", 4), PIX_OK);
    put(&out, 8, 4, true);
    put(&out, 8, 2, true);
    put_entry(&out, 256, 3, 1, 1, true);
    put_entry(&out, 257, 3, 1, 1, true);
    put_entry(&out, 258, 3, 1, 16, true);
    put_entry(&out, 259, 3, 1, 1, true);
    put_entry(&out, 262, 3, 1, 1, true);
    put_entry(&out, 273, 4, 1, 8 + 2 + 96 + 4, true);
    put_entry(&out, 277, 3, 1, 1, true);
    put_entry(&out, 279, 4, 1, 2, true);
    put(&out, 0, 4, true);
    put(&out, 0x4000, 2, true);
    test_write_file(path, out.data, out.size);
    pix_bytes_free(&out);
    uint8_t crop[3];
    pix_error error;
    pix_decode_options options = {.size = 1};
    assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
    assert_int_equal(crop[0], 64);
    options.exact = true;
    assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
    assert_int_equal(crop[0], 255);
}

/* One colour of the picture in the middle of the crop. */
static void middle_of(const char *path, bool exact, uint8_t rgb[3]) {
    uint8_t crop[3 * 5 * 5];
    pix_error error;
    pix_decode_options options = {.size = 5, .exact = exact};
    assert_ok(preprocess(path, &options, crop, NULL, &error), &error);
    memcpy(rgb, &crop[36], 3); /* the 13th of 25 */
}

static uint8_t *flat(const uint8_t *colour, size_t channels, size_t count) {
    uint8_t *pixels = malloc(channels * count);
    assert_non_null(pixels);
    for (size_t i = 0; i < channels * count; i++)
        pixels[i] = colour[i % channels];
    return pixels;
}

static double to_linear(int value) {
    double v = value / 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double to_srgb(double v) {
    return 255.0 * (v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1.0 / 2.4) - 0.055);
}

static void a_wide_gamut_profile_is_converted_to_srgb(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/p3.jpg", test_folder());
    assert_int_equal(VIPS_INIT("test"), 0);
    VipsBlob *profile;
    assert_int_equal(vips_profile_load("p3", &profile, NULL), 0);
    size_t size;
    const void *data = vips_blob_get(profile, &size);
    const uint8_t colour[3] = {180, 120, 90};
    uint8_t *pixels = flat(colour, 3, 256);
    make_jpeg(path, pixels, 16, 16, &(jpeg_options){.profile = data, .profile_size = size});
    vips_area_unref(VIPS_AREA(profile));
    free(pixels);
    uint8_t exact[3], converted[3];
    middle_of(path, true, exact); /* profiles are ignored there, as OpenAI does */
    for (int c = 0; c < 3; c++)
        assert_true(abs(exact[c] - colour[c]) <= 2);
    middle_of(path, false, converted);
    /* Display P3 to sRGB, both D65 (SMPTE EG 432-1, IEC 61966-2-1) */
    static const double matrix[3][3] = {{1.2249401, -0.2249404, 0.0},
                                        {-0.0420569, 1.0420571, 0.0},
                                        {-0.0196376, -0.0786361, 1.0982735}};
    for (int c = 0; c < 3; c++) {
        double linear = 0.0;
        for (int k = 0; k < 3; k++)
            linear += matrix[c][k] * to_linear(exact[k]);
        assert_true(fabs(to_srgb(linear) - converted[c]) <= 2.0);
    }
    assert_true(converted[0] > exact[0] + 5);
}

/* As every viewer does; and what was converted before has no say in it. */
static void a_profile_that_is_broken_or_does_not_fit_is_ignored(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/odd.jpg", test_folder());
    assert_int_equal(VIPS_INIT("test"), 0);
    VipsBlob *p3, *ink;
    assert_int_equal(vips_profile_load("p3", &p3, NULL), 0);
    assert_int_equal(vips_profile_load("cmyk", &ink, NULL), 0);
    size_t p3_size, ink_size;
    const void *p3_data = vips_blob_get(p3, &p3_size), *ink_data = vips_blob_get(ink, &ink_size);
    const struct {
        const void *profile;
        size_t size;
        int channels;
        bool ignored;
    } cases[] = {{p3_data, p3_size, 3, false},   {p3_data, p3_size / 2, 3, true},
                 {"not a profile", 13, 3, true}, {p3_data, p3_size, 3, false},
                 {ink_data, ink_size, 3, true},  {p3_data, p3_size, 1, true},
                 {p3_data, p3_size, 4, true},    {ink_data, ink_size, 4, true}};
    const uint8_t colour[4] = {180, 120, 90, 200};
    uint8_t first[3] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t channels = (size_t)cases[i].channels;
        uint8_t *pixels = flat(colour, channels, 256), with[3], without[3];
        make_jpeg(path, pixels, 16, 16, &(jpeg_options){.channels = cases[i].channels});
        middle_of(path, false, without);
        make_jpeg(path, pixels, 16, 16,
                  &(jpeg_options){.channels = cases[i].channels,
                                  .profile = cases[i].profile,
                                  .profile_size = cases[i].size});
        middle_of(path, false, with);
        free(pixels);
        if ((memcmp(with, without, 3) == 0) != cases[i].ignored)
            fail_msg("case %zu: %d %d %d", i, with[0], with[1], with[2]);
        if (i == 0)
            memcpy(first, with, 3);
        if (!cases[i].ignored)
            assert_memory_equal(with, first, 3);
    }
    vips_area_unref(VIPS_AREA(p3));
    vips_area_unref(VIPS_AREA(ink));
}

static void cmyk_becomes_what_a_print_would_show(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/cmyk.jpg", test_folder());
    const uint8_t paper[4] = {255, 255, 255, 255}, yellow[4] = {255, 255, 0, 255}; /* inverted */
    uint8_t rgb[3];
    for (int exact = 0; exact < 2; exact++) {
        uint8_t *pixels = flat(paper, 4, 256);
        make_jpeg(path, pixels, 16, 16, &(jpeg_options){.channels = 4});
        free(pixels);
        middle_of(path, exact, rgb);
        assert_true(rgb[0] > 245 && rgb[1] > 245 && rgb[2] > 240);
        pixels = flat(yellow, 4, 256);
        make_jpeg(path, pixels, 16, 16, &(jpeg_options){.channels = 4});
        free(pixels);
        middle_of(path, exact, rgb);
        assert_true(rgb[0] > 230 && rgb[1] > 220 && rgb[2] < 90);
    }
}

static void metadata_is_read_from_exif(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/camera.jpg", test_folder());
    uint8_t *pixels = scene(32, 24);
    static uint8_t crop[3 * 224 * 224];
    for (int big = 0; big < 2; big++) {
        pix_bytes exif = {0};
        pix_photo photo;
        pix_error error;
        make_exif(&exif, 6, "2024:05:01 13:45:10", big);
        make_jpeg(path, pixels, 32, 24, &(jpeg_options){.exif = &exif});
        assert_ok(preprocess(path, &fast_224, crop, &photo, &error), &error);
        assert_string_equal(photo.format, "jpeg");
        assert_string_equal(photo.taken_at, "2024-05-01T13:45:10");
        assert_string_equal(photo.camera, "NIKON D70");
        assert_int_equal(photo.orientation, 6);
        assert_true(photo.has_location);
        assert_true(fabs(photo.latitude + (33 + 51 / 60.0 + 35.4 / 3600.0)) < 1e-9);
        assert_true(fabs(photo.longitude - (151 + 12 / 60.0)) < 1e-9); /* 0/0 seconds */
        pix_bytes_free(&exif);
    }
    free(pixels);
}

static void nonsense_in_exif_counts_as_absent(void **state) {
    (void)state;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/nonsense.jpg", test_folder());
    static const char *const times[] = {"0000:00:00 00:00:00", "2023:02:29 10:00:00",
                                        "2024:13:01 10:00:00", "2024:05:01 24:00:00",
                                        "    :  :     :  :  ", "2024:05"};
    uint8_t *pixels = scene(32, 24);
    static uint8_t crop[3 * 224 * 224];
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char time[20] = {0};
        memcpy(time, times[i], strlen(times[i]));
        pix_bytes exif = {0};
        pix_photo photo;
        pix_error error;
        make_exif(&exif, 9 + (int)i, time, false);
        make_jpeg(path, pixels, 32, 24, &(jpeg_options){.exif = &exif});
        assert_ok(preprocess(path, &fast_224, crop, &photo, &error), &error);
        assert_string_equal(photo.taken_at, "");
        assert_int_equal(photo.orientation, 1);
        pix_bytes_free(&exif);
    }
    free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_pictures_equal_pillow_bit_for_bit),
        cmocka_unit_test(all_reference_pictures_equal_pillow_bit_for_bit),
        cmocka_unit_test(scaled_decoding_stays_near_the_exact_crop),
        cmocka_unit_test(what_the_crop_does_not_need_is_left_out_without_a_trace),
        cmocka_unit_test(every_orientation_is_turned_upright_before_the_crop),
        cmocka_unit_test(transparency_is_composited_on_white),
        cmocka_unit_test(sixteen_bits_are_scaled_by_default_and_cut_in_exact_mode),
        cmocka_unit_test(a_wide_gamut_profile_is_converted_to_srgb),
        cmocka_unit_test(a_profile_that_is_broken_or_does_not_fit_is_ignored),
        cmocka_unit_test(cmyk_becomes_what_a_print_would_show),
        cmocka_unit_test(metadata_is_read_from_exif),
        cmocka_unit_test(nonsense_in_exif_counts_as_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
