/* gzip.h - gzip and raw deflate in memory, bounded. */
#ifndef PIX_BASE_GZIP_H
#define PIX_BASE_GZIP_H

#include "core/base/bytes.h"

/* True when `data` begins like a gzip member. */
bool pix_gzip_looks_like(const void *data, size_t size);

/* Appends the decompressed bytes of every member; more than `limit` of them is PIX_ELIMIT. */
pix_status pix_gzip_expand(const void *data, size_t size, size_t limit, pix_bytes *out,
                           pix_error *error);

/* Appends raw deflate data that must expand to exactly `expanded_size` bytes of that CRC-32, as a
 * zip member's does; anything else is PIX_EFORMAT. */
pix_status pix_deflate_expand(const void *data, size_t size, size_t expanded_size, uint32_t crc,
                              pix_bytes *out, pix_error *error);

#endif
