/* bytes.h - a growable byte buffer, and the few things done to bytes everywhere.
 *
 * A zeroed pix_bytes is a valid empty buffer.  Data is always followed by a NUL that `size` does
 * not count.  Not thread-safe. */
#ifndef PIX_BASE_BYTES_H
#define PIX_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_bytes {
    char *data;
    size_t size;
    size_t capacity;
} pix_bytes;

void pix_bytes_free(pix_bytes *bytes);
void pix_bytes_clear(pix_bytes *bytes); /* keeps the memory */

/* Room for `extra` more bytes after `size`. */
pix_status pix_bytes_reserve(pix_bytes *bytes, size_t extra);
pix_status pix_bytes_append(pix_bytes *bytes, const void *data, size_t size);
pix_status pix_bytes_append_text(pix_bytes *bytes, const char *text);

/* `code_point` as UTF-8; surrogates are written as three bytes, like any other value below 0x10000.
 */
pix_status pix_bytes_append_utf8(pix_bytes *bytes, uint32_t code_point);

/* Appends `text`, control bytes, the UTF-8 of U+0080 to U+009F and backslash as \n, \t, \\ or \xHH:
 * what a terminal or a line-based script may see of a path.  Other bytes pass unchanged. */
pix_status pix_bytes_append_escaped(pix_bytes *bytes, const char *text, size_t size);

/* Reads one code point at `text` (size > 0) and returns how many bytes it takes.  Where the bytes
 * are not UTF-8 (RFC 3629: no overlong forms, no surrogates), *code becomes PIX_NOT_UTF8 and the
 * length is that of the maximal subpart (Unicode 15, D93b). */
#define PIX_NOT_UTF8 UINT32_MAX
size_t pix_utf8_read(const char *text, size_t size, uint32_t *code);

bool pix_is_utf8(const char *text, size_t size);

/* An array that grows: room for `extra` more items of `item_size` bytes after the first `count`.
 * Returns `data` or what it has become, never NULL unless memory is out; then nothing changed. */
void *pix_array_reserve(void *data, size_t *capacity, size_t count, size_t extra, size_t item_size);

/* a * b and a + b into *out; false on overflow. */
bool pix_size_multiply(size_t a, size_t b, size_t *out);
bool pix_size_add(size_t a, size_t b, size_t *out);

/* Lower-case hexadecimal of `size` bytes; `out` holds 2 * size + 1. */
void pix_hex(const uint8_t *data, size_t size, char *out);

/* The value of a hexadecimal digit of either case, -1 for anything else. */
int pix_hex_digit(char c);

/* 1234567 as "1,234,567", in `out`, which is returned. */
const char *pix_format_count(int64_t count, char out[32]);

/* The whole of `text` as a decimal number in [low, high]; anything else is PIX_EINVALID. */
pix_status pix_parse_integer(const char *text, int64_t low, int64_t high, int64_t *out);

#endif
