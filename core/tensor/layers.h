/* layers.h - what a transformer does between its matrix products.
 *
 * Rows are contiguous.  Pure functions: any thread.  Loops run over fixed lanes, so the compiler
 * vectorises them without reordering a sum behind our back: a row's result never depends on the
 * rows beside it. */
#ifndef PIX_TENSOR_LAYERS_H
#define PIX_TENSOR_LAYERS_H

#include <stddef.h>

#include "core/tensor/pool.h"

/* out = (x - mean) / sqrt(variance + eps) * weight + bias, over each row; `out` may be `x`.  The
 * threads of `pool`, if it is not NULL, share the rows. */
void pix_layer_norm(pix_pool *pool, float *out, const float *x, size_t rows, size_t width,
                    const float *weight, const float *bias, float eps);

/* x += bias, on every row. */
void pix_bias_add(float *x, size_t rows, size_t width, const float *bias);

/* x = e^x / sum(e^x) over `size` > 0 values. */
void pix_softmax(float *x, size_t size);

#endif
