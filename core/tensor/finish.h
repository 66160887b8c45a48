/* finish.h - what becomes of a tile's sums, alike on every CPU.
 *
 * Private to core/tensor; inlined into every instruction set's kernels, as elementwise.h. */
#ifndef PIX_TENSOR_FINISH_H
#define PIX_TENSOR_FINISH_H

#include "core/tensor/elementwise.h"
#include "core/tensor/kernels.h"

/* Of one panel's lanes. */
typedef struct pix_lanes {
    float bias[PIX_LANES], scale[PIX_LANES];
} pix_lanes;

/* out = activation(x + bias [+ out]) scale over one panel's lanes; PIX_LINEAR is not scaled. */
PIX_INLINE void pix_lanes_finish(const float *x, const pix_lanes *lanes, bool add,
                                 pix_activation activation, float *out) {
    float v[PIX_LANES];
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        v[lane] = x[lane] + lanes->bias[lane];
    if (add)
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            v[lane] += out[lane];
    if (activation == PIX_LINEAR) {
        memcpy(out, v, sizeof v);
        return;
    }
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        out[lane] = lanes->scale[lane] * (activation == PIX_QUICK_GELU ? pix_quick_gelu(v[lane])
                                          : activation == PIX_EXACT_GELU
                                              ? pix_exact_gelu(v[lane])
                                              : (0 > v[lane] ? 0 : v[lane])); /* NaN stays */
}

/* One row of a panel that has only `columns` < 16 of them. */
PIX_INLINE void pix_edge_finish(const float *x, const pix_lanes *lanes, int columns, bool add,
                                pix_activation activation, float *out) {
    float some[PIX_LANES] = {0};
    size_t size = (size_t)columns * sizeof *out;
    if (add)
        memcpy(some, out, size);
    pix_lanes_finish(x, lanes, add, activation, some);
    memcpy(out, some, size);
}

PIX_INLINE pix_lanes pix_lanes_of(const pix_finish *finish, int first, int columns) {
    pix_lanes lanes = {0};
    size_t size = (size_t)columns * sizeof *lanes.bias;
    for (size_t lane = 0; lane < PIX_LANES; lane++)
        lanes.scale[lane] = 1;
    if (finish->bias)
        memcpy(lanes.bias, finish->bias + first, size);
    if (finish->scale)
        memcpy(lanes.scale, finish->scale + first, size);
    return lanes;
}

/* The rows of one panel, `whole` or not, whose sums are at `sums` in a tile; exactly one of f and i
 * is not NULL. */
PIX_INLINE void pix_panel_finish(const pix_finish *finish, int first, bool whole, bool add,
                                 pix_activation activation, const float *f, const int32_t *i) {
    const pix_lanes lanes =
        pix_lanes_of(finish, first, whole ? PIX_PANEL : finish->columns - first);
    float *out = finish->out + first;
    size_t at = (size_t)first;
    for (int row = 0; row < finish->rows; row++, out += finish->stride) {
        float x[PIX_LANES];
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            x[lane] = f ? f[at + lane]
                        : (float)i[at + lane] * (finish->row_scales[row] *
                                                 finish->channel_scales[(size_t)first + lane]);
        if (whole)
            pix_lanes_finish(x, &lanes, add, activation, out);
        else
            pix_edge_finish(x, &lanes, finish->columns - first, add, activation, out);
        at += (size_t)finish->width;
    }
}

PIX_INLINE void pix_tile_finish_as(const pix_finish *finish, bool add, pix_activation activation,
                                   const float *f, const int32_t *i) {
    int first = 0;
    for (; first + PIX_PANEL <= finish->columns; first += PIX_PANEL)
        pix_panel_finish(finish, first, true, add, activation, f, i);
    if (first < finish->columns)
        pix_panel_finish(finish, first, false, add, activation, f, i);
}

/* One loop for each activation, so that none is asked for in a loop. */
PIX_INLINE void pix_tile_finish(const pix_finish *finish, const float *f, const int32_t *i) {
    switch (finish->activation) {
    case PIX_QUICK_GELU:
        pix_tile_finish_as(finish, finish->add, PIX_QUICK_GELU, f, i);
        break;
    case PIX_EXACT_GELU:
        pix_tile_finish_as(finish, finish->add, PIX_EXACT_GELU, f, i);
        break;
    case PIX_RELU:
        pix_tile_finish_as(finish, finish->add, PIX_RELU, f, i);
        break;
    case PIX_LINEAR:
        if (finish->add)
            pix_tile_finish_as(finish, true, PIX_LINEAR, f, i);
        else
            pix_tile_finish_as(finish, false, PIX_LINEAR, f, i);
        break;
    }
}

#endif
