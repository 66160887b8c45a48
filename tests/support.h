/* support.h - what several tests need: golden arrays, reference data, temporary folders.
 *
 * Functions abort the test program with a message when something is wrong; tests need no checks. */
#ifndef PIX_TESTS_SUPPORT_H
#define PIX_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/error.h"

/* A NumPy array, format 1.0, C order: '<f4', '<i4' or '|u1'. */
typedef struct test_array {
    char type; /* 'f', 'i' or 'u' */
    int rank;
    size_t shape[8];
    size_t count;
    union {
        float *f;
        int32_t *i;
        uint8_t *u;
        void *data;
    };
} test_array;

/* False when the file does not exist; any other trouble aborts. */
bool test_array_load(const char *path, test_array *out);
void test_array_free(test_array *array);

/* A path into tests/golden or the reference data, in one of eight static buffers. */
const char *test_golden(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *test_reference(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A path into the build tree: "bin/pixgrep". */
const char *test_built(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool test_exists(const char *path);

/* A fresh folder, removed with all it holds when the program ends. */
const char *test_folder(void);

void test_write_file(const char *path, const void *data, size_t size);

/* The largest absolute difference; NaN anywhere gives infinity. */
double test_max_difference(const float *a, const float *b, size_t count);

/* Prints "SKIP name: reason" and calls skip(). */
#define test_skip(reason)                                                                          \
    do {                                                                                           \
        print_message("SKIP %s: %s\n", __func__, reason);                                          \
        skip();                                                                                    \
    } while (0)

/* Fails with the error's text unless `status` is PIX_OK. */
#define assert_ok(status, error)                                                                   \
    do {                                                                                           \
        if ((status) != PIX_OK)                                                                    \
            fail_msg("%s", (error)->text);                                                         \
    } while (0)

#endif
