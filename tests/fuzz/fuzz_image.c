/* Any bytes as a picture, in every mode: no crash, no leak, and an error or a crop. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/image/preprocess.h"

enum { SIZE = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t crop[3 * SIZE * SIZE];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    for (int mode = 0; mode < 2; mode++) {
        pix_decode_options options = {.size = SIZE, .exact = mode == 1};
        pix_photo photo;
        pix_error error = {0};
        if (pix_preprocess(fd, &options, crop, &photo, &error) && !error.text[0])
            abort();
    }
    close(fd);
    return 0;
}
