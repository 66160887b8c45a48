/* gzip.h - gzip in memory, bounded. */
#ifndef PIX_BASE_GZIP_H
#define PIX_BASE_GZIP_H

#include "core/base/bytes.h"

/* True when `data` begins like a gzip member. */
bool pix_gzip_looks_like(const void *data, size_t size);

/* Appends the decompressed bytes of every member; more than `limit` of them is PIX_ELIMIT. */
pix_status pix_gzip_expand(const void *data, size_t size, size_t limit, pix_bytes *out,
                           pix_error *error);

#endif
