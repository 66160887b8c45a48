#include "tests/support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, const char *path) {
    (void)fprintf(stderr, "test support: %s: %s\n", path, what);
    exit(1);
}

bool test_array_load(const char *path, test_array *out) {
    *out = (test_array){0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    unsigned char start[10];
    if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY\x01\x00", 8) != 0)
        die("not a NumPy 1.0 array", path);
    char header[65536];
    size_t length = (size_t)start[8] | (size_t)start[9] << 8;
    if (fread(header, 1, length, file) != length)
        die("short header", path);
    header[length] = '\0';
    out->type = strstr(header, "'<f4'")   ? 'f'
                : strstr(header, "'<i4'") ? 'i'
                : strstr(header, "'|u1'") ? 'u'
                                          : '\0';
    const char *shape = strstr(header, "'shape': (");
    if (!out->type || !shape || strstr(header, "'fortran_order': True"))
        die("unexpected type or order", path);
    out->count = 1;
    for (char *p = (char *)shape + strlen("'shape': ("); *p != ')';) {
        out->shape[out->rank] = strtoul(p, &p, 10);
        out->count *= out->shape[out->rank++];
        p += strspn(p, ", ");
    }
    size_t item = out->type == 'u' ? 1 : 4;
    out->data = malloc(out->count * item + 1);
    if (!out->data || fread(out->data, item, out->count, file) != out->count)
        die("short data", path);
    (void)fclose(file);
    return true;
}

void test_array_free(test_array *array) {
    free(array->data);
    *array = (test_array){0};
}

static char *next_buffer(void) {
    static char buffers[8][4096];
    static int next;
    return buffers[next++ % 8];
}

static const char *build(const char *folder, const char *format, va_list arguments) {
    char *buffer = next_buffer();
    int length = snprintf(buffer, 4096, "%s/", folder);
    (void)vsnprintf(buffer + length, 4096 - (size_t)length, format, arguments);
    return buffer;
}

#define PATH_FUNCTION(name, folder)                                                                \
    const char *name(const char *format, ...) {                                                    \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        const char *path = build(folder, format, arguments);                                       \
        va_end(arguments);                                                                         \
        return path;                                                                               \
    }

PATH_FUNCTION(test_golden, PIX_GOLDEN_DIR)
PATH_FUNCTION(test_reference, PIX_REFERENCE_DIR)
PATH_FUNCTION(test_built, PIX_BUILD_DIR)

bool test_exists(const char *path) {
    return access(path, F_OK) == 0;
}

static char folders[256][64];
static int folder_count;

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_folders(void) {
    while (folder_count > 0)
        (void)nftw(folders[--folder_count], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void) {
    if (folder_count == 0 && atexit(remove_folders))
        die("atexit", "");
    if (folder_count == sizeof folders / sizeof *folders)
        die("too many temporary folders", "");
    char *path = folders[folder_count++];
    (void)snprintf(path, sizeof folders[0], "/tmp/pixgrep-test-XXXXXX");
    if (!mkdtemp(path))
        die("mkdtemp", path);
    return path;
}

void test_write_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        die("cannot write", path);
}

double test_max_difference(const float *a, const float *b, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (!(difference <= largest))
            largest = isnan(difference) ? INFINITY : difference;
    }
    return largest;
}
