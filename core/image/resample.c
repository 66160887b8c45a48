/* Two passes as in Pillow: every row is squeezed horizontally to bytes, kept in a ring as long as
 * some row of the result still needs it, and the ring is summed vertically.  Weights are integers
 * with 22 fractional bits.  The horizontal pass runs over planes of 16-bit samples and splits each
 * weight into two halves of 11 bits, w = high * 2^11 + low: 16 x 16 -> 32 bit dot products are what
 * every CPU since SSE2 is good at, and the sum is the same integer. */
#include "core/image/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/image/kernel.h"

enum {
    PRECISION = 22, /* Pillow's PRECISION_BITS: 32 - 8 bits of a sample - 2 of headroom */
    HALF = 11,
    LANES = 16,  /* inner loops have this fixed length so that compilers vectorise them */
    CHUNK = 1024 /* taps summed in 32 bits before a half-weight sum could overflow */
};

typedef struct columns {
    int *starts; /* first input sample of each window */
    int *blocks; /* length of the window in units of LANES */
    int16_t *low, *high;
    size_t stride;
    int first, last; /* input samples that any window reads */
} columns;

typedef struct lines {
    int *starts, *taps;
    int32_t *weights;
    int stride;
} lines;

struct pix_resampler {
    int channels, rows_in, rows_out;
    size_t pixels_out;  /* of a row */
    size_t samples_out; /* pixels_out * channels, and of the ring's rows rounded up to LANES */
    size_t ring_stride;
    columns x;
    lines y;
    int16_t *planes; /* [channels, plane_stride] of the current row */
    size_t plane_stride;
    uint8_t *ring; /* [y.stride, ring_stride] */
    int row;       /* the next input row */
    int done;      /* rows of the result that are written */
    uint8_t *out;
};

