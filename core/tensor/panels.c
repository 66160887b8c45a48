#include "core/tensor/panels.h"

#include <string.h>

#include "core/tensor/quantise.h"

static size_t panel_count(int out) {
    return pix_panel_columns((size_t)out) / PIX_PANEL;
}

size_t pix_panels_int8_groups(int in) {
    return ((size_t)in + 15) / 16 * 4;
}

size_t pix_panels_f32_size(int out, int in) {
    size_t size;
    if (out < 1 || in < 1 ||
        __builtin_mul_overflow(panel_count(out) * PIX_PANEL, (size_t)in * sizeof(float), &size))
        return 0;
    return size;
}

size_t pix_panels_int8_size(int out, int in) {
    if (out < 1 || in < 1 || in > PIX_INT8_INPUTS)
        return 0;
    size_t channel = pix_panels_int8_groups(in) * 4 + sizeof(float) + sizeof(int32_t);
    return panel_count(out) * PIX_PANEL * channel;
}

void pix_panels_f32_pack(int out, int in, const float *weight, void *bytes) {
    float *value = bytes;
    for (int first = 0; first < out; first += PIX_PANEL)
        for (int i = 0; i < in; i++)
            for (int channel = first; channel < first + PIX_PANEL; channel++)
                *value++ = channel < out ? weight[(size_t)channel * (size_t)in + (size_t)i] : 0;
}

void pix_panels_f32_pack_transposed(int out, int in, const float *weight, void *bytes) {
    float *value = bytes;
    for (int first = 0; first < out; first += PIX_PANEL)
        for (int i = 0; i < in; i++)
            for (int channel = first; channel < first + PIX_PANEL; channel++)
                *value++ = channel < out ? weight[(size_t)i * (size_t)out + (size_t)channel] : 0;
}

pix_panels_f32 pix_panels_f32_view(int out, int in, const void *bytes) {
    return (pix_panels_f32){.out = out, .in = in, .values = bytes};
}

pix_panels_int8 pix_panels_int8_view(int out, int in, const void *bytes) {
    size_t channels = panel_count(out) * PIX_PANEL;
    const char *codes = bytes;
    const char *scales = codes + channels * pix_panels_int8_groups(in) * 4;
    return (pix_panels_int8){.out = out,
                             .in = in,
                             .codes = (const int8_t *)codes,
                             .scales = (const float *)(const void *)scales,
                             .sums = (const int32_t *)(const void *)(scales + channels * 4)};
}

/* A channel's codes, to its place in every group of the panel; returns their sum. */
static int32_t pack_channel(const float *weight, size_t in, float inverse, int8_t *codes) {
    int32_t sum = 0;
    for (size_t i = 0; i < in; i += PIX_LANES) {
        float values[PIX_LANES] = {0};
        uint8_t lanes[PIX_LANES];
        memcpy(values, weight + i, (in - i < PIX_LANES ? in - i : PIX_LANES) * sizeof *values);
        pix_row_codes(values, PIX_LANES, inverse, PIX_CODE_BYTE, lanes);
        for (size_t lane = 0; lane < PIX_LANES; lane += 4, codes += PIX_GROUP)
            memcpy(codes, lanes + lane, 4);
        for (size_t lane = 0; lane < PIX_LANES; lane++)
            sum += (int8_t)lanes[lane];
    }
    return sum;
}

void pix_panels_int8_pack(int out, int in, const float *weight, void *bytes) {
    size_t panels = panel_count(out), inputs = (size_t)in;
    size_t panel_bytes = pix_panels_int8_groups(in) * PIX_GROUP;
    memset(bytes, 0, pix_panels_int8_size(out, in));
    int8_t *codes = bytes;
    float *scales = (float *)(void *)(codes + panels * panel_bytes);
    int32_t *sums = (int32_t *)(void *)(scales + panels * PIX_PANEL);
    for (size_t channel = 0; channel < (size_t)out; channel++, weight += inputs) {
        pix_row_range range = pix_row_range_of(weight, inputs);
        int8_t *first = codes + channel / PIX_PANEL * panel_bytes + channel % PIX_PANEL * 4;
        scales[channel] = range.scale;
        sums[channel] = pack_channel(weight, inputs, range.inverse, first);
    }
}
