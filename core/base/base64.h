/* base64.h - bytes as text, RFC 4648 section 4, padded. */
#ifndef PIX_BASE_BASE64_H
#define PIX_BASE_BASE64_H

#include <stddef.h>
#include <stdio.h>

/* Write errors stay in the stream. */
void pix_base64_write(FILE *out, const void *data, size_t size);

#endif
