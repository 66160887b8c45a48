#include "core/base/json.h"

#include <math.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/bytes.h"

static void put(FILE *out, const char *text) {
    (void)fputs(text, out);
}

/* Length of the longest prefix that needs neither an escape nor a replacement. */
static size_t plain_length(const char *text, size_t size) {
    size_t length = 0;
    while (length < size && (unsigned char)text[length] >= 0x20 && text[length] != '"' &&
           text[length] != '\\' && (unsigned char)text[length] < 0x7F)
        length++;
    return length;
}

void pix_json_string(FILE *out, const char *text, size_t size) {
    put(out, "\"");
    for (size_t i = 0; i < size;) {
        size_t plain = plain_length(text + i, size - i);
        (void)fwrite(text + i, 1, plain, out);
        i += plain;
        if (i == size)
            break;
        uint32_t code;
        size_t length = pix_utf8_read(text + i, size - i, &code);
        if (code == '"' || code == '\\')
            (void)fprintf(out, "\\%c", (int)code);
        else if (code == '\n')
            put(out, "\\n");
        else if (code == '\t')
            put(out, "\\t");
        else if (code < 0xA0)
            (void)fprintf(out, "\\u%04x", (unsigned)code);
        else if (code == PIX_NOT_UTF8)
            put(out, "\\ufffd");
        else
            (void)fwrite(text + i, 1, length, out);
        i += code == PIX_NOT_UTF8 ? 1 : length;
    }
    put(out, "\"");
}

void pix_json_text(FILE *out, const char *text) {
    if (text)
        pix_json_string(out, text, strlen(text));
    else
        (void)fputs("null", out);
}

void pix_json_bytes(FILE *out, const char *key, const char *bytes, size_t size) {
    if (pix_is_utf8(bytes, size)) {
        (void)fprintf(out, "\"%s\":", key);
        pix_json_string(out, bytes, size);
        return;
    }
    (void)fprintf(out, "\"%s_base64\":\"", key);
    pix_base64_write(out, bytes, size);
    put(out, "\"");
}

void pix_json_number(FILE *out, double value) {
    if (isfinite(value))
        (void)fprintf(out, "%.9g", value);
    else
        put(out, "null");
}

void pix_json_vector(FILE *out, const float *vector, size_t size) {
    for (size_t i = 0; i < size; i++) {
        put(out, i == 0 ? "[" : ",");
        pix_json_number(out, (double)vector[i]);
    }
    put(out, size == 0 ? "[]" : "]");
}

void pix_json_ids(FILE *out, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, i == 0 ? "[%d" : ",%d", ids[i]);
    put(out, count == 0 ? "[]" : "]");
}

size_t pix_json_most_values(const void *text, size_t size) {
    const char *bytes = text;
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += bytes[i] == ',' || bytes[i] == '[' || bytes[i] == '{';
    return count;
}
