#include "core/text/runes.h"

#include <stdlib.h>
#include <string.h>

void pix_runes_free(pix_runes *runes) {
    free(runes->data);
    *runes = (pix_runes){0};
}

pix_status pix_runes_reserve(pix_runes *runes, size_t extra) {
    uint32_t *data =
        pix_array_reserve(runes->data, &runes->capacity, runes->size, extra, sizeof *data);
    if (!data)
        return PIX_ENOMEM;
    runes->data = data;
    return PIX_OK;
}

pix_status pix_runes_append(pix_runes *runes, const uint32_t *data, size_t size) {
    if (pix_runes_reserve(runes, size))
        return PIX_ENOMEM;
    if (size > 0)
        memcpy(runes->data + runes->size, data, size * sizeof *data);
    runes->size += size;
    return PIX_OK;
}

void pix_runes_swap(pix_runes *a, pix_runes *b) {
    pix_runes kept = *a;
    *a = *b;
    *b = kept;
}

bool pix_runes_equal(const pix_runes *a, const pix_runes *b) {
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->data, b->data, a->size * sizeof *a->data) == 0);
}

pix_status pix_runes_append_utf8(pix_runes *runes, const char *text, size_t size) {
    if (pix_runes_reserve(runes, size))
        return PIX_ENOMEM;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        i += pix_utf8_read(text + i, size - i, &code);
        runes->data[runes->size++] = code == PIX_NOT_UTF8 ? PIX_REPLACEMENT : code;
    }
    return PIX_OK;
}

pix_status pix_runes_write_utf8(const uint32_t *data, size_t size, pix_bytes *out) {
    pix_status status = pix_bytes_reserve(out, size);
    for (size_t i = 0; i < size && !status; i++)
        status = pix_bytes_append_utf8(out, data[i]);
    return status;
}
