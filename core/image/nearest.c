#include "core/image/nearest.h"

#include <stdlib.h>
#include <string.h>

struct pix_nearest {
    int *columns, *lines; /* the input sample of each wanted one */
    int columns_count, lines_count;
    size_t pixel_bytes;
    uint8_t *out;
    int row, done;
};

/* Pillow adds the step up instead of multiplying, and the sum's rounding decides ties. */
static int *sources(const pix_axis *axis) {
    int *out = calloc((size_t)axis->count, sizeof *out);
    if (!out)
        return NULL;
    double step = (double)axis->extent / (double)axis->output;
    double at = 0.0 + step * 0.5;
    for (int64_t i = 0; i < axis->first + axis->count; i++, at += step)
        if (i >= axis->first)
            out[i - axis->first] = at < axis->input ? (int)at : axis->input - 1;
    return out;
}

pix_status pix_nearest_new(const pix_axis *x, const pix_axis *y, size_t pixel_bytes, uint8_t *out,
                           pix_nearest **nearest, pix_error *error) {
    *nearest = NULL;
    pix_nearest *n = calloc(1, sizeof *n);
    if (!n)
        return pix_fail_memory(error);
    *n = (pix_nearest){.columns = sources(x),
                       .lines = sources(y),
                       .columns_count = x->count,
                       .lines_count = y->count,
                       .pixel_bytes = pixel_bytes,
                       .out = out};
    if (!n->columns || !n->lines) {
        pix_nearest_free(n);
        return pix_fail_memory(error);
    }
    *nearest = n;
    return PIX_OK;
}

void pix_nearest_free(pix_nearest *n) {
    if (!n)
        return;
    free(n->columns);
    free(n->lines);
    free(n);
}

void pix_nearest_row(pix_nearest *n, const uint8_t *row) {
    for (int now = n->row++; n->done < n->lines_count && n->lines[n->done] == now; n->done++) {
        uint8_t *to = n->out + (size_t)n->done * (size_t)n->columns_count * n->pixel_bytes;
        for (int i = 0; i < n->columns_count; i++, to += n->pixel_bytes)
            memcpy(to, row + (size_t)n->columns[i] * n->pixel_bytes, n->pixel_bytes);
    }
}
