/* Files that lie, end early or are no pictures: an error with a reason, or the right picture. */
#include <dirent.h>
#include <sys/stat.h>

#include <zlib.h>

#include "core/base/files.h"
#include "tests/pictures.h"

enum { SIZE = 32, BYTES = 3 * SIZE * SIZE };

static const pix_decode_options options = {.size = SIZE};

static const char *temporary(const char *name) {
    static const char *folder;
    static char path[4096];
    if (!folder)
        folder = test_folder();
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static pix_status of_bytes(const void *data, size_t size, uint8_t *crop, pix_error *error) {
    const char *path = temporary("picture");
    test_write_file(path, data, size);
    return preprocess(path, &options, crop, NULL, error);
}

static void assert_reason(const pix_error *error) {
    assert_true(strlen(error->text) > 5);
    assert_null(strstr(error->text, "no reason given"));
    assert_null(strchr(error->text, '\n'));
    assert_true(pix_is_utf8(error->text, strlen(error->text)));
}

static void assert_refused(const void *data, size_t size, pix_status status, const char *reason) {
    uint8_t crop[BYTES];
    pix_error error = {0};
    pix_status got = of_bytes(data, size, crop, &error);
    assert_reason(&error);
    if (got != status || !strstr(error.text, reason))
        fail_msg("status %d, \"%s\" instead of %d, \"%s\"", got, error.text, status, reason);
}

/* Cut at every 64th byte, of large files at every 256th part. */
static void assert_truncations_are_noticed(const char *path) {
    pix_bytes file = {0};
    uint8_t whole[BYTES], crop[BYTES];
    pix_error error = {0};
    assert_ok(pix_file_read(path, 1 << 24, &file, &error), &error);
    assert_ok(of_bytes(file.data, file.size, whole, &error), &error);
    size_t step = (file.size / 256 / 64 + 1) * 64;
    for (size_t size = 1; size < file.size; size += step) {
        if (of_bytes(file.data, size, crop, &error))
            assert_reason(&error);
        else if (memcmp(crop, whole, BYTES) != 0)
            fail_msg("%s cut to %zu of %zu bytes gives a wrong picture", path, size, file.size);
    }
    pix_bytes_free(&file);
}

static void for_every_file(const char *folder, void (*check)(const char *path)) {
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            check(path);
    }
    closedir(listing);
}

static void truncated_files_never_give_a_wrong_picture(void **state) {
    (void)state;
    uint8_t *pixels = scene(150, 110);
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", temporary("whole"));
    make_jpeg(path, pixels, 150, 110, &(jpeg_options){0});
    assert_truncations_are_noticed(path);
    make_jpeg(path, pixels, 150, 110, &(jpeg_options){.progressive = true});
    assert_truncations_are_noticed(path);
    make_bmp(path, pixels, 150, 110);
    assert_truncations_are_noticed(path);
    make_tiff(path, pixels, 150, 110, 1);
    assert_truncations_are_noticed(path);
    free(pixels);
    for_every_file(test_golden("preprocess/images"), assert_truncations_are_noticed);
}

static void truncated_reference_files_never_give_a_wrong_picture(void **state) {
    (void)state;
    if (!test_exists(test_reference("preprocess/images")))
        test_skip("the reference data is not here");
    for_every_file(test_reference("preprocess/images"), assert_truncations_are_noticed);
}

static void a_truncated_jpeg_says_how_far_it_came(void **state) {
    (void)state;
    uint8_t *pixels = scene(64, 800);
    pix_bytes file = {0};
    pix_error error;
    make_jpeg(temporary("tall"), pixels, 64, 800, &(jpeg_options){0});
    assert_ok(pix_file_read(temporary("tall"), 1 << 20, &file, &error), &error);
    assert_refused(file.data, file.size / 2, PIX_EFORMAT, "truncated JPEG (the file ends at row ");
    assert_refused(file.data, 100, PIX_EFORMAT, "truncated JPEG (the file ends in the header)");
    pix_bytes_free(&file);
    free(pixels);
}

