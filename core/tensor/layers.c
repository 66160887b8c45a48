#include "core/tensor/layers.h"

#include <math.h>

#include "core/tensor/elementwise.h"

enum { LANES = PIX_LANES };
/* Rows of one task. */
enum { ROWS = 16 };

/* The sum of the lanes, pairwise. */
static inline float lanes_sum(const float *sum) {
    float eight[8], four[4];
    for (size_t i = 0; i < 8; i++)
        eight[i] = sum[i] + sum[i + 8];
    for (size_t i = 0; i < 4; i++)
        four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static float row_sum(const float *x, size_t size) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += x[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += x[i];
    return lanes_sum(sum);
}

static float row_square_deviation(const float *x, size_t size, float mean) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += (x[i + lane] - mean) * (x[i + lane] - mean);
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += (x[i] - mean) * (x[i] - mean);
    return lanes_sum(sum);
}

typedef struct layer_norm {
    float *out;
    const float *x;
    size_t rows, width;
    const float *weight, *bias;
    float eps;
} layer_norm;

static void normalise_row(const layer_norm *n, size_t row) {
    size_t width = n->width, i = 0;
    const float *x = n->x + row * width, *weight = n->weight, *bias = n->bias;
    float *out = n->out + row * width;
    float mean = row_sum(x, width) / (float)width;
    float variance = row_square_deviation(x, width, mean) / (float)width;
    float scale = 1.0f / sqrtf(variance + n->eps);
    for (; i + LANES <= width; i += LANES) {
        float normal[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            normal[lane] = (x[i + lane] - mean) * scale;
        for (size_t lane = 0; lane < LANES; lane++)
            out[i + lane] = normal[lane] * weight[i + lane] + bias[i + lane];
    }
    for (; i < width; i++)
        out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void layer_norm_task(void *context, size_t index) {
    const layer_norm *n = context;
    for (size_t row = index * ROWS; row < n->rows && row < (index + 1) * ROWS; row++)
        normalise_row(n, row);
}

/* NOLINTNEXTLINE(readability-function-size): as many parameters as the formula has */
void pix_layer_norm(pix_pool *pool, float *out, const float *x, size_t rows, size_t width,
                    const float *weight, const float *bias, float eps) {
    layer_norm n = {out, x, rows, width, weight, bias, eps};
    pix_pool_run(pool, (rows + ROWS - 1) / ROWS, layer_norm_task, &n);
}

static void row_bias_add(float *restrict x, const float *restrict bias, size_t width) {
    size_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] += bias[i + lane];
    for (; i < width; i++)
        x[i] += bias[i];
}

void pix_bias_add(float *x, size_t rows, size_t width, const float *bias) {
    for (size_t row = 0; row < rows; row++)
        row_bias_add(x + row * width, bias, width);
}

static float row_maximum(const float *x, size_t size) {
    float largest[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        largest[lane] = x[0];
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            largest[lane] = x[i + lane] > largest[lane] ? x[i + lane] : largest[lane];
    for (; i < size; i++)
        largest[0] = x[i] > largest[0] ? x[i] : largest[0];
    for (size_t lane = 1; lane < LANES; lane++)
        largest[0] = largest[lane] > largest[0] ? largest[lane] : largest[0];
    return largest[0];
}

void pix_softmax(float *x, size_t size) {
    float largest = row_maximum(x, size);
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] = pix_exponential(x[i + lane] - largest);
    for (; i < size; i++)
        x[i] = pix_exponential(x[i] - largest);
    float scale = 1.0f / row_sum(x, size);
    for (i = 0; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            x[i + lane] *= scale;
    for (; i < size; i++)
        x[i] *= scale;
}
