#include "core/base/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pix_bytes_free(pix_bytes *bytes) {
    free(bytes->data);
    *bytes = (pix_bytes){0};
}

void pix_bytes_clear(pix_bytes *bytes) {
    bytes->size = 0;
    if (bytes->data)
        bytes->data[0] = '\0';
}

void *pix_array_reserve(void *data, size_t *capacity, size_t count, size_t extra,
                        size_t item_size) {
    size_t need, bytes;
    if (!pix_size_add(count, extra, &need))
        return NULL;
    if (data && need <= *capacity)
        return data;
    size_t larger = *capacity + *capacity / 2;
    if (larger < need || larger == 0)
        larger = need < 32 ? 32 : need;
    if (!pix_size_multiply(larger, item_size, &bytes))
        return NULL;
    data = realloc(data, bytes);
    if (data)
        *capacity = larger;
    return data;
}

pix_status pix_bytes_reserve(pix_bytes *bytes, size_t extra) {
    size_t with_nul;
    if (!pix_size_add(extra, 1, &with_nul))
        return PIX_ENOMEM;
    char *data = pix_array_reserve(bytes->data, &bytes->capacity, bytes->size, with_nul, 1);
    if (!data)
        return PIX_ENOMEM;
    data[bytes->size] = '\0';
    bytes->data = data;
    return PIX_OK;
}

pix_status pix_bytes_append(pix_bytes *bytes, const void *data, size_t size) {
    if (pix_bytes_reserve(bytes, size))
        return PIX_ENOMEM;
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
    return PIX_OK;
}

pix_status pix_bytes_append_text(pix_bytes *bytes, const char *text) {
    return pix_bytes_append(bytes, text, strlen(text));
}

pix_status pix_bytes_append_utf8(pix_bytes *bytes, uint32_t c) {
    unsigned char out[4];
    size_t size;
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        size = 1;
    } else if (c < 0x800) {
        out[0] = (unsigned char)(0xC0 | c >> 6);
        out[1] = (unsigned char)(0x80 | (c & 0x3F));
        size = 2;
    } else if (c < 0x10000) {
        out[0] = (unsigned char)(0xE0 | c >> 12);
        out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (unsigned char)(0x80 | (c & 0x3F));
        size = 3;
    } else {
        out[0] = (unsigned char)(0xF0 | c >> 18);
        out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
        out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        out[3] = (unsigned char)(0x80 | (c & 0x3F));
        size = 4;
    }
    return pix_bytes_append(bytes, out, size);
}

static pix_status append_hex_escape(pix_bytes *bytes, unsigned char c) {
    char escape[5] = "\\x";
    pix_hex(&c, 1, escape + 2);
    return pix_bytes_append(bytes, escape, 4);
}

/* U+0080 to U+009F in UTF-8: terminals obey these like ESC and a letter. */
static bool is_c1_control(const char *text, size_t size) {
    return size >= 2 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xA0;
}

pix_status pix_bytes_append_escaped(pix_bytes *bytes, const char *text, size_t size) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < size && !status; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n')
            status = pix_bytes_append(bytes, "\\n", 2);
        else if (c == '\t')
            status = pix_bytes_append(bytes, "\\t", 2);
        else if (c == '\\')
            status = pix_bytes_append(bytes, "\\\\", 2);
        else if (c < 0x20 || c == 0x7F)
            status = append_hex_escape(bytes, c);
        else if (is_c1_control(text + i, size - i)) {
            status = append_hex_escape(bytes, c);
            if (!status)
                status = append_hex_escape(bytes, (unsigned char)text[++i]);
        } else
            status = pix_bytes_append(bytes, &text[i], 1);
    }
    return status;
}

/* The second byte of E0, ED, F0 and F4 has a narrower range than 80..BF (Unicode 15, table 3-7). */
size_t pix_utf8_read(const char *text, size_t size, uint32_t *code) {
    const unsigned char *p = (const unsigned char *)text;
    unsigned char lead = p[0];
    *code = lead;
    if (lead < 0x80)
        return 1;
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    *code = PIX_NOT_UTF8;
    if (lead < 0xC2 || lead > 0xF4)
        return 1;
    uint32_t value = lead & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if (i >= size || p[i] < low || p[i] > high)
            return i;
        value = value << 6 | (p[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code = value;
    return length;
}

bool pix_is_utf8(const char *text, size_t size) {
    uint32_t code = 0;
    for (size_t i = 0; i < size && code != PIX_NOT_UTF8;)
        i += pix_utf8_read(text + i, size - i, &code);
    return code != PIX_NOT_UTF8;
}

bool pix_size_multiply(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool pix_size_add(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

void pix_hex(const uint8_t *data, size_t size, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * size] = '\0';
}

int pix_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *pix_format_count(int64_t count, char out[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, count);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && digits[i - 1] != '-' && (length - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

pix_status pix_parse_integer(const char *text, int64_t low, int64_t high, int64_t *out) {
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return PIX_EINVALID;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno || value < low || value > high)
        return PIX_EINVALID;
    *out = value;
    return PIX_OK;
}
