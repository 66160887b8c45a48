/* layers.h - what a transformer does between its matrix products.
 *
 * Rows are contiguous.  Pure functions: any thread.  A row's result never depends on the rows
 * beside it, and is the same bits with every CPU's kernels. */
#ifndef PIX_TENSOR_LAYERS_H
#define PIX_TENSOR_LAYERS_H

#include <stddef.h>

#include "core/tensor/matmul.h"

/* (x - mean) / sqrt(variance + eps) * weight + bias, over a row. */
typedef struct pix_layer_norm {
    size_t width;
    const float *weight, *bias; /* [width] */
    float eps;
} pix_layer_norm;

/* x, out: [rows, width]; `out` may be `x`.  The threads of compute->pool share the rows.  `codes`
 * gets what pix_quantise makes of `out`, unless it is NULL. */
void pix_layer_norm_run(const pix_layer_norm *norm, const pix_compute *compute, int rows,
                        const float *x, float *out, const pix_codes *codes);

/* x += bias, on every row. */
void pix_bias_add(float *x, size_t rows, size_t width, const float *bias);

/* x = e^x / sum(e^x) over `size` > 0 values. */
void pix_softmax(const pix_kernels *kernels, float *x, size_t size);

#endif
