/* linear.h - a linear layer of a model: out = activation(x W' + bias [+ out]), in either precision.
 *
 * Layers of int8 read codes, which whoever runs several over the same rows makes once. */
#ifndef PIX_CLIP_LINEAR_H
#define PIX_CLIP_LINEAR_H

#include "core/clip/model.h"
#include "core/tensor/matmul.h"

typedef struct pix_linear {
    pix_precision precision;
    pix_panels_f32 f32; /* one of the two */
    pix_panels_int8 int8;
    const float *bias; /* [out], or NULL */
} pix_linear;

/* Where a layer's tensors are. */
typedef struct pix_linear_place {
    pix_precision precision;
    const char *prefix;        /* of both names */
    const char *weight, *bias; /* bias: NULL when it has none */
} pix_linear_place;

/* Parts [out, in] of the weight, with as many of the bias. */
void pix_linear_init(pix_linear *parts, int count, const pix_model *model,
                     const pix_linear_place *place, int out, int in);

/* What layers read: [rows, in] at `stride` floats.  Those of int8 read `codes` alone. */
typedef struct pix_activations {
    const float *x;
    size_t stride;
    const pix_codes *codes;
} pix_activations;

/* out: [rows, out] at a stride of floats; it may not overlap what is read.  `how` says what else,
 * its bias apart. */
void pix_linear_run(const pix_linear *linear, const pix_compute *compute, int rows,
                    const pix_activations *x, pix_epilogue how, float *out, size_t out_stride);

#endif
