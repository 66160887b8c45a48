/* bench_decode [--rounds N] FOLDER: what turning the folder's pictures into crops of 224 pixels
 * costs.
 *
 * Milliseconds of one core for a picture of 12 megapixels, by format: the hash of its file, then
 * through pixgrep-decode as the programs do it, fast and exact, and with two at work.  For JPEG
 * beside libjpeg-turbo alone: the same scale and flags, every row decoded and thrown away.  Of
 * several rounds the best counts. Then the resize alone, with each set of loops that this CPU has.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include "core/base/files.h"
#include "core/base/sha256.h"
#include "core/base/threads.h"
#include "core/image/decoder.h"
#include "core/image/format.h"
#include "core/image/resample.h"

enum { SIZE = 224, BYTES = 3 * SIZE * SIZE, FILES = 1000 };
static const double twelve = 12e6;

typedef struct picture {
    char *path;
    pix_format format;
    double pixels, bytes;
} picture;

typedef struct bench {
    picture pictures[FILES];
    size_t count;
    int rounds;
} bench;

static double ms_since(int64_t start) {
    return (double)(pix_now_ns() - start) / 1e6;
}

static void die(const char *what, const char *reason) {
    (void)fprintf(stderr, "bench_decode: %s: %s\n", what, reason);
    exit(1);
}

static void decode(pix_decoder *decoder, picture *p) {
    static _Thread_local uint8_t crop[BYTES];
    pix_error error = {0};
    pix_photo photo;
    int fd;
    if (pix_photo_open(p->path, &fd, &error) || pix_decoder_run(decoder, fd, crop, &photo, &error))
        die(p->path, error.text);
    p->pixels = (double)photo.width * photo.height;
    (void)close(fd);
}

static pix_decoder *open_decoder(bool exact) {
    pix_decoder *decoder;
    pix_error error = {0};
    pix_decode_options options = {.size = SIZE, .exact = exact};
    if (pix_decoder_open(NULL, &options, &decoder, &error))
        die("pixgrep-decode", error.text);
    return decoder;
}

/* Milliseconds for 12 megapixels: the hash of the file, which its index entry is known by. */
static double hashing(const bench *b, pix_format format) {
    double total = 0.0, pixels = 0.0;
    for (size_t i = 0; i < b->count; i++) {
        const picture *p = &b->pictures[i];
        uint8_t digest[PIX_SHA256_BYTES];
        pix_error error = {0};
        double best = 1e9;
        int fd = -1;
        if (p->format != format)
            continue;
        if (pix_photo_open(p->path, &fd, &error))
            die(p->path, error.text);
        for (int round = 0; round < b->rounds; round++) {
            int64_t start = pix_now_ns();
            if (pix_sha256_file(fd, digest, &error))
                die(p->path, error.text);
            double took = ms_since(start);
            best = took < best ? took : best;
        }
        (void)close(fd);
        total += best;
        pixels += p->pixels;
    }
    return total / pixels * twelve;
}

/* Milliseconds for 12 megapixels, one after the other. */
static double one_worker(bench *b, pix_format format, bool exact) {
    double total = 0.0, pixels = 0.0;
    pix_decoder *decoder = open_decoder(exact);
    for (size_t i = 0; i < b->count; i++) {
        picture *p = &b->pictures[i];
        if (p->format != format)
            continue;
        decode(decoder, p);
        double best = 1e9;
        for (int round = 0; round < b->rounds; round++) {
            int64_t start = pix_now_ns();
            decode(decoder, p);
            double took = ms_since(start);
            best = took < best ? took : best;
        }
        total += best;
        pixels += p->pixels;
    }
    pix_decoder_close(decoder);
    return total / pixels * twelve;
}

typedef struct team {
    bench *bench;
    pix_format format;
    atomic_size_t next;
} team;

static void *work(void *argument) {
    team *t = argument;
    pix_decoder *decoder = open_decoder(false);
    size_t i;
    while ((i = atomic_fetch_add(&t->next, 1)) < t->bench->count)
        if (t->bench->pictures[i].format == t->format)
            decode(decoder, &t->bench->pictures[i]);
    pix_decoder_close(decoder);
    return NULL;
}

/* Wall milliseconds for all pictures of a format, the start of the workers included. */
static double workers(bench *b, pix_format format, int count) {
    double best = 1e12;
    for (int round = 0; round < b->rounds; round++) {
        team t = {.bench = b, .format = format};
        pthread_t threads[2];
        int64_t start = pix_now_ns();
        for (int i = 0; i < count; i++)
            if (pthread_create(&threads[i], NULL, work, &t))
                die("threads", "cannot start one");
        for (int i = 0; i < count; i++)
            (void)pthread_join(threads[i], NULL);
        double took = ms_since(start);
        best = took < best ? took : best;
    }
    return best;
}

/* The rule that core/image/jpeg.c follows. */
static unsigned shrink_of(const struct jpeg_decompress_struct *jpeg) {
    unsigned shorter =
        jpeg->image_width < jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    for (unsigned shrink = 8; shrink > 1; shrink /= 2)
        if (shorter / shrink >= 3U * SIZE)
            return shrink;
    return 1;
}

