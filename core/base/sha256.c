#include "core/base/sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

void pix_sha256_init(pix_sha256 *hash) {
    sha256_init(&hash->context);
}

void pix_sha256_add(pix_sha256 *hash, const void *data, size_t size) {
    sha256_update(&hash->context, size, data);
}

void pix_sha256_finish(pix_sha256 *hash, uint8_t digest[PIX_SHA256_BYTES]) {
    sha256_digest(&hash->context, PIX_SHA256_BYTES, digest);
}

void pix_sha256_of(const void *data, size_t size, uint8_t digest[PIX_SHA256_BYTES]) {
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, data, size);
    pix_sha256_finish(&hash, digest);
}

pix_status pix_sha256_file(int fd, uint8_t digest[PIX_SHA256_BYTES], pix_error *error) {
    enum { CHUNK = 256 * 1024 };
    uint8_t *chunk = malloc(CHUNK);
    if (!chunk)
        return pix_fail_memory(error);
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_status status = PIX_OK;
    for (off_t offset = 0;;) {
        ssize_t got = pread(fd, chunk, CHUNK, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = pix_fail_errno(error, "cannot read");
        if (got <= 0)
            break;
        pix_sha256_add(&hash, chunk, (size_t)got);
        offset += got;
    }
    pix_sha256_finish(&hash, digest);
    free(chunk);
    return status;
}
