/* kernels.h - the table of inner loops that one instruction set fills in.
 *
 * Private to core/tensor and its tests.  A product is cut into tiles: up to `rows` rows of
 * activations times `panels` panels of 16 weights' channels (panels.h).  A tile kernel leaves
 * bare sums, [rows][panels * 16], in the caller's small array, and a finishing kernel makes outputs
 * of them: so edges, scales, biases and activations are written once. */
#ifndef PIX_TENSOR_KERNELS_H
#define PIX_TENSOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tensor/isa.h"
#include "core/tensor/matmul.h"
#include "core/tensor/panels.h"

enum {
    PIX_TILE_ROWS = 14, /* no kernel's tile is larger */
    PIX_TILE_PANELS = 2,
    PIX_TILE_VALUES = PIX_TILE_ROWS * PIX_TILE_PANELS * PIX_PANEL,
    /* float32 products are summed over this many inputs at a time, each sum from zero. */
    PIX_F32_INPUTS = 384,
    /* Floats from row to row of a tile's activations: an odd number of cache lines, so that no two
     * rows fight for one set of the cache. */
    PIX_F32_STRIDE = PIX_F32_INPUTS + 16,
};

/* One panel of int8 weights: [groups][16][4] codes and the sum of each channel's. */
typedef struct pix_int8_panel {
    const int8_t *codes;
    const int32_t *sums;
} pix_int8_panel;

/* How a code of activations is stored, as a kernel's multiplication wants it. */
typedef enum pix_code {
    PIX_CODE_BYTE,     /* int8 */
    PIX_CODE_UNSIGNED, /* code + 128 in an uint8 */
    PIX_CODE_WORD,     /* int16 */
} pix_code;

/* Weights that come next, of which a tile kernel asks the memory for its part: at every step, the
 * line at each panel's place, which then moves on by `step` bytes. */
typedef struct pix_ahead {
    const char *panels[PIX_TILE_PANELS];
    size_t step;
} pix_ahead;

/* What becomes of a tile's sums: out = activation(sum * scales + bias [+ out]) [scale]. */
typedef struct pix_finish {
    int rows, columns;           /* of the tile; columns <= panels * 16 */
    int width;                   /* values from row to row of the sums */
    const float *row_scales;     /* [rows], int8 only */
    const float *channel_scales; /* [columns up to a multiple of 16], int8 only */
    const float *bias;           /* [columns], or NULL for zeros */
    const float *scale;          /* [columns], or NULL for ones; not for PIX_LINEAR */
    bool add;
    pix_activation activation;
    float *out;
    size_t stride;
} pix_finish;

typedef struct pix_loops pix_loops; /* loops.h */

struct pix_kernels {
    const char *name;
    bool (*supported)(void);

    int f32_rows, f32_panels;
    /* x: [rows] at PIX_F32_STRIDE, inputs <= PIX_F32_INPUTS; panels: [f32_panels] pointers to
     * [inputs][16]. */
    void (*f32_tile)(int rows, const float *x, size_t inputs, const float *const *panels,
                     const pix_ahead *ahead, float *sums);
    void (*f32_finish)(const pix_finish *finish, const float *sums);

    int int8_rows, int8_panels;
    pix_code int8_code;
    /* x: [rows] at `stride` bytes, of groups * 4 codes; groups is a multiple of 4. */
    void (*int8_tile)(int rows, const uint8_t *x, size_t stride, size_t groups,
                      const pix_int8_panel *panels, const pix_ahead *ahead, int32_t *sums);
    void (*int8_finish)(const pix_finish *finish, const int32_t *sums);

    /* quantise.h's codes, with zeros up to a multiple of 16; returns the scale. */
    float (*quantise)(const float *x, size_t count, uint8_t *codes);

    const pix_loops *loops;
};

extern const pix_kernels pix_kernels_portable;
#if defined(__x86_64__)
extern const pix_kernels pix_kernels_avx2, pix_kernels_avxvnni, pix_kernels_avx512,
    pix_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const pix_kernels pix_kernels_neon, pix_kernels_dotprod, pix_kernels_i8mm;
#endif

#endif
