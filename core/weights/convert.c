#include "core/weights/convert.h"

#include <assert.h>
#include <string.h>

#include "core/weights/little_endian.h"

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* binary16 -> binary32.  A normal number needs its exponent moved by 127 - 15 = 112.  A subnormal
 * is given the exponent of 2^-14 and has 2^-14 subtracted, which is exact and never meets a float32
 * subnormal, so it does not depend on the FPU's denormal mode.  Infinity and NaN get all exponent
 * bits. Masks instead of conditions keep branches out, so that a loop over it vectorises. */
static inline float half_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t subnormal = 0 - (uint32_t)(magnitude < (1U << 23));
    uint32_t special = 0 - (uint32_t)(magnitude >= (31U << 23));
    uint32_t normal = magnitude + (112U << 23);
    uint32_t tiny = bits_of(float_of(magnitude + (113U << 23)) - float_of(113U << 23));
    return float_of((tiny & subnormal) | (normal & ~subnormal) | (special & 255U << 23) | sign);
}

/* Blocks of a fixed size are what the compiler vectorises at -O2. */
static void convert_halves(const uint8_t *in, float *out, size_t count) {
    enum { BLOCK = 64 };
    uint16_t halves[BLOCK];
    for (; count >= BLOCK; count -= BLOCK, in += sizeof halves, out += BLOCK) {
        memcpy(halves, in, sizeof halves);
        for (int i = 0; i < BLOCK; i++)
            out[i] = half_to_float(le16toh(halves[i]));
    }
    for (size_t i = 0; i < count; i++)
        out[i] = half_to_float(pix_load16(in + 2 * i));
}

static float double_at(const uint8_t *at) {
    uint64_t bits = pix_load64(at);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

/* `count` elements that lie `step` bytes apart. */
static void convert_run(pix_dtype dtype, const uint8_t *in, size_t step, float *out, size_t count) {
#define EACH(value)                                                                                \
    do {                                                                                           \
        for (size_t i = 0; i < count; i++, in += step)                                             \
            out[i] = (value);                                                                      \
        return;                                                                                    \
    } while (0)
    switch (dtype) {
    case PIX_F64:
        EACH(double_at(in));
    case PIX_F32:
        EACH(float_of(pix_load32(in)));
    case PIX_F16:
        if (step == 2) {
            convert_halves(in, out, count);
            return;
        }
        EACH(half_to_float(pix_load16(in)));
    case PIX_BF16:
        EACH(float_of((uint32_t)pix_load16(in) << 16));
    case PIX_I64:
        EACH((float)(int64_t)pix_load64(in));
    case PIX_I32:
        EACH((float)(int32_t)pix_load32(in));
    case PIX_I16:
        EACH((float)(int16_t)pix_load16(in));
    case PIX_I8:
        EACH((float)(int8_t)*in);
    case PIX_U8:
        EACH((float)*in);
    case PIX_BOOL:
        EACH(*in ? 1.0F : 0.0F);
    case PIX_U16:
        EACH((float)pix_load16(in));
    case PIX_U32:
        EACH((float)pix_load32(in));
    case PIX_U64:
        EACH((float)pix_load64(in));
    case PIX_F8_E4M3:
    case PIX_F8_E5M2:
    case PIX_C64:
    case PIX_C128:
    case PIX_DTYPE_COUNT:
        break;
    }
#undef EACH
}

bool pix_dtype_converts(pix_dtype dtype) {
    return dtype < PIX_F8_E4M3;
}

/* A part's dimensions with those of extent 1 left out and those that lie as one joined, so that a
 * contiguous tensor, or a contiguous slice of one, is a single run. */
typedef struct layout {
    int rank;
    size_t extent[PIX_TENSOR_MAX_RANK];
    size_t stride[PIX_TENSOR_MAX_RANK];
} layout;

static layout simplify(const pix_tensor_part *part, const pix_tensor_info *info) {
    layout l = {0};
    for (int i = 0; i < info->rank; i++) {
        size_t extent = (size_t)(i == 0 ? part->rows : info->shape[i]);
        size_t stride = (size_t)part->stride[i];
        if (extent == 1)
            continue;
        if (l.rank > 0 && l.stride[l.rank - 1] == extent * stride) {
            l.extent[l.rank - 1] *= extent;
            l.stride[l.rank - 1] = stride;
            continue;
        }
        l.extent[l.rank] = extent;
        l.stride[l.rank++] = stride;
    }
    return l;
}

/* Runs along the last dimension, counting up the others like an odometer; returns the end of what
 * it wrote. */
static float *convert_part(const pix_tensor_part *part, const pix_tensor_info *info, float *out) {
    layout l = simplify(part, info);
    size_t size = pix_dtype_size(part->dtype);
    int last = l.rank - 1;
    size_t run = l.rank > 0 ? l.extent[last] : 1;
    size_t step = l.rank > 0 ? l.stride[last] * size : size;
    size_t runs = 1;
    for (int i = 0; i < last; i++)
        runs *= l.extent[i];
    size_t index[PIX_TENSOR_MAX_RANK] = {0};
    const uint8_t *at = part->data;
    for (; runs > 0; runs--) {
        convert_run(part->dtype, at, step, out, run);
        out += run;
        for (int i = last - 1; i >= 0; i--) {
            at += l.stride[i] * size;
            if (++index[i] < l.extent[i])
                break;
            at -= l.stride[i] * size * l.extent[i];
            index[i] = 0;
        }
    }
    return out;
}

void pix_tensor_convert(const pix_tensor *tensor, float *out) {
    for (int i = 0; i < tensor->info.rank; i++)
        if (tensor->info.shape[i] == 0)
            return;
    for (int i = 0; i < tensor->part_count; i++) {
        assert(pix_dtype_converts(tensor->parts[i].dtype));
        out = convert_part(&tensor->parts[i], &tensor->info, out);
    }
}
