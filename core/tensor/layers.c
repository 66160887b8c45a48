#include "core/tensor/layers.h"

#include "core/tensor/kernels.h"
#include "core/tensor/loops.h"

/* Rows of one task. */
enum { ROWS = 16 };

typedef struct normalising {
    const pix_layer_norm *norm;
    const pix_kernels *kernels;
    size_t rows;
    const float *x;
    float *out;
    const pix_codes *codes;
    size_t codes_stride;
} normalising;

static void layer_norm_task(void *context, size_t index) {
    const normalising *n = context;
    size_t width = n->norm->width;
    for (size_t row = index * ROWS; row < n->rows && row < (index + 1) * ROWS; row++) {
        float *out = n->out + row * width;
        n->kernels->loops->layer_norm(n->norm, n->x + row * width, out);
        if (n->codes)
            n->codes->scales[row] =
                n->kernels->quantise(out, width, n->codes->codes + row * n->codes_stride);
    }
}

void pix_layer_norm_run(const pix_layer_norm *norm, const pix_compute *compute, int rows,
                        const float *x, float *out, const pix_codes *codes) {
    normalising n = {.norm = norm,
                     .kernels = compute->kernels,
                     .rows = (size_t)rows,
                     .x = x,
                     .out = out,
                     .codes = codes,
                     .codes_stride = pix_codes_stride(compute->kernels, (int)norm->width)};
    pix_pool_run(compute->pool, (n.rows + ROWS - 1) / ROWS, layer_norm_task, &n);
}

static void row_bias_add(float *restrict x, const float *restrict bias, size_t width) {
    size_t i = 0;
    for (; i + PIX_LANES <= width; i += PIX_LANES)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            x[i + lane] += bias[i + lane];
    for (; i < width; i++)
        x[i] += bias[i];
}

void pix_bias_add(float *x, size_t rows, size_t width, const float *bias) {
    for (size_t row = 0; row < rows; row++)
        row_bias_add(x + row * width, bias, width);
}

void pix_softmax(const pix_kernels *kernels, float *x, size_t size) {
    kernels->loops->softmax(x, size);
}
