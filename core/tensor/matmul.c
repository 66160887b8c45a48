#include "core/tensor/matmul.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "core/tensor/kernels.h"

/* A block of rows that are multiplied with one panel of weights after the other: few enough to stay
 * in a second-level cache, enough that reading the weights costs nothing beside it. */
enum { BLOCK_ROWS = 112, BLOCK_BYTES = 256 * 1024 };
/* Tasks for each thread, so that none waits long for the last; but tasks of some microseconds, as a
 * thread needs one to take a task, and none for others where waking them would take longer. */
enum { TASKS_PER_THREAD = 4, TASK_PRODUCTS = 1 << 20, FEWEST_PRODUCTS = 1 << 17 };
/* Numbers quantised in one task. */
enum { QUANTISE_VALUES = 8192 };

/* A product, cut into tasks: `blocks` of row tiles times `ranges` of panels. */
typedef struct product {
    const pix_kernels *kernels;
    const pix_epilogue *epilogue;
    float *out;
    size_t out_stride;
    int rows, in, channels;
    size_t tile_panels;          /* panels of a tile */
    size_t panels, tiles, steps; /* tiles that the rows make; that the panels make */
    size_t blocks, ranges;       /* of tiles; of steps */
    const float *x;              /* float32 */
    size_t x_stride;
    pix_panels_f32 f32;
    pix_codes codes; /* int8 */
    pix_panels_int8 int8;
} product;

static size_t divided_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t task_count(const product *p, size_t threads) {
    size_t products = (size_t)p->rows * (size_t)p->in * (size_t)p->channels;
    if (threads < 2 || products < FEWEST_PRODUCTS)
        return 1;
    size_t tasks = least(products / TASK_PRODUCTS, threads * TASKS_PER_THREAD);
    return tasks > threads ? tasks : threads;
}

/* row_bytes: of the activations that a tile kernel reads. */
static void cut(product *p, int tile_rows, int tile_panels, size_t row_bytes, int threads) {
    p->tile_panels = (size_t)tile_panels;
    p->panels = divided_up((size_t)p->channels, PIX_PANEL);
    p->steps = divided_up(p->panels, p->tile_panels);
    p->tiles = divided_up((size_t)p->rows, (size_t)tile_rows);
    size_t block_rows = least(BLOCK_ROWS, BLOCK_BYTES / row_bytes);
    size_t block_tiles = block_rows / (size_t)tile_rows;
    p->blocks = divided_up(p->tiles, block_tiles > 0 ? block_tiles : 1);
    p->ranges = least(divided_up(task_count(p, (size_t)threads), p->blocks), p->steps);
}

/* What a task covers.  Blocks, ranges and the heights of tiles are as equal as they can be. */
typedef struct pix_share {
    size_t first_tile, last_tile, first_step, last_step;
} pix_share;

static pix_share share_of(const product *p, size_t task) {
    size_t block = task / p->ranges, range = task % p->ranges;
    return (pix_share){.first_tile = block * p->tiles / p->blocks,
                       .last_tile = (block + 1) * p->tiles / p->blocks,
                       .first_step = range * p->steps / p->ranges,
                       .last_step = (range + 1) * p->steps / p->ranges};
}

static int tile_row(const product *p, size_t tile) {
    return (int)(tile * (size_t)p->rows / p->tiles);
}

/* The i-th panel of a step.  The one beyond the last, if the last step lacks one, is the last
 * again; its columns are not written. */
static size_t panel_of(const product *p, size_t step, size_t i) {
    return least(step * p->tile_panels + i, p->panels - 1);
}

static pix_finish finish_of(const product *p, int row, int rows, size_t step) {
    int width = (int)p->tile_panels * PIX_PANEL, first = (int)step * width;
    int rest = p->channels - first;
    assert(!p->epilogue->scale || p->epilogue->activation != PIX_LINEAR);
    const float *bias = p->epilogue->bias, *scale = p->epilogue->scale;
    return (pix_finish){.rows = rows,
                        .columns = rest < width ? rest : width,
                        .width = width,
                        .bias = bias ? bias + first : NULL,
                        .scale = scale ? scale + first : NULL,
                        .add = p->epilogue->add,
                        .activation = p->epilogue->activation,
                        .out = p->out + (size_t)row * p->out_stride + first,
                        .stride = p->out_stride};
}