static void damage_inside_a_jpeg_is_an_error(void **state) {
    (void)state;
    uint8_t *pixels = scene(200, 200);
    pix_bytes file = {0};
    pix_error error;
    uint8_t crop[BYTES];
    make_jpeg(temporary("damaged"), pixels, 200, 200, &(jpeg_options){0});
    assert_ok(pix_file_read(temporary("damaged"), 1 << 20, &file, &error), &error);
    memset(file.data + file.size / 2, 0xFF, 200);
    assert_int_equal(of_bytes(file.data, file.size, crop, &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "corrupt JPEG (at row "));
    pix_bytes_free(&file);
    free(pixels);
}

/* A file that was lost in part and filled with zeros by its file system. */
static void assert_zeroed_half_is_noticed(const char *path) {
    pix_bytes file = {0};
    uint8_t whole[BYTES], crop[BYTES];
    pix_error error = {0};
    assert_ok(pix_file_read(path, 1 << 24, &file, &error), &error);
    assert_ok(of_bytes(file.data, file.size, whole, &error), &error);
    memset(file.data + file.size / 2, 0, file.size - file.size / 2);
    /* BMP and WebP have no check, and in WebP zeros go on being pixels */
    bool checked = !strstr(path, ".bmp") && !strstr(path, ".webp");
    if (of_bytes(file.data, file.size, crop, &error))
        assert_reason(&error);
    else if (checked && memcmp(crop, whole, BYTES) != 0)
        fail_msg("%s with its second half zeroed gives a wrong picture", path);
    pix_bytes_free(&file);
}

static void files_zeroed_by_a_crash_are_noticed(void **state) {
    (void)state;
    for_every_file(test_golden("preprocess/images"), assert_zeroed_half_is_noticed);
    if (test_exists(test_reference("preprocess/images")))
        for_every_file(test_reference("preprocess/images"), assert_zeroed_half_is_noticed);
}

static void what_is_no_picture_is_named(void **state) {
    (void)state;
    assert_refused("", 0, PIX_EFORMAT, "the file is empty");
    assert_refused("Dear diary,\n", 12, PIX_EUNSUPPORTED, "not a picture of a known format");
    assert_refused("\xFF", 1, PIX_EUNSUPPORTED, "not a picture of a known format");
    assert_refused("%PDF-1.7\n%%EOF\n", 15, PIX_EUNSUPPORTED, "PDF documents");
    assert_refused("\0\0\0\x18"
                   "ftypmp42\0\0\0\0mp42isom",
                   24, PIX_EUNSUPPORTED, "videos");
    static const char svg[] = "<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>";
    assert_refused(svg, sizeof svg - 1, PIX_EUNSUPPORTED, "SVG drawings");
    assert_refused("P3\n40 30\n255\n1 2 3\n", 21, PIX_EUNSUPPORTED, "PNM in plain text");
}

static void only_regular_files_are_opened(void **state) {
    (void)state;
    int fd;
    pix_error error;
    assert_int_equal(mkfifo(temporary("fifo"), 0600), 0);
    const char *const paths[] = {temporary("fifo"), "/", "/dev/null"};
    for (size_t i = 0; i < 3; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s", i == 0 ? temporary("fifo") : paths[i]);
        assert_int_equal(pix_photo_open(path, &fd, &error), PIX_EUNSUPPORTED);
        assert_string_equal(error.text, "not a regular file");
        assert_int_equal(fd, -1);
    }
    assert_int_equal(pix_photo_open(temporary("missing"), &fd, &error), PIX_ENOTFOUND);
    test_write_file(temporary("there"), "x", 1);
    assert_ok(pix_photo_open(temporary("there"), &fd, &error), &error);
    close(fd);
    /* the disk of a virtual machine, say, which ends in .raw, too */
    assert_int_equal(truncate(temporary("there"), ((off_t)3 << 30) + 1), 0);
    assert_int_equal(pix_photo_open(temporary("there"), &fd, &error), PIX_ELIMIT);
    assert_string_equal(error.text, "the file of 3221225473 bytes is over the limit of 3 GiB");
    assert_int_equal(truncate(temporary("there"), 1), 0);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint8_t crop[BYTES];
    pix_photo photo;
    assert_int_equal(pix_preprocess(fd, &options, crop, &photo, &error), PIX_EUNSUPPORTED);
    close(fd);
}

