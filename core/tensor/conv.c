#include "core/tensor/conv.h"

#include <assert.h>
#include <string.h>

#include "core/tensor/kernels.h"

int pix_conv_side(const pix_conv *conv, int side) {
    return (side + 2 * (conv->kernel / 2) - conv->kernel) / conv->stride + 1;
}

static size_t window_elements(const pix_conv *conv) {
    return (size_t)conv->kernel * (size_t)conv->kernel * (size_t)conv->in;
}

size_t pix_conv_windows(const pix_conv *conv) {
    return conv->kernel == 1 ? 0 : PIX_CONV_TILE * window_elements(conv);
}

size_t pix_conv_codes(const pix_conv *conv, const pix_kernels *kernels) {
    return PIX_CONV_TILE * pix_codes_stride(kernels, (int)window_elements(conv));
}

static void zero(float *out, size_t elements) {
    if (elements > 0)
        memset(out, 0, elements * sizeof *out);
}

/* The window whose first pixel is (top, left) of the picture: [kernel, kernel, in]. */
static void gather_window(const pix_conv *conv, const float *picture, int height, int width,
                          int top, int left, float *out) {
    size_t in = (size_t)conv->in;
    int begin = left < 0 ? -left : 0;
    int end = left + conv->kernel > width ? width - left : conv->kernel;
    size_t before = (size_t)begin * in, inside = (size_t)(end - begin) * in,
           after = (size_t)(conv->kernel - end) * in;
    for (int y = top; y < top + conv->kernel; y++, out += before + inside + after) {
        if (y < 0 || y >= height) {
            zero(out, before + inside + after);
            continue;
        }
        size_t pixel = (size_t)y * (size_t)width + (size_t)(left + begin);
        zero(out, before);
        memcpy(out + before, picture + pixel * in, inside * sizeof *out);
        zero(out + before + inside, after);
    }
}

/* Rows of one task. */
enum { ROWS = 16 };

/* A tile's rows, which windows are gathered for and codes made of. */
typedef struct tile {
    const pix_conv *conv;
    const pix_kernels *kernels;
    int height, width;
    const float *x;     /* of all pictures */
    size_t first, rows; /* counted over all pictures */
    const pix_conv_room *room;
} tile;

/* Window number `index` of the tile, [kernel * kernel * in]; where it is the picture's own pixel,
 * that stays where it is. */
static const float *window_of(const tile *t, size_t index) {
    const pix_conv *conv = t->conv;
    size_t number = t->first + index;
    if (conv->kernel == 1)
        return t->x + number * (size_t)conv->in;
    size_t across = (size_t)pix_conv_side(conv, t->width);
    size_t cells = across * (size_t)pix_conv_side(conv, t->height);
    size_t picture = (size_t)t->height * (size_t)t->width * (size_t)conv->in;
    int row = (int)(number % cells / across), column = (int)(number % cells % across);
    int border = conv->kernel / 2;
    float *out = t->room->windows + index * window_elements(conv);
    gather_window(conv, t->x + number / cells * picture, t->height, t->width,
                  row * conv->stride - border, column * conv->stride - border, out);
    return out;
}

static void gather_task(void *context, size_t index) {
    const tile *t = context;
    const pix_codes *codes = &t->room->codes;
    size_t window = window_elements(t->conv), stride = pix_codes_stride(t->kernels, (int)window);
    for (size_t i = index * ROWS; i < t->rows && i < (index + 1) * ROWS; i++) {
        const float *x = window_of(t, i);
        if (t->conv->int8)
            codes->scales[i] = t->kernels->quantise(x, window, codes->codes + i * stride);
    }
}

void pix_conv_run(const pix_conv *conv, const pix_compute *compute, int count, int height,
                  int width, const float *x, const pix_conv_room *room, float *out) {
    assert(conv->kernel % 2 == 1 && (conv->kernel > 1 || conv->stride == 1));
    const pix_epilogue epilogue = {
        .bias = conv->bias, .add = conv->add, .activation = conv->relu ? PIX_RELU : PIX_LINEAR};
    size_t total =
        (size_t)count * (size_t)pix_conv_side(conv, height) * (size_t)pix_conv_side(conv, width);
    size_t channels = (size_t)conv->out;
    tile t = {.conv = conv,
              .kernels = compute->kernels,
              .height = height,
              .width = width,
              .x = x,
              .room = room};
    for (; t.first < total; t.first += PIX_CONV_TILE, out += PIX_CONV_TILE * channels) {
        t.rows = total - t.first < PIX_CONV_TILE ? total - t.first : PIX_CONV_TILE;
        if (conv->kernel > 1 || conv->int8)
            pix_pool_run(compute->pool, (t.rows + ROWS - 1) / ROWS, gather_task, &t);
        if (conv->int8)
            pix_matmul_int8(compute, (int)t.rows, &room->codes, &conv->codes, &epilogue, out,
                            channels);
        else
            pix_matmul_f32(compute, (int)t.rows,
                           conv->kernel > 1 ? room->windows : x + t.first * (size_t)conv->in,
                           window_elements(conv), &conv->f32, &epilogue, out, channels);
    }
}

static void mean_of_four(float *restrict out, const float *restrict upper,
                         const float *restrict lower, size_t channels) {
    for (size_t i = 0; i < channels; i++)
        out[i] = 0.25f * ((upper[i] + upper[i + channels]) + (lower[i] + lower[i + channels]));
}

void pix_average_pool(int count, int height, int width, int channels, const float *x, float *out) {
    size_t pixel = (size_t)channels, row = (size_t)width * pixel;
    for (int picture = 0; picture < count; picture++, x += (size_t)height * row)
        for (int y = 0; y < height / 2; y++)
            for (int column = 0; column < width / 2; column++, out += pixel) {
                const float *upper = x + 2 * (size_t)y * row + 2 * (size_t)column * pixel;
                mean_of_four(out, upper, upper + row, pixel);
            }
}