/* In pieces of a known size, which become plain loads and stores: for one of unknown size compilers
 * like a string instruction that takes longer to start than all of this. */
static void copy(float *restrict to, const float *restrict from, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        memcpy(to + i, from + i, 16 * sizeof *to);
    for (; i < count; i++)
        to[i] = from[i];
}

/* Asks for the lines that a tile's results will go to, so that they come while its sums are made.
 */
static void expect(const pix_finish *finish) {
    for (int row = 0; row < finish->rows; row++)
        for (int column = 0; column < finish->columns; column += PIX_PANEL)
            __builtin_prefetch(finish->out + (size_t)row * finish->stride + column, 1);
}

/* What tile number `tile` of a share's asks for of the next step's weights: `size` bytes of each
 * panel lie at panels[i]. */
static pix_ahead ahead_of(const product *p, const pix_share *share, size_t tile,
                          const char *const *panels, size_t size) {
    size_t tiles = share->last_tile - share->first_tile;
    pix_ahead ahead = {.step = 64 / tiles};
    for (size_t i = 0; i < p->tile_panels; i++)
        ahead.panels[i] = panels[i] + (tile - share->first_tile) * size / tiles;
    return ahead;
}

/* A block's rows, inputs first..first + inputs of each, side by side. */
static void gather(const product *p, const pix_share *share, size_t first, size_t inputs,
                   float *x) {
    int row = tile_row(p, share->first_tile), last = tile_row(p, share->last_tile);
    for (; row < last; row++, x += PIX_F32_STRIDE)
        copy(x, p->x + (size_t)row * p->x_stride + first, inputs);
}

/* The sums over some inputs: the first of them bring the bias, the others are added, the last are
 * followed by the activation. */
static void f32_inputs(const product *p, const pix_share *share, size_t first, size_t inputs) {
    alignas(64) float x[BLOCK_ROWS * PIX_F32_STRIDE];
    alignas(64) float sums[PIX_TILE_VALUES];
    size_t in = (size_t)p->f32.in;
    int first_row = tile_row(p, share->first_tile);
    gather(p, share, first, inputs, x);
    for (size_t step = share->first_step; step < share->last_step; step++) {
        const float *panels[PIX_TILE_PANELS];
        const char *next[PIX_TILE_PANELS];
        for (size_t i = 0; i < p->tile_panels; i++) {
            panels[i] = p->f32.values + (panel_of(p, step, i) * in + first) * PIX_PANEL;
            next[i] =
                (const char *)(p->f32.values + (panel_of(p, step + 1, i) * in + first) * PIX_PANEL);
        }
        for (size_t tile = share->first_tile; tile < share->last_tile; tile++) {
            int row = tile_row(p, tile), rows = tile_row(p, tile + 1) - row;
            pix_finish finish = finish_of(p, row, rows, step);
            pix_ahead ahead = ahead_of(p, share, tile, next, inputs * PIX_PANEL * sizeof *x);
            if (first > 0) {
                finish.add = true;
                finish.bias = NULL;
            }
            if (first + inputs < in)
                finish.activation = PIX_LINEAR;
            expect(&finish);
            p->kernels->f32_tile(rows, x + (size_t)(row - first_row) * PIX_F32_STRIDE, inputs,
                                 panels, &ahead, sums);
            p->kernels->f32_finish(&finish, sums);
        }
    }
}

static void f32_task(void *context, size_t index) {
    const product *p = context;
    const pix_share share = share_of(p, index);
    size_t in = (size_t)p->f32.in, parts = divided_up(in, PIX_F32_INPUTS);
    for (size_t part = 0; part < parts; part++) {
        size_t first = part * in / parts;
        f32_inputs(p, &share, first, (part + 1) * in / parts - first);
    }
}

void pix_matmul_f32(const pix_compute *compute, int rows, const float *x, size_t x_stride,
                    const pix_panels_f32 *weights, const pix_epilogue *epilogue, float *out,
                    size_t out_stride) {
    const pix_kernels *kernels = compute->kernels;
    product p = {.kernels = kernels,
                 .epilogue = epilogue,
                 .out = out,
                 .out_stride = out_stride,
                 .rows = rows,
                 .in = weights->in,
                 .channels = weights->out,
                 .x = x,
                 .x_stride = x_stride,
                 .f32 = *weights};
    if (rows < 1)
        return;
    cut(&p, kernels->f32_rows, kernels->f32_panels, PIX_F32_STRIDE * sizeof *x,
        pix_pool_threads(compute->pool));
    pix_pool_run(compute->pool, p.blocks * p.ranges, f32_task, &p);
}

