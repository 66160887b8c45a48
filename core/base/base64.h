/* base64.h - bytes as text, RFC 4648 section 4, padded. */
#ifndef PIX_BASE_BASE64_H
#define PIX_BASE_BASE64_H

#include <stdio.h>

#include "core/base/bytes.h"

/* Write errors stay in the stream. */
void pix_base64_write(FILE *out, const void *data, size_t size);

/* Replaces *out by the bytes of `text`, which may lack its padding; PIX_EFORMAT when it is none. */
pix_status pix_base64_read(const char *text, size_t size, pix_bytes *out);

#endif
