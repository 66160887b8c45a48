#include "core/tensor/attention.h"

#include <math.h>
#include <string.h>

#include "core/tensor/layers.h"

/* Running sums side by side, so that compilers vectorise them. */
enum { LANES = 16 };

static float dot(const float *a, const float *b, size_t size) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += a[i] * b[i];
    float total = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        total += sum[lane];
    return total;
}

static void add_scaled(float *restrict out, const float *restrict x, float scale, size_t size) {
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            out[i + lane] += scale * x[i + lane];
    for (; i < size; i++)
        out[i] += scale * x[i];
}

void pix_attend_rows(const float *q, const pix_memory *memory, const int32_t *rows, size_t count,
                     size_t width, float *scores, float *out) {
    float scale = 1.0f / sqrtf((float)width);
    for (size_t i = 0; i < count; i++)
        scores[i] = scale * dot(q, memory->k + (size_t)rows[i] * memory->stride, width);
    pix_softmax(scores, count);
    memset(out, 0, width * sizeof *out);
    for (size_t i = 0; i < count; i++)
        add_scaled(out, memory->v + (size_t)rows[i] * memory->stride, scores[i], width);
}
