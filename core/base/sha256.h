/* sha256.h - SHA-256 (FIPS 180-4), the one hash of the project: photos, checkpoints, .pixm files.
 *
 * Nettle does the work, with the CPU's own instructions where it has them. */
#ifndef PIX_BASE_SHA256_H
#define PIX_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

#include "core/base/error.h"

enum { PIX_SHA256_BYTES = 32, PIX_SHA256_HEX = 65 };

typedef struct pix_sha256 {
    struct sha256_ctx context;
} pix_sha256;

void pix_sha256_init(pix_sha256 *hash);
void pix_sha256_add(pix_sha256 *hash, const void *data, size_t size);
void pix_sha256_finish(pix_sha256 *hash, uint8_t digest[PIX_SHA256_BYTES]);

/* The digest of one piece. */
void pix_sha256_of(const void *data, size_t size, uint8_t digest[PIX_SHA256_BYTES]);

/* The digest of everything from the start of `fd` to its end, by pread: the file offset stays. */
pix_status pix_sha256_file(int fd, uint8_t digest[PIX_SHA256_BYTES], pix_error *error);

#endif
