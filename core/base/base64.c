#include "core/base/base64.h"

void pix_base64_write(FILE *out, const void *data, size_t size) {
    const unsigned char *bytes = data;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)bytes[i] << 16;
        if (left > 1)
            group |= (unsigned)bytes[i + 1] << 8;
        if (left > 2)
            group |= bytes[i + 2];
        char four[5] = {digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63],
                        digits[group & 63], '\0'};
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        (void)fputs(four, out);
    }
}
