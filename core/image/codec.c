#include "core/image/codec.h"

pix_status pix_check_dimensions(int64_t width, int64_t height, int megapixels, pix_error *error) {
    if (width < 1 || height < 1)
        return pix_fail(error, PIX_EFORMAT, "a picture without pixels (%lld x %lld)",
                        (long long)width, (long long)height);
    if (width > PIX_SIDE_LIMIT || height > PIX_SIDE_LIMIT ||
        width * height > (int64_t)megapixels * 1000000)
        return pix_fail(error, PIX_ELIMIT, "%lld x %lld pixels are over the limit of %d megapixels",
                        (long long)width, (long long)height, megapixels);
    return PIX_OK;
}
