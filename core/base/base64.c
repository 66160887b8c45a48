#include "core/base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pix_base64_write(FILE *out, const void *data, size_t size) {
    const unsigned char *bytes = data;
    char text[1024];
    size_t length = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)bytes[i] << 16;
        if (left > 1)
            group |= (unsigned)bytes[i + 1] << 8;
        if (left > 2)
            group |= bytes[i + 2];
        text[length++] = digits[group >> 18];
        text[length++] = digits[group >> 12 & 63];
        text[length++] = left < 2 ? '=' : digits[group >> 6 & 63];
        text[length++] = left < 3 ? '=' : digits[group & 63];
        if (length == sizeof text) {
            (void)fwrite(text, 1, length, out);
            length = 0;
        }
    }
    (void)fwrite(text, 1, length, out);
}

pix_status pix_base64_read(const char *text, size_t size, pix_bytes *out) {
    while (size > 0 && text[size - 1] == '=')
        size--;
    pix_bytes_clear(out);
    if (pix_bytes_reserve(out, size / 4 * 3 + 3))
        return PIX_ENOMEM;
    short values[256]; /* of characters: branches on them would be guessed wrong */
    memset(values, -1, sizeof values);
    for (short i = 0; i < 64; i++)
        values[(unsigned char)digits[i]] = i;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < size; i++) {
        int digit = values[(unsigned char)text[i]];
        if (digit < 0)
            return PIX_EFORMAT;
        bits = bits << 6 | (uint32_t)digit;
        if ((count += 6) < 8)
            continue;
        count -= 8;
        out->data[out->size++] = (char)(bits >> count & 0xFF);
    }
    out->data[out->size] = '\0';
    return PIX_OK;
}
