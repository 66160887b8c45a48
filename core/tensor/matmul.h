/* matmul.h - products of activations with packed weights:
 *
 *     out = activation(x W' + bias [+ out]) [scale]
 *
 * float32 and int8 (codes of 8 bits, a scale for each row of activations and each channel of
 * weights; sums are exact).  A row's result never depends on the rows beside it or on the number of
 * threads, to the bit.  Any number of threads may multiply at the same time, with one pool. */
#ifndef PIX_TENSOR_MATMUL_H
#define PIX_TENSOR_MATMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tensor/isa.h"
#include "core/tensor/panels.h"
#include "core/tensor/pool.h"

/* What multiplies: the kernels, and the threads that help (NULL: none). */
typedef struct pix_compute {
    const pix_kernels *kernels;
    pix_pool *pool;
} pix_compute;

typedef enum pix_activation {
    PIX_LINEAR,
    PIX_RELU,
    PIX_QUICK_GELU, /* v * sigmoid(1.702 v), what OpenAI's models were trained with */
    PIX_EXACT_GELU, /* v * Phi(v) (Hendrycks and Gimpel 2016) */
} pix_activation;

typedef struct pix_epilogue {
    const float *bias; /* [out], or NULL */
    bool add;          /* what `out` holds is added, before the activation */
    pix_activation activation;
    const float *scale; /* [out], that the activation's results are multiplied by, or NULL;
                           not for PIX_LINEAR */
} pix_epilogue;

/* Rows of int8 codes with their scales (quantise.h), in the caller's memory.  Codes are stored as
 * the kernels that made them want them: only the same kernels may read them. */
typedef struct pix_codes {
    uint8_t *codes; /* [rows] at pix_codes_stride bytes */
    float *scales;  /* [rows] */
} pix_codes;

/* Bytes from row to row of codes: an odd number of cache lines, so that no two rows of a tile fight
 * for one set of the cache. */
size_t pix_codes_stride(const pix_kernels *kernels, int in);

/* x: [rows, in] at `stride` floats. */
void pix_quantise(const pix_compute *compute, int rows, int in, const float *x, size_t stride,
                  const pix_codes *out);

/* x: [rows, weights->in] at `x_stride` floats; out: [rows, weights->out] at `out_stride`, which may
 * not overlap x. */
void pix_matmul_f32(const pix_compute *compute, int rows, const float *x, size_t x_stride,
                    const pix_panels_f32 *weights, const pix_epilogue *epilogue, float *out,
                    size_t out_stride);
void pix_matmul_int8(const pix_compute *compute, int rows, const pix_codes *x,
                     const pix_panels_int8 *weights, const pix_epilogue *epilogue, float *out,
                     size_t out_stride);

#endif