static uint32_t crc(const char *data, size_t size) {
    uint32_t sum = 0xFFFFFFFF;
    for (size_t i = 0; i < size; i++) {
        sum ^= (uint8_t)data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320 : 0);
    }
    return ~sum;
}

static void put_chunk(pix_bytes *out, const char *type, const char *data, size_t size) {
    put(out, (uint32_t)size, 4, true);
    size_t start = out->size;
    assert_int_equal(pix_bytes_append(out, type, 4), PIX_OK);
    assert_int_equal(pix_bytes_append(out, data, size), PIX_OK);
    put(out, crc(out->data + start, size + 4), 4, true);
}

static void a_png_of_giant_dimensions_is_refused(void **state) {
    (void)state;
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        pix_bytes png = {0}, header = {0};
        put(&header, interlaced ? 20000 : 900000, 4, true);
        put(&header, interlaced ? 20000 : 900000, 4, true);
        put(&header, 8, 1, true);
        put(&header, 2, 1, true);
        put(&header, interlaced ? 1 : 0, 3, true);
        assert_int_equal(pix_bytes_append(&png, "\x89PNG\r\n\x1A\n", 8), PIX_OK);
        put_chunk(&png, "IHDR", header.data, header.size);
        put_chunk(&png, "IDAT", "x\x9C\x63\0\0\0\1\0\1", 9);
        put_chunk(&png, "IEND", "", 0);
        assert_refused(png.data, png.size, PIX_ELIMIT,
                       interlaced ? "20000 x 20000 pixels are over the limit of 128 megapixels"
                                  : "900000 x 900000 pixels are over the limit of 512 megapixels");
        pix_bytes_free(&png);
        pix_bytes_free(&header);
    }
}

/* libvips says nothing about some of these. */
static void a_flipped_bit_of_a_png_is_a_reason_or_a_picture(void **state) {
    (void)state;
    pix_bytes file = {0};
    pix_error error = {0};
    uint8_t crop[BYTES];
    size_t refused = 0;
    assert_ok(pix_file_read(test_golden("preprocess/images/tiny-7x5.png"), 1 << 20, &file, &error),
              &error);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] ^= (char)(1 << bit % 8);
        if (of_bytes(file.data, file.size, crop, &error)) {
            refused++;
            assert_reason(&error);
        }
        file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(refused > file.size);
    pix_bytes_free(&file);
}

static void a_bmp_of_giant_dimensions_is_refused(void **state) {
    (void)state;
    static const int32_t sides[][2] = {{900000, 900000}, {INT32_MIN, 1}, {1, INT32_MIN}, {0, 5}};
    static const pix_status expected[] = {PIX_ELIMIT, PIX_EFORMAT, PIX_ELIMIT, PIX_EFORMAT};
    for (size_t i = 0; i < 4; i++) {
        pix_bytes bmp = {0};
        assert_int_equal(pix_bytes_append(&bmp, "BM", 2), PIX_OK);
        const uint32_t numbers[] = {
            0, 0, 54, 40, (uint32_t)sides[i][0], (uint32_t)sides[i][1], 0x00180001};
        for (size_t k = 0; k < 7; k++)
            put(&bmp, numbers[k], 4, false);
        for (int k = 0; k < 6; k++)
            put(&bmp, 0, 4, false);
        assert_refused(bmp.data, bmp.size, expected[i], "pixels");
        pix_bytes_free(&bmp);
    }
}

static void a_gif_of_giant_dimensions_is_refused(void **state) {
    (void)state;
    static const char gif[] =
        "GIF89a\xFF\xFF\xFF\xFF\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\xFF\xFF\xFF"
        "\xFF\0\2\2\x44\1\0;";
    assert_refused(gif, sizeof gif - 1, PIX_ELIMIT, "65535 x 65535 pixels are over the limit");
}

