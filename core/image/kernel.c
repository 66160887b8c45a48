#include "core/image/kernel.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/bytes.h"

/* R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2. */
static double keys(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

/* The window of one sample: every input whose centre lies within the stretched support, with the
 * order of operations that Pillow rounds in. */
static void window(const pix_axis *axis, double scale, double stretch, int64_t sample, int *start,
                   int *taps, double *weights) {
    double centre = ((double)sample + 0.5) * scale;
    double support = 2.0 * stretch;
    int low = (int)fmax(centre - support + 0.5, 0.0);
    int high = (int)fmin(centre + support + 0.5, axis->input);
    double sum = 0.0;
    double shrink = 1.0 / stretch;
    for (int i = low; i < high; i++) {
        weights[i - low] = keys((i - centre + 0.5) * shrink);
        sum += weights[i - low];
    }
    for (int i = low; i < high && sum != 0.0; i++)
        weights[i - low] /= sum;
    *start = low;
    *taps = high - low;
}

pix_status pix_kernel_make(const pix_axis *axis, pix_kernel *out, pix_error *error) {
    *out = (pix_kernel){0};
    double scale = (double)axis->extent / (double)axis->output;
    double stretch = fmax(scale, 1.0);
    size_t count = (size_t)axis->count;
    size_t stride = 2 * (size_t)ceil(2.0 * stretch) + 1;
    size_t total;
    if (!pix_size_multiply(count, stride, &total))
        return pix_fail_memory(error);
    out->stride = (int)stride;
    out->starts = calloc(count, sizeof *out->starts);
    out->taps = calloc(count, sizeof *out->taps);
    out->weights = calloc(total, sizeof *out->weights);
    if (!out->starts || !out->taps || !out->weights) {
        pix_kernel_free(out);
        return pix_fail_memory(error);
    }
    for (size_t i = 0; i < count; i++)
        window(axis, scale, stretch, axis->first + (int64_t)i, &out->starts[i], &out->taps[i],
               out->weights + i * stride);
    return PIX_OK;
}

void pix_kernel_free(pix_kernel *kernel) {
    free(kernel->starts);
    free(kernel->taps);
    free(kernel->weights);
    *kernel = (pix_kernel){0};
}
