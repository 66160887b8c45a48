/* layers.h - what a transformer does between its matrix products.
 *
 * Rows are contiguous.  Pure functions: any thread.  Loops run over fixed lanes, so the compiler
 * vectorises them without reordering a sum behind our back: a row's result never depends on the
 * rows beside it. */
#ifndef PIX_TENSOR_LAYERS_H
#define PIX_TENSOR_LAYERS_H

#include <stddef.h>

/* out = (x - mean) / sqrt(variance + eps) * weight + bias, over each row; `out` may be `x`. */
void pix_layer_norm(float *out, const float *x, size_t rows, size_t width, const float *weight,
                    const float *bias, float eps);

/* x += bias, on every row. */
void pix_bias_add(float *x, size_t rows, size_t width, const float *bias);

/* x = gelu(x + bias).  QuickGELU is v * sigmoid(1.702 v), what OpenAI's models were trained with;
 * the exact one is v * Phi(v) (Hendrycks and Gimpel 2016). */
void pix_bias_quick_gelu(float *x, size_t rows, size_t width, const float *bias);
void pix_bias_exact_gelu(float *x, size_t rows, size_t width, const float *bias);

/* x = e^x / sum(e^x) over `size` > 0 values. */
void pix_softmax(float *x, size_t size);

/* x = e^x, at most 2 units in the last place off; 0 and infinity where float32 ends. */
void pix_exp(float *x, size_t size);

#endif
