/* loops.h - the inner loops of the resize, once for each kind of CPU.
 *
 * Weights are integers with PIX_PRECISION fractional bits.  A window's weights are cut into groups,
 * packed as the instructions want them, so that one group times the samples of a few neighbouring
 * pixels, all channels together, is a handful of instructions.  Sums are taken modulo 2^32 on
 * their way to one that fits, so that every set of loops gives the same bytes. */
#ifndef PIX_IMAGE_LOOPS_H
#define PIX_IMAGE_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PIX_PRECISION = 22,   /* Pillow's PRECISION_BITS: 32 - 8 bits of a sample - 2 of headroom */
    PIX_GROUP_LIMIT = 16, /* weights, in any set of loops */
    PIX_LOOP_PADDING = 64 /* bytes behind a row that loops may read, or write, in passing */
};

typedef struct pix_windows {
    int channels; /* 1 to 4 */
    int count;
    int *starts;     /* [count] the first pixel of each window */
    int *groups;     /* [count] its groups; the last is filled up with zeros */
    uint8_t *packed; /* [count, stride] */
    size_t stride;
} pix_windows;

typedef struct pix_loops {
    const char *name;
    bool (*supported)(void);
    int taps;          /* weights in a group */
    size_t group_size; /* bytes of a packed group */
    size_t reach;      /* a group reads its pixels, and so many bytes if that is more */
    void (*pack)(const int32_t *weights, uint8_t *group); /* [taps] */

    /* Windows from..to of a row of pixels, to out[from * channels] and on. */
    void (*squeeze)(const pix_windows *windows, int from, int to, const uint8_t *row, uint8_t *out);
    /* out[i] = the sum over taps of weights[tap] * rows[tap][i], for all i < count. */
    void (*blend)(const uint8_t *const *rows, const int32_t *weights, int taps, size_t count,
                  uint8_t *out);
} pix_loops;

/* Those this CPU can run, the plainest first; NULL past the last. */
const pix_loops *pix_loops_at(size_t index);

/* The fastest that need nothing beyond the instruction set `name` ("avx2", "avxvnni", "avx512",
 * "avx512vnni"), or the fastest of all for NULL and "".  Any other name gets the portable ones. */
const pix_loops *pix_loops_choose(const char *name);

/* A sum with PIX_PRECISION fractional bits, and a half added before, as a sample. */
static inline uint8_t pix_clip(uint32_t sum) {
    int32_t value = (int32_t)sum >> PIX_PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

extern const pix_loops pix_loops_portable;
#if defined(__x86_64__)
extern const pix_loops pix_loops_avx2, pix_loops_avx512vnni;
#endif

#endif
