#include "core/tensor/matmul.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include "core/tensor/kernels.h"

/* A thread's share of weights, so that they stay in its second-level cache while rows pass. */
enum { CACHE_BYTES = 400 * 1024 };
/* Tiles of rows in one task; and tasks for each thread, so that none waits long for the last. */
enum { BLOCK_TILES = 8, TASKS_PER_THREAD = 4 };
/* Rows quantised in one task. */
enum { QUANTISE_ROWS = 16 };

/* A product, cut into tasks: `blocks` of row tiles times `ranges` of panels. */
typedef struct product {
    const pix_kernels *kernels;
    const pix_epilogue *epilogue;
    float *out;
    size_t out_stride;
    int rows, channels;
    size_t tiles, panels;             /* in all */
    size_t tile_panels;               /* panels of a tile */
    size_t blocks, ranges, per_range; /* per_range: panels, a multiple of tile_panels */
    const float *x;                   /* float32 */
    size_t x_stride;
    pix_panels_f32 f32;
    pix_codes codes; /* int8 */
    pix_panels_int8 int8;
} product;

static size_t divided_up(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* Ranges as large as the cache likes, but halved while threads would have too little to choose
 * from. */
static void cut(product *p, int tile_rows, int tile_panels, size_t panel_bytes, int threads) {
    p->tile_panels = (size_t)tile_panels;
    p->tiles = divided_up((size_t)p->rows, (size_t)tile_rows);
    p->panels = divided_up((size_t)p->channels, PIX_PANEL);
    p->blocks = divided_up(p->tiles, BLOCK_TILES);
    size_t steps = divided_up(p->panels, p->tile_panels); /* a row of tiles */
    size_t step_bytes = panel_bytes * p->tile_panels;
    size_t per_range = step_bytes < CACHE_BYTES ? CACHE_BYTES / step_bytes : 1;
    per_range = per_range < steps ? per_range : steps;
    size_t tasks = threads > 1 ? (size_t)threads * TASKS_PER_THREAD : 1;
    while (per_range > 1 && p->blocks * divided_up(steps, per_range) < tasks)
        per_range = divided_up(per_range, 2);
    p->ranges = divided_up(steps, per_range);
    p->per_range = per_range * p->tile_panels;
}

/* What a task covers.  Tiles are of nearly equal heights, and so are blocks of them. */
typedef struct pix_share {
    size_t first_tile, last_tile, first_panel, last_panel;
} pix_share;

static pix_share share_of(const product *p, size_t task) {
    size_t block = task % p->blocks, range = task / p->blocks;
    size_t end = (range + 1) * p->per_range;
    return (pix_share){.first_tile = block * p->tiles / p->blocks,
                       .last_tile = (block + 1) * p->tiles / p->blocks,
                       .first_panel = range * p->per_range,
                       .last_panel = end < p->panels ? end : p->panels};
}

static int tile_row(const product *p, size_t tile) {
    return (int)(tile * (size_t)p->rows / p->tiles);
}

/* The panel beyond the last one of a tile's, if the last tile lacks one, is the last again; its
 * columns are not written. */
static size_t panel_or_last(const product *p, size_t panel) {
    return panel < p->panels ? panel : p->panels - 1;
}

static pix_finish finish_of(const product *p, int row, int rows, size_t panel) {
    int first = (int)panel * PIX_PANEL, width = (int)p->tile_panels * PIX_PANEL;
    int rest = p->channels - first;
    const float *bias = p->epilogue->bias;
    return (pix_finish){.rows = rows,
                        .columns = rest < width ? rest : width,
                        .width = width,
                        .bias = bias ? bias + first : NULL,
                        .add = p->epilogue->add,
                        .activation = p->epilogue->activation,
                        .out = p->out + (size_t)row * p->out_stride + first,
                        .stride = p->out_stride};
}

/* The sums over inputs first..first + inputs for one tile of rows and a range of panels: the first
 * of them brings the bias, the others are added, the last one is followed by the activation. */
static void f32_tiles(const product *p, const pix_share *share, size_t tile, size_t first,
                      size_t inputs) {
    alignas(64) float x[PIX_TILE_ROWS * PIX_F32_STRIDE];
    alignas(64) float sums[PIX_TILE_VALUES];
    size_t in = (size_t)p->f32.in;
    int row = tile_row(p, tile), rows = tile_row(p, tile + 1) - row;
    for (int i = 0; i < rows; i++)
        memcpy(x + i * PIX_F32_STRIDE, p->x + (size_t)(row + i) * p->x_stride + first,
               inputs * sizeof *x);
    for (size_t panel = share->first_panel; panel < share->last_panel; panel += p->tile_panels) {
        const float *panels[PIX_TILE_PANELS];
        for (size_t i = 0; i < p->tile_panels; i++)
            panels[i] = p->f32.values + (panel_or_last(p, panel + i) * in + first) * PIX_PANEL;
        p->kernels->f32_tile(rows, x, inputs, panels, sums);
        pix_finish finish = finish_of(p, row, rows, panel);
        if (first > 0) {
            finish.add = true;
            finish.bias = NULL;
        }
        if (first + inputs < in)
            finish.activation = PIX_LINEAR;
        p->kernels->f32_finish(&finish, sums);
    }
}

static void f32_task(void *context, size_t index) {
    const product *p = context;
    const pix_share share = share_of(p, index);
    size_t in = (size_t)p->f32.in;
    for (size_t first = 0; first < in; first += PIX_F32_INPUTS) {
        size_t inputs = in - first < PIX_F32_INPUTS ? in - first : PIX_F32_INPUTS;
        for (size_t tile = share.first_tile; tile < share.last_tile; tile++)
            f32_tiles(p, &share, tile, first, inputs);
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
                 .channels = weights->out,
                 .x = x,
                 .x_stride = x_stride,
                 .f32 = *weights};
    size_t inputs = weights->in < PIX_F32_INPUTS ? (size_t)weights->in : PIX_F32_INPUTS;
    if (rows < 1)
        return;
    cut(&p, kernels->f32_rows, kernels->f32_panels, inputs * PIX_PANEL * sizeof *x,
        pix_pool_threads(compute->pool));
    pix_pool_run(compute->pool, p.blocks * p.ranges, f32_task, &p);
}

static void int8_tiles(const product *p, const pix_share *share, size_t tile) {
    alignas(64) int32_t sums[PIX_TILE_VALUES];
    size_t groups = pix_panels_int8_groups(p->int8.in), stride = pix_codes_stride(p->int8.in);
    int row = tile_row(p, tile), rows = tile_row(p, tile + 1) - row;
    for (size_t panel = share->first_panel; panel < share->last_panel; panel += p->tile_panels) {
        pix_int8_panel panels[PIX_TILE_PANELS];
        for (size_t i = 0; i < p->tile_panels; i++) {
            size_t channel = panel_or_last(p, panel + i) * PIX_PANEL;
            panels[i] = (pix_int8_panel){.codes = p->int8.codes + channel * groups * 4,
                                         .sums = p->int8.sums + channel};
        }
        p->kernels->int8_tile(rows, p->codes.codes + (size_t)row * stride, stride, groups, panels,
                              sums);
        pix_finish finish = finish_of(p, row, rows, panel);
        finish.row_scales = p->codes.scales + row;
        finish.channel_scales = p->int8.scales + panel * PIX_PANEL;
        p->kernels->int8_finish(&finish, sums);
    }
}

static void int8_task(void *context, size_t index) {
    const product *p = context;
    const pix_share share = share_of(p, index);
    for (size_t tile = share.first_tile; tile < share.last_tile; tile++)
        int8_tiles(p, &share, tile);
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
                 .channels = weights->out,
                 .codes = *x,
                 .int8 = *weights};
    if (rows < 1)
        return;
    cut(&p, kernels->int8_rows, kernels->int8_panels,
        pix_panels_int8_groups(weights->in) * PIX_PANEL * 4, pix_pool_threads(compute->pool));
    pix_pool_run(compute->pool, p.blocks * p.ranges, int8_task, &p);
}

size_t pix_codes_stride(int in) {
    return divided_up((size_t)in, 64) * 64 | 64;
}

typedef struct quantisation {
    const pix_kernels *kernels;
    size_t rows, in;
    const float *x;
    size_t x_stride;
    pix_codes out;
} quantisation;

static void quantise_task(void *context, size_t index) {
    const quantisation *q = context;
    size_t stride = pix_codes_stride((int)q->in), first = index * QUANTISE_ROWS;
    for (size_t row = first; row < q->rows && row < first + QUANTISE_ROWS; row++)
        q->out.scales[row] = q->kernels->quantise(
            q->x + row * q->x_stride, q->in, q->kernels->int8_offset, q->out.codes + row * stride);
}

void pix_quantise(const pix_compute *compute, int rows, int in, const float *x, size_t stride,
                  const pix_codes *out) {
    assert(in <= PIX_INT8_INPUTS);
    quantisation q = {.kernels = compute->kernels,
                      .rows = rows > 0 ? (size_t)rows : 0,
                      .in = (size_t)in,
                      .x = x,
                      .x_stride = stride,
                      .out = *out};
    pix_pool_run(compute->pool, divided_up(q.rows, QUANTISE_ROWS), quantise_task, &q);
}