static double libjpeg_once(const pix_mapping *file) {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    int64_t start = pix_now_ns();
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file->data, file->size);
    (void)jpeg_read_header(&jpeg, TRUE);
    jpeg.scale_num = 1;
    jpeg.scale_denom = shrink_of(&jpeg);
    jpeg.do_fancy_upsampling = jpeg.scale_denom == 1;
    (void)jpeg_start_decompress(&jpeg);
    JSAMPROW row = malloc((size_t)jpeg.output_width * (size_t)jpeg.output_components);
    if (!row)
        die("libjpeg", "memory is out");
    while (jpeg.output_scanline < jpeg.output_height)
        (void)jpeg_read_scanlines(&jpeg, &row, 1);
    (void)jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(row);
    return ms_since(start);
}

static double libjpeg(const bench *b) {
    double total = 0.0, pixels = 0.0;
    for (size_t i = 0; i < b->count; i++) {
        const picture *p = &b->pictures[i];
        pix_mapping file;
        pix_error error;
        if (p->format != PIX_FORMAT_JPEG)
            continue;
        if (pix_mapping_open(&file, p->path, &error))
            die(p->path, error.text);
        double best = libjpeg_once(&file);
        for (int round = 0; round < b->rounds; round++) {
            double took = libjpeg_once(&file);
            best = took < best ? took : best;
        }
        pix_mapping_close(&file);
        total += best;
        pixels += p->pixels;
    }
    return total / pixels * twelve;
}

static void list(bench *b, const char *folder) {
    DIR *listing = opendir(folder);
    if (!listing)
        die(folder, "cannot be read");
    for (struct dirent *entry; (entry = readdir(listing)) && b->count < FILES;) {
        char *path = pix_path_join(folder, entry->d_name);
        pix_mapping file;
        pix_error error;
        if (entry->d_name[0] == '.' || !path || pix_mapping_open(&file, path, &error)) {
            free(path);
            continue;
        }
        b->pictures[b->count++] = (picture){.path = path,
                                            .format = pix_format_detect(file.data, file.size),
                                            .bytes = (double)file.size};
        pix_mapping_close(&file);
    }
    (void)closedir(listing);
}

static void report(bench *b, pix_format format) {
    size_t files = 0;
    double bytes = 0.0, pixels = 0.0;
    for (size_t i = 0; i < b->count; i++)
        if (b->pictures[i].format == format) {
            files++;
            bytes += b->pictures[i].bytes;
        }
    if (files == 0)
        return;
    double fast = one_worker(b, format, false), exact = one_worker(b, format, true);
    for (size_t i = 0; i < b->count; i++)
        if (b->pictures[i].format == format)
            pixels += b->pictures[i].pixels;
    printf("%-7s %5zu %5.1f %8.1f %8.1f %8.1f", pix_format_name(format), files,
           bytes / pixels * 12.0, hashing(b, format), fast, exact);
    if (files >= 8)
        printf(" %7.2fx", workers(b, format, 1) / workers(b, format, 2));
    else
        printf(" %8s", "");
    if (format == PIX_FORMAT_JPEG) {
        double alone = libjpeg(b);
        printf(" %9.1f %7.2f", alone, fast / alone);
    }
    printf("\n");
    (void)fflush(stdout);
}

static double resize_once(const pix_loops *loops, int width, int height) {
    static uint8_t out[BYTES];
    pix_axis x = {.input = width,
                  .extent = (float)width,
                  .output = (int64_t)SIZE * width / height,
                  .count = SIZE},
             y = {.input = height, .extent = (float)height, .output = SIZE, .count = SIZE};
    x.first = (x.output - SIZE) / 2;
    pix_resampler *resampler;
    pix_error error = {0};
    uint8_t *row = malloc(3 * (size_t)width);
    if (!row || pix_resampler_new(loops, &x, &y, 3, out, &resampler, &error))
        die("resize", "memory is out");
    for (int i = 0; i < 3 * width; i++)
        row[i] = (uint8_t)(i * 7);
    int64_t start = pix_now_ns();
    for (int i = 0; i < height; i++)
        pix_resampler_row(resampler, row);
    double took = ms_since(start);
    pix_resampler_free(resampler);
    free(row);
    return took;
}

static void report_resize(int rounds) {
    printf("\nresize alone, ms      4000 x 3000  1000 x 750\n");
    const pix_loops *loops;
    for (size_t i = 0; (loops = pix_loops_at(i)); i++) {
        double large = 1e9, small = 1e9;
        for (int round = 0; round < 3 * rounds; round++) {
            double took = resize_once(loops, 4000, 3000);
            large = took < large ? took : large;
            took = resize_once(loops, 1000, 750);
            small = took < small ? took : small;
        }
        printf("%-20s %12.1f %11.2f\n", loops->name, large, small);
    }
}

int main(int argc, char **argv) {
    static bench everything;
    bench *b = &everything;
    b->rounds = 3;
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        b->rounds = (int)strtol(argv[2], NULL, 10);
        at = 3;
    }
    if (at != argc - 1 || b->rounds < 1) {
        (void)fprintf(stderr, "usage: %s [--rounds N] FOLDER\n", argv[0]);
        return 2;
    }
    list(b, argv[at]);
    printf("%-7s %5s %5s %8s %8s %8s %8s %9s %7s\n", "format", "files", "MB", "hash ms", "fast ms",
           "exact ms", "2 cores", "libjpeg", "ratio");
    for (int format = PIX_FORMAT_JPEG; format <= PIX_FORMAT_RAW; format++)
        report(b, (pix_format)format);
    report_resize(b->rounds);
    for (size_t i = 0; i < b->count; i++)
        free(b->pictures[i].path);
    return 0;
}
