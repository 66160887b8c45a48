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
        const uint8_t *packed = w->packed + (size_t)i * w->stride;
        uint32_t sums[4] = {1U << (PIX_PRECISION - 1), 1U << (PIX_PRECISION - 1),
                            1U << (PIX_PRECISION - 1), 1U << (PIX_PRECISION - 1)};
        for (int tap = 0; tap < w->groups[i]; tap++, samples += channels) {
            uint32_t weight;
            memcpy(&weight, packed + (size_t)tap * sizeof weight, sizeof weight);
            for (size_t c = 0; c < channels; c++)
                sums[c] += weight * samples[c];
        }
        for (size_t c = 0; c < channels; c++)
            out[(size_t)i * channels + c] = pix_clip(sums[c]);
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
