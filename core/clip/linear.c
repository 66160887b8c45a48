#include "core/clip/linear.h"

#include <stdio.h>

void pix_linear_init(pix_linear *parts, int count, const pix_model *model,
                     const pix_linear_place *place, int out, int in) {
    char name[PIX_CLIP_NAME_MAX];
    const float *biases = NULL;
    (void)snprintf(name, sizeof name, "%s%s", place->prefix, place->weight);
    for (int i = 0; i < count; i++) {
        parts[i] = (pix_linear){.precision = place->precision};
        if (place->precision == PIX_INT8)
            parts[i].int8 = pix_model_panels_int8(model, name, out, in, count, i);
        else
            parts[i].f32 = pix_model_panels(model, name, out, in, count, i);
    }
    if (place->bias) {
        (void)snprintf(name, sizeof name, "%s%s", place->prefix, place->bias);
        biases = pix_model_tensor(model, name, (size_t)count * (size_t)out);
    }
    for (int i = 0; i < count && biases; i++)
        parts[i].bias = biases + (size_t)i * (size_t)out;
}

void pix_linear_run(const pix_linear *linear, const pix_compute *compute, int rows,
                    const pix_activations *x, pix_epilogue how, float *out, size_t out_stride) {
    how.bias = linear->bias;
    if (linear->precision == PIX_INT8)
        pix_matmul_int8(compute, rows, x->codes, &linear->int8, &how, out, out_stride);
    else
        pix_matmul_f32(compute, rows, x->x, x->stride, &linear->f32, &how, out, out_stride);
}