static void int8_task(void *context, size_t index) {
    const product *p = context;
    const pix_share share = share_of(p, index);
    alignas(64) int32_t sums[PIX_TILE_VALUES];
    size_t groups = pix_panels_int8_groups(p->int8.in);
    size_t stride = pix_codes_stride(p->kernels, p->int8.in);
    size_t panel_bytes = groups * PIX_GROUP;
    for (size_t step = share.first_step; step < share.last_step; step++) {
        pix_int8_panel panels[PIX_TILE_PANELS];
        const char *next[PIX_TILE_PANELS];
        for (size_t i = 0; i < p->tile_panels; i++) {
            size_t panel = panel_of(p, step, i);
            panels[i] = (pix_int8_panel){.codes = p->int8.codes + panel * panel_bytes,
                                         .sums = p->int8.sums + panel * PIX_PANEL};
            next[i] = (const char *)p->int8.codes + panel_of(p, step + 1, i) * panel_bytes;
        }
        for (size_t tile = share.first_tile; tile < share.last_tile; tile++) {
            int row = tile_row(p, tile), rows = tile_row(p, tile + 1) - row;
            pix_finish finish = finish_of(p, row, rows, step);
            pix_ahead ahead = ahead_of(p, &share, tile, next, panel_bytes);
            finish.row_scales = p->codes.scales + row;
            finish.channel_scales = p->int8.scales + step * p->tile_panels * PIX_PANEL;
            expect(&finish);
            p->kernels->int8_tile(rows, p->codes.codes + (size_t)row * stride, stride, groups,
                                  panels, &ahead, sums);
            p->kernels->int8_finish(&finish, sums);
        }
    }
}

void pix_matmul_int8(const pix_compute *compute, int rows, const pix_codes *x,
                     const pix_panels_int8 *weights, const pix_epilogue *epilogue, float *out,
                     size_t out_stride) {
    const pix_kernels *kernels = compute->kernels;
    product p = {.kernels = kernels,
                 .epilogue = epilogue,
                 .out = out,
                 .out_stride = out_stride,
                 .rows = rows,
                 .in = weights->in,
                 .channels = weights->out,
                 .codes = *x,
                 .int8 = *weights};
    if (rows < 1)
        return;
    cut(&p, kernels->int8_rows, kernels->int8_panels, pix_codes_stride(kernels, weights->in),
        pix_pool_threads(compute->pool));
    pix_pool_run(compute->pool, p.blocks * p.ranges, int8_task, &p);
}

size_t pix_codes_stride(const pix_kernels *kernels, int in) {
    size_t bytes = (size_t)in * (kernels->int8_code == PIX_CODE_WORD ? 2 : 1);
    return divided_up(bytes, 64) * 64 | 64;
}

typedef struct quantisation {
    const pix_kernels *kernels;
    size_t rows, task_rows, in;
    const float *x;
    size_t x_stride;
    pix_codes out;
} quantisation;

static void quantise_task(void *context, size_t index) {
    const quantisation *q = context;
    size_t stride = pix_codes_stride(q->kernels, (int)q->in), first = index * q->task_rows;
    for (size_t row = first; row < q->rows && row < first + q->task_rows; row++)
        q->out.scales[row] =
            q->kernels->quantise(q->x + row * q->x_stride, q->in, q->out.codes + row * stride);
}

void pix_quantise(const pix_compute *compute, int rows, int in, const float *x, size_t stride,
                  const pix_codes *out) {
    assert(in <= PIX_INT8_INPUTS);
    quantisation q = {.kernels = compute->kernels,
                      .rows = rows > 0 ? (size_t)rows : 0,
                      .task_rows = divided_up(QUANTISE_VALUES, (size_t)in),
                      .in = (size_t)in,
                      .x = x,
                      .x_stride = stride,
                      .out = *out};
    pix_pool_run(compute->pool, divided_up(q.rows, q.task_rows), quantise_task, &q);
}
