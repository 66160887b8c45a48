/* panels.h - weights as every kernel reads them, straight from a mapped file.
 *
 * The weights W [out, in] of out = x W' are cut into panels of 16 output channels, the last one
 * filled up with zeros.  float32: [ceil(out/16)][in][16].  int8: codes
 * [ceil(out/16)][groups][16][4], where `in`, filled up with zeros to a multiple of 16, is cut into
 * groups of 4; then a float32 scale and an int32 sum of the codes of each channel, [ceil(out/16) *
 * 16] of both.  Little endian; aligned to 4 bytes at least and to 64 for speed.  Pure functions:
 * any thread. */
#ifndef PIX_TENSOR_PANELS_H
#define PIX_TENSOR_PANELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    PIX_PANEL = 16,
    PIX_GROUP = PIX_PANEL * 4, /* bytes of a panel's codes for 4 inputs */
    /* The most inputs whose int8 sum, up to 127 * 127 * in, fits an int32. */
    PIX_INT8_INPUTS = 131072,
};

/* Output channels with those that fill up the last panel. */
static inline size_t pix_panel_columns(size_t out) {
    return (out + PIX_PANEL - 1) / PIX_PANEL * PIX_PANEL;
}

typedef struct pix_panels_f32 {
    int out, in;
    const float *values; /* [ceil(out/16)][in][16] */
} pix_panels_f32;

/* Codes are -127..127.  A damaged file's -128 is multiplied as any other code: activations' codes
 * are never -128, so that two products still fit an int16. */
typedef struct pix_panels_int8 {
    int out, in;
    const int8_t *codes; /* [ceil(out/16)][ceil(in/16)*4][16][4] */
    const float *scales; /* [ceil(out/16)*16] */
    const int32_t *sums; /* [ceil(out/16)*16] */
} pix_panels_int8;

/* Bytes of packed weights; 0 when a side is not positive, the product does not fit, or an int8 sum
 * could overflow. */
size_t pix_panels_f32_size(int out, int in);
size_t pix_panels_int8_size(int out, int in);

/* Packs weight [out, in], or transposed [in, out], into `bytes`, of the size above.  An int8
 * channel is quantised as a row of activations is (matmul.h), by its largest magnitude / 127. */
void pix_panels_f32_pack(int out, int in, const float *weight, void *bytes);
void pix_panels_f32_pack_transposed(int out, int in, const float *weight, void *bytes);
void pix_panels_int8_pack(int out, int in, const float *weight, void *bytes);

/* What is where in packed bytes, which are borrowed. */
pix_panels_f32 pix_panels_f32_view(int out, int in, const void *bytes);
pix_panels_int8 pix_panels_int8_view(int out, int in, const void *bytes);

/* Groups of 4 inputs, those of zeros included. */
size_t pix_panels_int8_groups(int in);

#endif
