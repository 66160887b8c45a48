/* json.h - JSON as both programs write it: straight to a stream, in a fixed order of keys.
 *
 * What is written is always valid JSON in UTF-8.  Write errors stay in the stream, where the
 * program looks before it ends.  Any thread, each its own stream. */
#ifndef PIX_BASE_JSON_H
#define PIX_BASE_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "text" in quotes; bytes that are not UTF-8 become U+FFFD, one for each byte, and control
 * characters are escaped, those of Latin-1 (U+0080 to U+009F) too: a terminal obeys them. */
void pix_json_string(FILE *out, const char *text, size_t size);

/* As above, a string that ends in NUL; null for NULL. */
void pix_json_text(FILE *out, const char *text);

/* A path: "KEY":"bytes", or "KEY_base64":"..." (RFC 4648, padded) when the bytes are not UTF-8. */
void pix_json_bytes(FILE *out, const char *key, const char *bytes, size_t size);

/* 9 significant digits, enough to read a float32 back unchanged; null for what JSON has no number
 * for. */
void pix_json_number(FILE *out, double value);

/* [v0,v1,...] */
void pix_json_vector(FILE *out, const float *vector, size_t size);
void pix_json_ids(FILE *out, const int32_t *ids, size_t count);

/* At least as many as a JSON text has values beside its outermost, known before it is parsed: an
 * empty object takes three bytes of a file and some 230 of memory. */
size_t pix_json_most_values(const void *text, size_t size);

#endif