/* Half away from zero, as Pillow. */
static int32_t fixed(double weight) {
    double scaled = weight * (1 << PRECISION);
    return (int32_t)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

static uint8_t clip(int32_t sum) {
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static pix_status make_columns(const pix_axis *axis, columns *out, pix_error *error) {
    pix_kernel kernel;
    pix_status status = pix_kernel_make(axis, &kernel, error);
    if (status)
        return status;
    size_t count = (size_t)axis->count;
    size_t total;
    out->stride = ((size_t)kernel.stride + LANES - 1) / LANES * LANES;
    out->starts = kernel.starts;
    out->blocks = kernel.taps;
    bool fits = pix_size_multiply(count, out->stride, &total);
    out->low = fits ? calloc(total, sizeof *out->low) : NULL;
    out->high = fits ? calloc(total, sizeof *out->high) : NULL;
    out->first = axis->input;
    for (size_t i = 0; i < count && out->low && out->high; i++) {
        int taps = kernel.taps[i];
        for (size_t j = 0; j < (size_t)taps; j++) {
            int32_t weight = fixed(kernel.weights[i * (size_t)kernel.stride + j]);
            out->high[i * out->stride + j] = (int16_t)(weight >> HALF);
            out->low[i * out->stride + j] = (int16_t)(weight & ((1 << HALF) - 1));
        }
        if (kernel.starts[i] < out->first)
            out->first = kernel.starts[i];
        if (kernel.starts[i] + taps > out->last)
            out->last = kernel.starts[i] + taps;
        out->blocks[i] = (taps + LANES - 1) / LANES;
    }
    kernel.starts = kernel.taps = NULL;
    pix_kernel_free(&kernel);
    return out->low && out->high ? PIX_OK : pix_fail_memory(error);
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

pix_status pix_resampler_new(const pix_axis *x, const pix_axis *y, int channels, uint8_t *out,
                             pix_resampler **resampler, pix_error *error) {
    *resampler = NULL;
    pix_resampler *r = calloc(1, sizeof *r);
    if (!r)
        return pix_fail_memory(error);
    r->channels = channels;
    r->rows_in = y->input;
    r->rows_out = y->count;
    r->pixels_out = (size_t)x->count;
    r->samples_out = (size_t)x->count * (size_t)channels;
    r->ring_stride = (r->samples_out + LANES - 1) / LANES * LANES;
    r->plane_stride = (size_t)x->input + LANES;
    r->out = out;
    pix_status status = make_columns(x, &r->x, error);
    if (!status)
        status = make_lines(y, &r->y, error);
    if (!status) {
        r->planes = calloc((size_t)channels * r->plane_stride, sizeof *r->planes);
        r->ring = calloc((size_t)r->y.stride, r->ring_stride);
        if (!r->planes || !r->ring)
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
    free(r->x.blocks);
    free(r->x.low);
    free(r->x.high);
    free(r->y.starts);
    free(r->y.taps);
    free(r->y.weights);
    free(r->planes);
    free(r->ring);
    free(r);
}

static void split(const pix_resampler *r, const uint8_t *row) {
    size_t channels = (size_t)r->channels;
    for (size_t c = 0; c < channels; c++) {
        int16_t *plane = r->planes + c * r->plane_stride;
        for (size_t i = (size_t)r->x.first; i < (size_t)r->x.last; i++)
            plane[i] = row[i * channels + c];
    }
}

static int32_t dot(const int16_t *a, const int16_t *b, int blocks) {
    int32_t sum = 0;
    for (int block = 0; block < blocks; block++, a += LANES, b += LANES)
        for (int i = 0; i < LANES; i++)
            sum += a[i] * b[i];
    return sum;
}

/* Unsigned sums wrap, so the parts may pass through any value on the way to one that fits. */
static int32_t weighted(const int16_t *samples, const int16_t *low, const int16_t *high,
                        int blocks) {
    uint32_t sum = 1U << (PRECISION - 1);
    while (blocks > 0) {
        int some = blocks < CHUNK / LANES ? blocks : CHUNK / LANES;
        sum += (uint32_t)dot(samples, low, some) + ((uint32_t)dot(samples, high, some) << HALF);
        samples += CHUNK;
        low += CHUNK;
        high += CHUNK;
        blocks -= some;
    }
    return (int32_t)sum;
}

static void squeeze(const pix_resampler *r, uint8_t *to) {
    size_t channels = (size_t)r->channels;
    for (size_t i = 0; i < r->pixels_out; i++) {
        const int16_t *low = r->x.low + i * r->x.stride;
        const int16_t *high = r->x.high + i * r->x.stride;
        for (size_t c = 0; c < channels; c++) {
            const int16_t *samples = r->planes + c * r->plane_stride + r->x.starts[i];
            to[i * channels + c] = clip(weighted(samples, low, high, r->x.blocks[i]));
        }
    }
}

/* LANES samples of result row `line`, starting at sample `from`. */
static void add_lines(const pix_resampler *r, int line, size_t from, uint8_t to[LANES]) {
    const int32_t *weights = r->y.weights + (size_t)line * (size_t)r->y.stride;
    int32_t sums[LANES];
    for (int i = 0; i < LANES; i++)
        sums[i] = 1 << (PRECISION - 1);
    for (int tap = 0; tap < r->y.taps[line]; tap++) {
        size_t slot = (size_t)((r->y.starts[line] + tap) % r->y.stride);
        const uint8_t *samples = r->ring + slot * r->ring_stride + from;
        for (int i = 0; i < LANES; i++)
            sums[i] += weights[tap] * samples[i];
    }
    for (int i = 0; i < LANES; i++)
        to[i] = clip(sums[i]);
}

static void write_line(const pix_resampler *r, int line) {
    uint8_t *to = r->out + (size_t)line * r->samples_out;
    uint8_t some[LANES];
    for (size_t from = 0; from < r->samples_out; from += LANES) {
        size_t left = r->samples_out - from;
        add_lines(r, line, from, some);
        memcpy(to + from, some, left < LANES ? left : LANES);
    }
}

void pix_resampler_row(pix_resampler *r, const uint8_t *row) {
    if (r->done == r->rows_out)
        return;
    int now = r->row++;
    if (now < r->y.starts[r->done])
        return;
    split(r, row);
    squeeze(r, r->ring + (size_t)(now % r->y.stride) * r->ring_stride);
    while (r->done < r->rows_out && r->y.starts[r->done] + r->y.taps[r->done] <= now + 1)
        write_line(r, r->done++);
}
