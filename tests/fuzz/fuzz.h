/* fuzz.h - what the fuzz targets share: a demand that is checked, a file with a path.
 *
 * A target takes any bytes.  What it opens must either say in words why not or be whole: everything
 * it promises is then read to its ends. */
#ifndef PIX_TESTS_FUZZ_H
#define PIX_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void demand(bool condition) {
    if (!condition)
        abort();
}

/* A failure leaves its own status and a text. */
static inline void demand_reason(pix_status status, const pix_error *error) {
    demand(status < 0 && error->status == status && error->text[0]);
}

/* The path of one file in memory, which holds `size` bytes until the next call. */
static inline const char *fuzz_file(const void *data, size_t size) {
    static int fd = -1;
    static char path[32];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        demand(fd >= 0);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    demand(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    return path;
}

#endif