/* A codestream of JPEG 2000 up to its data. */
static void put_jp2(pix_bytes *out, uint32_t side) {
    static const uint8_t rest[] = "\xFF\x52\0\x0C\0\0\0\1\1\5\4\4\0\1" /* no surprises */
                                  "\xFF\x5C\0\x13\x40@@@@@@@@@@@@@@@@"
                                  "\xFF\x90\0\x0A\0\0\0\0\0\0\0\1\xFF\x93\0\0\0\0\xFF\xD9";
    put(out, 0xFF4FFF51, 4, true);
    put(out, 38 + 3 * 3, 2, true);
    put(out, 0, 2, true);
    const uint32_t sides[] = {side, side, 0, 0, side, side, 0, 0};
    for (size_t i = 0; i < 8; i++)
        put(out, sides[i], 4, true);
    put(out, 3, 2, true);
    for (int i = 0; i < 3; i++)
        put(out, 0x070101, 3, true);
    assert_int_equal(pix_bytes_append(out, rest, sizeof rest - 1), PIX_OK);
}

/* A TIFF of one strip. */
static void put_tiff(pix_bytes *out, uint32_t side) {
    const uint32_t tags[][2] = {{256, side}, {257, side}, {258, 8},    {259, 8},  {262, 1},
                                {273, 122},  {277, 1},    {278, side}, {279, 100}};
    put(out, 0x002A4949, 4, false);
    put(out, 8, 4, false);
    put(out, 9, 2, false);
    for (size_t i = 0; i < 9; i++) {
        put(out, tags[i][0], 2, false);
        put(out, 4, 2, false);
        put(out, 1, 4, false);
        put(out, tags[i][1], 4, false);
    }
    for (int i = 0; i < 104; i++)
        put(out, 0, 1, false);
}

static void other_giants_are_refused(void **state) {
    (void)state;
    pix_bytes jp2 = {0}, tiff = {0};
    put_jp2(&jp2, 60000);
    assert_refused(jp2.data, jp2.size, PIX_ELIMIT,
                   "60000 x 60000 pixels are over the limit of 128 megapixels");
    put_tiff(&tiff, 60000);
    assert_refused(tiff.data, tiff.size, PIX_ELIMIT,
                   "60000 x 60000 pixels are over the limit of 512 megapixels");
    /* 16383 x 16383, the most WebP knows */
    static const char webp[40] = "RIFF\x20\0\0\0WEBPVP8L\x14\0\0\0\x2F\xFE\xBF\xFF\x0F";
    assert_refused(webp, sizeof webp, PIX_ELIMIT, "16383 x 16383 pixels are over the limit");
    static const char jxl[64] = "\xFF\x0A\xFE\x52\7\0\x12";
    assert_refused(jxl, sizeof jxl, PIX_ELIMIT, "60000 x 60000 pixels are over the limit");
    assert_refused("P6 60000 60000 255\n", 19, PIX_ELIMIT,
                   "60000 x 60000 pixels are over the limit");
    pix_bytes_free(&jp2);
    pix_bytes_free(&tiff);
}

/* 100 MB of text, or of a colour profile, in a hundred kilobytes: no reason to refuse the
 * pixels. */
static void what_a_png_carries_besides_cannot_fill_the_memory(void **state) {
    (void)state;
    static const char *const kinds[][2] = {{"zTXt", "Raw profile type exif"}, {"iCCP", "profile"}};
    uint8_t plain[BYTES], crop[BYTES];
    pix_bytes file = {0};
    pix_error error = {0};
    uLongf packed = 200000;
    uint8_t *zeros = calloc(100, 1 << 20), *data = malloc(packed);
    assert_true(zeros && data);
    assert_int_equal(compress2(data, &packed, zeros, 100 << 20, 9), Z_OK);
    free(zeros);
    assert_ok(pix_file_read(test_golden("preprocess/images/tiny-7x5.png"), 1 << 20, &file, &error),
              &error);
    assert_ok(of_bytes(file.data, file.size, plain, &error), &error);
    for (size_t i = 0; i < 2; i++) {
        pix_bytes png = {0}, chunk = {0};
        const size_t header = 33; /* signature and IHDR */
        assert_int_equal(pix_bytes_append(&chunk, kinds[i][1], strlen(kinds[i][1]) + 1), PIX_OK);
        put(&chunk, 0, 1, true);
        assert_int_equal(pix_bytes_append(&chunk, data, packed), PIX_OK);
        assert_int_equal(pix_bytes_append(&png, file.data, header), PIX_OK);
        put_chunk(&png, kinds[i][0], (const char *)chunk.data, chunk.size);
        assert_int_equal(pix_bytes_append(&png, file.data + header, file.size - header), PIX_OK);
        assert_ok(of_bytes(png.data, png.size, crop, &error), &error);
        assert_memory_equal(crop, plain, BYTES);
        pix_bytes_free(&png);
        pix_bytes_free(&chunk);
    }
    pix_bytes_free(&file);
    free(data);
}

