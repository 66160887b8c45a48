#include "indexer/json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

static pix_status append_base64(pix_bytes *out, const uint8_t *in, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    pix_status status = PIX_OK;
    for (size_t i = 0; i < size && !status; i += 3) {
        uint32_t bits = (uint32_t)in[i] << 16;
        if (i + 1 < size)
            bits |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < size)
            bits |= in[i + 2];
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        i + 1 < size ? digits[bits >> 6 & 63] : '=',
                        i + 2 < size ? digits[bits & 63] : '='};
        status = pix_bytes_append(out, four, 4);
    }
    return status;
}

void pix_json_set_path(json_t *object, const char *key, const char *path) {
    size_t size = strlen(path);
    if (pix_is_utf8(path, size)) {
        (void)json_object_set_new(object, key, json_string(path));
        return;
    }
    pix_bytes name = {0}, value = {0};
    if (pix_bytes_append_text(&name, key) == PIX_OK &&
        pix_bytes_append_text(&name, "_base64") == PIX_OK &&
        append_base64(&value, (const uint8_t *)path, size) == PIX_OK)
        (void)json_object_set_new(object, name.data, json_string(value.data));
    pix_bytes_free(&name);
    pix_bytes_free(&value);
}

void pix_json_print(json_t *object) {
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}
