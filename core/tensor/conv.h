/* conv.h - convolutions and pooling over pictures whose channels come last.
 *
 * A picture is [height, width, channels], so a pixel is a row of a matrix product: a 1x1
 * convolution is one product over the pixels of any number of pictures, and a 3x3 window is three
 * runs of memory.  Work goes in tiles of rows: gathered windows (im2col) stay small, and bias and
 * ReLU meet values that are still in the cache.  Pure functions: any thread. */
#ifndef PIX_TENSOR_CONV_H
#define PIX_TENSOR_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "core/tensor/matmul.h"

/* Rows of a tile: enough that a product is arithmetic and not reading the weights. */
enum { PIX_CONV_TILE = 512 };

typedef struct pix_conv {
    int in, out;           /* channels */
    int kernel;            /* side of the window, odd; beyond the border lie kernel / 2 zeros */
    int stride;            /* 1 for a kernel of 1 */
    bool add, relu;        /* added to what `out` holds; ReLU at the end */
    bool int8;             /* which of the two weights there is */
    pix_panels_f32 f32;    /* [out, kernel * kernel * in] */
    pix_panels_int8 codes; /* the same; each window is quantised by itself */
    const float *bias;     /* [out] */
} pix_conv;

/* The side of what becomes of a picture's side. */
int pix_conv_side(const pix_conv *conv, int side);

/* Where the windows of a tile are gathered, and their codes. */
typedef struct pix_conv_room {
    float *windows;
    pix_codes codes; /* of PIX_CONV_TILE rows; for int8 only */
} pix_conv_room;

/* Elements of `windows` that pix_conv_run needs; 0 for a kernel of 1. */
size_t pix_conv_windows(const pix_conv *conv);

/* Bytes of its codes. */
size_t pix_conv_codes(const pix_conv *conv, const pix_kernels *kernels);

/* x: [count, height, width, in]; out: [count, pix_conv_side(height), pix_conv_side(width), out]. */
void pix_conv_run(const pix_conv *conv, const pix_compute *compute, int count, int height,
                  int width, const float *x, const pix_conv_room *room, float *out);

/* The mean of each 2x2 square; an odd last row or column is left out.  x: [count, height, width,
 * channels]; out: [count, height / 2, width / 2, channels]. */
void pix_average_pool(int count, int height, int width, int channels, const float *x, float *out);

#endif
