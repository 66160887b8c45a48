/* Two passes as in Pillow: every row is squeezed horizontally to bytes, kept in a ring as long as
 * some row of the result still needs it, and the ring is blended vertically. */
#include "core/image/resample.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/image/kernel.h"

typedef struct lines {
    int *starts, *taps;
    int32_t *weights;
    int stride;
} lines;

struct pix_resampler {
    const pix_loops *loops;
    size_t channels, input; /* of a row */
    int rows_out;
    size_t samples_out; /* of a row */
    pix_windows x;
    int whole; /* so many windows, the first, read nothing behind the row */
    lines y;
    uint8_t *tail; /* a row's end, where it is in the row, and padding behind it */
    uint8_t *ring; /* [y.stride, ring_stride] */
    size_t ring_stride;
    const uint8_t **rows; /* [y.stride] of the ring that a line is made of */
    uint8_t *line;        /* a row of the result and padding */
    int row;              /* the next input row */
    int done;             /* rows of the result that are written */
    uint8_t *out;
};

/* Half away from zero, as Pillow. */
static int32_t fixed(double weight) {
    double scaled = weight * (1 << PIX_PRECISION);
    return (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

static size_t round_up(size_t value, size_t step) {
    return (value + step - 1) / step * step;
}

static void pack_window(const pix_loops *loops, const double *weights, int taps, uint8_t *packed) {
    int32_t group[PIX_GROUP_LIMIT];
    for (int from = 0; from < taps; from += loops->taps, packed += loops->group_size) {
        for (int i = 0; i < loops->taps; i++)
            group[i] = from + i < taps ? fixed(weights[from + i]) : 0;
        loops->pack(group, packed);
    }
}

static pix_status make_windows(const pix_loops *loops, const pix_axis *axis, int channels,
                               pix_windows *out, pix_error *error) {
    pix_kernel kernel;
    pix_status status = pix_kernel_make(axis, &kernel, error);
    if (status)
        return status;
    size_t count = (size_t)axis->count, total;
    size_t stride = round_up((size_t)kernel.stride, (size_t)loops->taps) / (size_t)loops->taps *
                    loops->group_size;
    *out = (pix_windows){.channels = channels,
                         .count = axis->count,
                         .starts = kernel.starts,
                         .groups = kernel.taps,
                         .stride = stride};
    out->packed = pix_size_multiply(count, stride, &total) ? malloc(total) : NULL;
    for (size_t i = 0; i < count && out->packed; i++) {
        pack_window(loops, kernel.weights + i * (size_t)kernel.stride, kernel.taps[i],
                    out->packed + i * stride);
        out->groups[i] = (kernel.taps[i] + loops->taps - 1) / loops->taps;
    }
    kernel.starts = kernel.taps = NULL;
    pix_kernel_free(&kernel);
    return out->packed ? PIX_OK : pix_fail_memory(error);
}

static pix_status make_lines(const pix_axis *axis, lines *out, pix_error *error) {
    pix_kernel kernel;
    pix_status status = pix_kernel_make(axis, &kernel, error);
    if (status)
        return status;
    size_t total = (size_t)axis->count * (size_t)kernel.stride;
    out->stride = kernel.stride;
    out->starts = kernel.starts;
    out->taps = kernel.taps;
    out->weights = calloc(total, sizeof *out->weights);
    for (size_t i = 0; i < total && out->weights; i++)
        out->weights[i] = fixed(kernel.weights[i]);
    kernel.starts = kernel.taps = NULL;
    pix_kernel_free(&kernel);
    return out->weights ? PIX_OK : pix_fail_memory(error);
}

/* How many windows, from the first, are read without going behind the row. */
static int count_whole(const pix_loops *loops, const pix_windows *x, size_t row_size) {
    size_t channels = (size_t)x->channels, taps = (size_t)loops->taps;
    size_t reach = loops->reach > taps * channels ? loops->reach : taps * channels;
    for (int i = 0; i < x->count; i++) {
        size_t last = (size_t)x->starts[i] + ((size_t)x->groups[i] - 1) * taps;
        if (last * channels + reach > row_size)
            return i;
    }
    return x->count;
}

pix_status pix_resampler_new(const pix_loops *loops, const pix_axis *x, const pix_axis *y,
                             int channels, uint8_t *out, pix_resampler **resampler,
                             pix_error *error) {
    *resampler = NULL;
    pix_resampler *r = calloc(1, sizeof *r);
    if (!r)
        return pix_fail_memory(error);
    r->loops = loops;
    r->channels = (size_t)channels;
    r->input = (size_t)x->input;
    r->rows_out = y->count;
    r->samples_out = (size_t)x->count * (size_t)channels;
    r->ring_stride = round_up(r->samples_out, PIX_LOOP_PADDING) + PIX_LOOP_PADDING;
    r->out = out;
    pix_status status = make_windows(loops, x, channels, &r->x, error);
    if (!status)
        status = make_lines(y, &r->y, error);
    if (!status) {
        r->whole = count_whole(loops, &r->x, r->input * r->channels);
        r->tail = calloc(1, r->input * r->channels + PIX_LOOP_PADDING);
        r->ring = calloc((size_t)r->y.stride, r->ring_stride);
        r->rows = calloc((size_t)r->y.stride, sizeof *r->rows);
        r->line = calloc(1, r->ring_stride);
        if (!r->tail || !r->ring || !r->rows || !r->line)
            status = pix_fail_memory(error);
    }
    if (status)
        pix_resampler_free(r);
    else
        *resampler = r;
    return status;
}

void pix_resampler_free(pix_resampler *r) {
    if (!r)
        return;
    free(r->x.starts);
    free(r->x.groups);
    free(r->x.packed);
    free(r->y.starts);
    free(r->y.taps);
    free(r->y.weights);
    free(r->tail);
    free(r->ring);
    free(r->rows);
    free(r->line);
    free(r);
}

pix_box pix_resampler_needs(const pix_resampler *r) {
    pix_box box = {.left = r->x.starts[0], .top = r->y.starts[0]};
    int input = (int)r->input;
    for (int i = 0; i < r->x.count; i++) {
        int right = r->x.starts[i] + r->x.groups[i] * r->loops->taps;
        box.right = right > box.right ? right : box.right;
    }
    box.right = box.right < input ? box.right : input;
    for (int i = 0; i < r->rows_out; i++) {
        int bottom = r->y.starts[i] + r->y.taps[i];
        box.bottom = bottom > box.bottom ? bottom : box.bottom;
    }
    return box;
}

void pix_resampler_skip(pix_resampler *r, int rows) {
    r->row += rows;
}

static uint8_t *ring_row(const pix_resampler *r, int row) {
    return r->ring + (size_t)(row % r->y.stride) * r->ring_stride;
}

static void squeeze(const pix_resampler *r, const uint8_t *row, uint8_t *to) {
    const pix_windows *x = &r->x;
    r->loops->squeeze(x, 0, r->whole, row, to);
    if (r->whole == x->count)
        return;
    size_t start = (size_t)x->starts[r->whole] * r->channels;
    memcpy(r->tail + start, row + start, r->input * r->channels - start);
    r->loops->squeeze(x, r->whole, x->count, r->tail, to);
}

static void write_line(const pix_resampler *r, int line) {
    int taps = r->y.taps[line];
    for (int tap = 0; tap < taps; tap++)
        r->rows[tap] = ring_row(r, r->y.starts[line] + tap);
    r->loops->blend(r->rows, r->y.weights + (size_t)line * (size_t)r->y.stride, taps,
                    r->samples_out, r->line);
    memcpy(r->out + (size_t)line * r->samples_out, r->line, r->samples_out);
}

void pix_resampler_row(pix_resampler *r, const uint8_t *row) {
    if (r->done == r->rows_out)
        return;
    int now = r->row++;
    if (now < r->y.starts[r->done])
        return;
    squeeze(r, row, ring_row(r, now));
    while (r->done < r->rows_out && r->y.starts[r->done] + r->y.taps[r->done] <= now + 1)
        write_line(r, r->done++);
}
