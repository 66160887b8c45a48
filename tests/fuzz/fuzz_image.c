/* Any bytes as a picture, in every mode: no crash, no leak, and an error or a crop. */
#include <fcntl.h>

#include "core/image/preprocess.h"
#include "tests/fuzz/fuzz.h"

enum { SIZE = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t crop[3 * SIZE * SIZE];
    int fd = open(fuzz_file(data, size), O_RDONLY | O_CLOEXEC);
    demand(fd >= 0);
    for (int mode = 0; mode < 2; mode++) {
        pix_decode_options options = {.size = SIZE, .exact = mode == 1};
        pix_photo photo;
        pix_error error = {0};
        pix_status status = pix_preprocess(fd, &options, crop, &photo, &error);
        if (status)
            demand_reason(status, &error);
    }
    close(fd);
    return 0;
}