/* The frame header of a JPEG holds height and width in 16 bits each, from its sixth byte on. */
static void set_sides(pix_bytes *jpeg, bool progressive, uint8_t high, uint8_t low) {
    uint8_t *frame = memmem(jpeg->data, jpeg->size, progressive ? "\xFF\xC2" : "\xFF\xC0", 2);
    assert_non_null(frame);
    frame[5] = frame[7] = high;
    frame[6] = frame[8] = low;
}

/* A few hundred bytes that claim 65,500 x 65,500 pixels, or progressive 12,032 x 12,032. */
static void a_jpeg_bomb_is_refused(void **state) {
    (void)state;
    uint8_t *pixels = scene(16, 16), crop[BYTES];
    for (int progressive = 0; progressive < 2; progressive++) {
        pix_bytes file = {0};
        pix_error error;
        make_jpeg(temporary("bomb"), pixels, 16, 16,
                  &(jpeg_options){.progressive = progressive == 1});
        assert_ok(pix_file_read(temporary("bomb"), 1 << 20, &file, &error), &error);
        set_sides(&file, progressive, progressive ? 0x2F : 0xFF, progressive ? 0 : 0xDC);
        assert_refused(file.data, file.size, PIX_ELIMIT, "pixels are over the limit");
        set_sides(&file, progressive, 0x27, 0x10); /* allowed, but there is no data for them */
        assert_true(of_bytes(file.data, file.size, crop, &error) != PIX_OK);
        assert_reason(&error);
        pix_bytes_free(&file);
    }
    free(pixels);
}

static void a_name_does_not_decide_the_format(void **state) {
    (void)state;
    uint8_t *pixels = scene(40, 30), crop[BYTES];
    pix_photo photo;
    pix_error error;
    make_jpeg(temporary("lies.jp2"), pixels, 40, 30, &(jpeg_options){0});
    assert_ok(preprocess(temporary("lies.jp2"), &options, crop, &photo, &error), &error);
    assert_string_equal(photo.format, "jpeg");
    make_bmp(temporary("lies.jpg"), pixels, 40, 30);
    assert_ok(preprocess(temporary("lies.jpg"), &options, crop, &photo, &error), &error);
    assert_string_equal(photo.format, "bmp");
    free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_files_never_give_a_wrong_picture),
        cmocka_unit_test(truncated_reference_files_never_give_a_wrong_picture),
        cmocka_unit_test(a_truncated_jpeg_says_how_far_it_came),
        cmocka_unit_test(damage_inside_a_jpeg_is_an_error),
        cmocka_unit_test(files_zeroed_by_a_crash_are_noticed),
        cmocka_unit_test(what_is_no_picture_is_named),
        cmocka_unit_test(only_regular_files_are_opened),
        cmocka_unit_test(a_png_of_giant_dimensions_is_refused),
        cmocka_unit_test(a_flipped_bit_of_a_png_is_a_reason_or_a_picture),
        cmocka_unit_test(a_bmp_of_giant_dimensions_is_refused),
        cmocka_unit_test(a_gif_of_giant_dimensions_is_refused),
        cmocka_unit_test(other_giants_are_refused),
        cmocka_unit_test(what_a_png_carries_besides_cannot_fill_the_memory),
        cmocka_unit_test(a_jpeg_bomb_is_refused),
        cmocka_unit_test(a_name_does_not_decide_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
