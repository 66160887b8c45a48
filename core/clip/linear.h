/* linear.h - a linear layer of a model: out = activation(x W' + bias [+ out]). */
#ifndef PIX_CLIP_LINEAR_H
#define PIX_CLIP_LINEAR_H

#include "core/clip/model.h"
#include "core/tensor/matmul.h"

typedef struct pix_linear {
    pix_panels_f32 weight;
    const float *bias; /* [out], or NULL */
} pix_linear;

/* Parts [out, in] of the tensor PREFIX WEIGHT, with as many of PREFIX BIAS, unless that is NULL. */
void pix_linear_init(pix_linear *parts, int count, const pix_model *model, const char *prefix,
                     const char *weight, const char *bias, int out, int in);

/* x: [rows, in] and out: [rows, out], at strides of floats; they may not overlap.  `how` says what
 * else, its bias apart. */
void pix_linear_run(const pix_linear *linear, const pix_compute *compute, int rows, const float *x,
                    size_t x_stride, pix_epilogue how, float *out, size_t out_stride);

#endif
