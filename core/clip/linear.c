#include "core/clip/linear.h"

#include <stdio.h>

/* NOLINTNEXTLINE(readability-function-size): what is where, by name and size */
void pix_linear_init(pix_linear *parts, int count, const pix_model *model, const char *prefix,
                     const char *weight, const char *bias, int out, int in) {
    char name[PIX_CLIP_NAME_MAX];
    const float *biases = NULL;
    (void)snprintf(name, sizeof name, "%s%s", prefix, weight);
    for (int i = 0; i < count; i++)
        parts[i] = (pix_linear){.weight = pix_model_panels(model, name, out, in, count, i)};
    if (bias) {
        (void)snprintf(name, sizeof name, "%s%s", prefix, bias);
        biases = pix_model_tensor(model, name, (size_t)count * (size_t)out);
    }
    for (int i = 0; i < count && biases; i++)
        parts[i].bias = biases + (size_t)i * (size_t)out;
}

void pix_linear_run(const pix_linear *linear, const pix_compute *compute, int rows, const float *x,
                    size_t x_stride, pix_epilogue how, float *out, size_t out_stride) {
    how.bias = linear->bias;
    pix_matmul_f32(compute, rows, x, x_stride, &linear->weight, &how, out, out_stride);
}
