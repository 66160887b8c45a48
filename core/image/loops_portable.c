#include <string.h>

#include "core/image/loops.h"

static bool supported(void) {
    return true;
}

static void pack(const int32_t *weights, uint8_t *group) {
    memcpy(group, weights, sizeof *weights);
}

/* The compiler makes a loop of its own for each constant number of channels. */
static inline void squeeze_channels(const pix_windows *w, int from, int to, const uint8_t *row,
                                    uint8_t *out, size_t channels) {
    for (int i = from; i < to; i++) {
        const uint8_t *samples = row + (size_t)w->starts[i] * channels;
        const void *packed = w->packed + (size_t)i * w->stride;
        const uint32_t *weights = packed;
        uint32_t half = 1U << (PIX_PRECISION - 1);
        uint32_t a = half, b = half, c = half, d = half;
        for (int tap = 0; tap < w->groups[i]; tap++) {
            const uint8_t *pixel = samples + (size_t)tap * channels;
            a += weights[tap] * pixel[0];
            if (channels > 1)
                b += weights[tap] * pixel[1];
            if (channels > 2)
                c += weights[tap] * pixel[2];
            if (channels > 3)
                d += weights[tap] * pixel[3];
        }
        const uint32_t sums[4] = {a, b, c, d};
        for (size_t k = 0; k < channels; k++)
            out[(size_t)i * channels + k] = pix_clip(sums[k]);
    }
}

static void squeeze(const pix_windows *w, int from, int to, const uint8_t *row, uint8_t *out) {
    switch (w->channels) {
    case 1:
        squeeze_channels(w, from, to, row, out, 1);
        break;
    case 2:
        squeeze_channels(w, from, to, row, out, 2);
        break;
    case 3:
        squeeze_channels(w, from, to, row, out, 3);
        break;
    default:
        squeeze_channels(w, from, to, row, out, 4);
    }
}

/* A fixed number of sums at a time, so that compilers vectorise the loops. */
static void blend(const uint8_t *const *rows, const int32_t *weights, int taps, size_t count,
                  uint8_t *out) {
    enum { LANES = 16 };
    for (size_t from = 0; from < count; from += LANES) {
        uint32_t sums[LANES];
        for (size_t i = 0; i < LANES; i++)
            sums[i] = 1U << (PIX_PRECISION - 1);
        for (int tap = 0; tap < taps; tap++) {
            const uint8_t *samples = rows[tap] + from;
            uint32_t weight = (uint32_t)weights[tap];
            for (size_t i = 0; i < LANES; i++)
                sums[i] += weight * samples[i];
        }
        for (size_t i = 0; i < LANES; i++)
            out[from + i] = pix_clip(sums[i]);
    }
}

const pix_loops pix_loops_portable = {.name = "portable",
                                      .supported = supported,
                                      .taps = 1,
                                      .group_size = sizeof(int32_t),
                                      .reach = 0,
                                      .pack = pack,
                                      .squeeze = squeeze,
                                      .blend = blend};
