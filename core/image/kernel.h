/* kernel.h - the windows and weights of Pillow's bicubic filter along one axis. */
#ifndef PIX_IMAGE_KERNEL_H
#define PIX_IMAGE_KERNEL_H

#include "core/image/resample.h"

/* Sample axis->first + i of the result is the sum over j < taps of
 * weights[i * stride + j] * input[starts[i] + j]. */
typedef struct pix_kernel {
    int *starts, *taps;
    double *weights; /* each window sums to 1 */
    int stride;
} pix_kernel;

pix_status pix_kernel_make(const pix_axis *axis, pix_kernel *out, pix_error *error);
void pix_kernel_free(pix_kernel *kernel);

#endif
