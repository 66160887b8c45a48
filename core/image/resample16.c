#include "core/image/resample16.h"

#include <math.h>
#include <stdlib.h>

#include "core/image/kernel.h"

struct pix_resampler16 {
    pix_kernel x, y;
    int columns, lines;
    int32_t *ring; /* [y.stride, columns] */
    int row, done;
    uint8_t *out;
};

pix_status pix_resampler16_new(const pix_axis *x, const pix_axis *y, uint8_t *out,
                               pix_resampler16 **resampler, pix_error *error) {
    *resampler = NULL;
    pix_resampler16 *r = calloc(1, sizeof *r);
    if (!r)
        return pix_fail_memory(error);
    r->columns = x->count;
    r->lines = y->count;
    r->out = out;
    pix_status status = pix_kernel_make(x, &r->x, error);
    if (!status)
        status = pix_kernel_make(y, &r->y, error);
    if (!status) {
        r->ring = calloc((size_t)r->y.stride * (size_t)r->columns, sizeof *r->ring);
        if (!r->ring)
            status = pix_fail_memory(error);
    }
    if (status)
        pix_resampler16_free(r);
    else
        *resampler = r;
    return status;
}

void pix_resampler16_free(pix_resampler16 *r) {
    if (!r)
        return;
    pix_kernel_free(&r->x);
    pix_kernel_free(&r->y);
    free(r->ring);
    free(r);
}

/* Half away from zero. */
static int32_t whole(double sum) {
    return (int32_t)(sum >= 0.0 ? floor(sum + 0.5) : -floor(fabs(sum) + 0.5));
}

static int32_t *ring_row(const pix_resampler16 *r, int row) {
    return r->ring + (size_t)(row % r->y.stride) * (size_t)r->columns;
}

static void squeeze(const pix_resampler16 *r, const uint16_t *row, int32_t *to) {
    for (int i = 0; i < r->columns; i++) {
        const double *weights = r->x.weights + (size_t)i * (size_t)r->x.stride;
        double sum = 0.0;
        for (int tap = 0; tap < r->x.taps[i]; tap++)
            sum += row[r->x.starts[i] + tap] * weights[tap];
        to[i] = whole(sum);
    }
}

static void write_line(const pix_resampler16 *r, int line) {
    const double *weights = r->y.weights + (size_t)line * (size_t)r->y.stride;
    uint8_t *to = r->out + (size_t)line * (size_t)r->columns;
    for (int i = 0; i < r->columns; i++) {
        double sum = 0.0;
        for (int tap = 0; tap < r->y.taps[line]; tap++)
            sum += ring_row(r, r->y.starts[line] + tap)[i] * weights[tap];
        int32_t value = whole(sum);
        to[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

void pix_resampler16_row(pix_resampler16 *r, const uint16_t *row) {
    if (r->done == r->lines)
        return;
    int now = r->row++;
    if (now < r->y.starts[r->done])
        return;
    squeeze(r, row, ring_row(r, now));
    while (r->done < r->lines && r->y.starts[r->done] + r->y.taps[r->done] <= now + 1)
        write_line(r, r->done++);
}
