/* make_photo OUT.jpg WIDTH HEIGHT COLOURS [KEY=VALUE]... - a JPEG that says what a camera's would.
 *
 * COLOURS (0 to 999) makes the picture; the keys are time ("2023:05:17 13:45:10"), camera,
 * orientation, place ("48.86,2.35"), quality and mark, a number that changes a few pixels. */
#include <math.h>

#include "tests/pictures.h"

static const char *value_of(int argc, char **argv, const char *key) {
    size_t size = strlen(key);
    for (int i = 5; i < argc; i++)
        if (strncmp(argv[i], key, size) == 0 && argv[i][size] == '=')
            return argv[i] + size + 1;
    return NULL;
}

static int number_of(int argc, char **argv, const char *key, int otherwise) {
    const char *value = value_of(argc, argv, key);
    return value ? atoi(value) : otherwise;
}

/* Appends a directory's entry whose text lies after the directories. */
static void put_text(pix_bytes *exif, pix_bytes *heap, size_t heap_start, unsigned tag,
                     const char *text) {
    put_entry(exif, tag, 2, (uint32_t)strlen(text) + 1, (uint32_t)(heap_start + heap->size), false);
    assert_int_equal(pix_bytes_append(heap, text, strlen(text) + 1), PIX_OK);
    while (heap->size % 8 != 0)
        put(heap, 0, 1, false);
}

static void put_degrees(pix_bytes *exif, pix_bytes *heap, size_t heap_start, unsigned tag,
                        double degrees) {
    put_entry(exif, tag, 5, 3, (uint32_t)(heap_start + heap->size), false);
    put(heap, (uint32_t)lround(fabs(degrees) * 1e6), 4, false);
    put(heap, 1000000, 4, false);
    for (int i = 0; i < 2; i++) {
        put(heap, 0, 4, false);
        put(heap, 1, 4, false);
    }
}

static void make_block(pix_bytes *exif, const char *time, const char *camera, int orientation,
                       const char *place) {
    enum { MAIN = 8, CAMERA = MAIN + 2 + 5 * 12 + 4, GPS = CAMERA + 2 + 12 + 4 };
    enum { HEAP = GPS + 2 + 4 * 12 + 4 };
    pix_bytes heap = {0};
    double latitude = 0, longitude = 0;
    if (place)
        assert_int_equal(sscanf(place, "%lf,%lf", &latitude, &longitude), 2);
    assert_int_equal(pix_bytes_append(exif, "Exif\0\0II*\0", 10), PIX_OK);
    put(exif, MAIN, 4, false);
    put(exif, 2U + (camera ? 2 : 0) + (place ? 1 : 0), 2, false);
    if (camera) {
        put_text(exif, &heap, HEAP, 0x010F, "Maker");
        put_text(exif, &heap, HEAP, 0x0110, camera);
    }
    put_entry(exif, 0x0112, 3, 1, (uint32_t)orientation, false);
    put_entry(exif, 0x8769, 4, 1, CAMERA, false);
    if (place)
        put_entry(exif, 0x8825, 4, 1, GPS, false);
    put(exif, 0, 4, false);
    while (exif->size < 6 + CAMERA)
        put(exif, 0, 1, false);
    put(exif, time ? 1 : 0, 2, false);
    if (time)
        put_text(exif, &heap, HEAP, 0x9003, time);
    put(exif, 0, 4, false);
    while (exif->size < 6 + GPS)
        put(exif, 0, 1, false);
    put(exif, place ? 4 : 0, 2, false);
    if (place) {
        put_entry(exif, 1, 2, 2, latitude < 0 ? 'S' : 'N', false);
        put_degrees(exif, &heap, HEAP, 2, latitude);
        put_entry(exif, 3, 2, 2, longitude < 0 ? 'W' : 'E', false);
        put_degrees(exif, &heap, HEAP, 4, longitude);
    }
    while (exif->size < 6 + HEAP)
        put(exif, 0, 1, false);
    if (heap.size > 0)
        assert_int_equal(pix_bytes_append(exif, heap.data, heap.size), PIX_OK);
    pix_bytes_free(&heap);
}

/* Bands and a disc whose colours, direction and place depend on `colours` alone. */
static void paint(uint8_t *rgb, int width, int height, int colours, int mark) {
    double angle = colours * 0.7, across = cos(angle), down = sin(angle);
    double disc_x = 0.5 + 0.3 * cos(colours * 1.3), disc_y = 0.5 + 0.3 * sin(colours * 2.1);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *to = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            double u = (double)x / width, v = (double)y / height;
            double wave = sin((3 + colours % 5) * 4 * (u * across + v * down));
            bool in_disc = hypot(u - disc_x, v - disc_y) < 0.1 + 0.02 * (colours % 7);
            for (int c = 0; c < 3; c++) {
                double phase = sin(colours * 2.4 + c * 2.1);
                to[c] = (uint8_t)lround(127.5 + 127 * (in_disc ? -phase : phase * wave));
            }
            if (mark > 0 && x < 8 && y < 8)
                to[mark % 3] = (uint8_t)(mark * 37);
        }
}

int main(int argc, char **argv) {
    if (argc < 5) {
        (void)fprintf(stderr, "usage: make_photo OUT.jpg WIDTH HEIGHT COLOURS [KEY=VALUE]...\n");
        return 2;
    }
    int width = atoi(argv[2]), height = atoi(argv[3]);
    assert_true(width > 0 && height > 0);
    uint8_t *rgb = malloc(3 * (size_t)width * (size_t)height);
    assert_non_null(rgb);
    paint(rgb, width, height, atoi(argv[4]), number_of(argc, argv, "mark", 0));
    pix_bytes exif = {0};
    make_block(&exif, value_of(argc, argv, "time"), value_of(argc, argv, "camera"),
               number_of(argc, argv, "orientation", 1), value_of(argc, argv, "place"));
    make_jpeg(argv[1], rgb, width, height,
              &(jpeg_options){.quality = number_of(argc, argv, "quality", 95), .exif = &exif});
    pix_bytes_free(&exif);
    free(rgb);
    return 0;
}
