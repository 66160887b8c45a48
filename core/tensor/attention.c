#include "core/tensor/attention.h"

#include <stdatomic.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/layers.h"
#include "core/tensor/loops.h"

/* Queries whose scores are made, and used up, while a cache holds them. */
enum { QUERIES = 112 };

/* Keys and values of one head of one sequence, packed, and scores of some of its queries. */
static size_t room_of_head(size_t keys, size_t width) {
    size_t columns = pix_panel_columns(keys);
    return columns * width + pix_panel_columns(width) * keys + QUERIES * columns;
}

size_t pix_attend_room(const pix_pool *pool, int keys, int width) {
    size_t room, threads = (size_t)pix_pool_threads(pool);
    /* Two ints multiply without overflow, so the sum of three such products is the only danger. */
    size_t one = pix_panel_columns(room_of_head((size_t)keys, (size_t)width));
    return pix_size_multiply(one, threads, &room) ? room : 0;
}

/* A panel for each 16 keys; those beyond the last, which nothing comes of, are the last again. */
static pix_panels_f32 pack_keys(const pix_attention *a, const pix_kernels *kernels, const float *k,
                                float *room) {
    size_t keys = (size_t)a->keys, width = (size_t)a->width;
    pix_panels_f32 panels = {.out = a->keys, .in = a->width, .values = room};
    for (size_t first = 0; first < keys; first += PIX_PANEL, room += width * PIX_PANEL) {
        const float *rows[PIX_PANEL];
        for (size_t lane = 0; lane < PIX_PANEL; lane++)
            rows[lane] = k + (first + lane < keys ? first + lane : keys - 1) * a->kv_stride;
        kernels->loops->pack_keys(rows, width, a->scale, room);
    }
    return panels;
}

/* A panel for each 16 columns of the values, filled up with zeros. */
static pix_panels_f32 pack_values(const pix_attention *a, const float *v, float *room) {
    size_t width = (size_t)a->width;
    pix_panels_f32 panels = {.out = a->width, .in = a->keys, .values = room};
    for (size_t first = 0; first < width; first += PIX_PANEL)
        for (size_t row = 0; row < (size_t)a->keys; row++, room += PIX_PANEL) {
            const float *values = v + row * a->kv_stride + first;
            if (width - first >= PIX_PANEL) {
                memcpy(room, values, PIX_PANEL * sizeof *room);
                continue;
            }
            memset(room, 0, PIX_PANEL * sizeof *room);
            memcpy(room, values, (width - first) * sizeof *room);
        }
    return panels;
}

typedef struct attending {
    const pix_attention *attention;
    pix_compute alone; /* the kernels without the threads, which have a head each */
    float *room;
    size_t room_of_one;
    float *out;
    size_t out_stride;
    atomic_size_t next; /* head of all sequences that nobody has taken */
} attending;

static void attend_head(const attending *work, size_t sequence, size_t head, float *room) {
    const pix_attention *a = work->attention;
    size_t column = head * (size_t)a->width, keys = (size_t)a->keys,
           columns = pix_panel_columns(keys);
    size_t first_key = sequence * keys * a->kv_stride + column;
    size_t first_query = sequence * (size_t)a->queries;
    float *values = room + columns * (size_t)a->width;
    float *scores = values + pix_panel_columns((size_t)a->width) * keys;
    pix_panels_f32 k = pack_keys(a, work->alone.kernels, a->k + first_key, room);
    pix_panels_f32 v = pack_values(a, a->v + first_key, values);
    const pix_epilogue plain = {0};
    for (int done = 0; done < a->queries; done += QUERIES) {
        int count = a->queries - done < QUERIES ? a->queries - done : QUERIES;
        size_t row = first_query + (size_t)done;
        pix_matmul_f32(&work->alone, count, a->q + row * a->q_stride + column, a->q_stride, &k,
                       &plain, scores, columns);
        for (int i = 0; i < count; i++)
            pix_softmax(work->alone.kernels, scores + (size_t)i * columns, keys);
        pix_matmul_f32(&work->alone, count, scores, columns, &v, &plain,
                       work->out + row * work->out_stride + column, work->out_stride);
    }
}

/* Heads until there are no more; each task has a room of its own. */
static void attend_task(void *context, size_t index) {
    attending *work = context;
    size_t heads = (size_t)work->attention->heads;
    size_t count = (size_t)work->attention->sequences * heads;
    for (size_t i; (i = atomic_fetch_add(&work->next, 1)) < count;)
        attend_head(work, i / heads, i % heads, work->room + index * work->room_of_one);
}

void pix_attend(const pix_compute *compute, const pix_attention *attention, float *room, float *out,
                size_t out_stride) {
    attending work = {.attention = attention,
                      .alone = {.kernels = compute->kernels},
                      .room = room,
                      .room_of_one = pix_panel_columns(
                          room_of_head((size_t)attention->keys, (size_t)attention->width)),
                      .out = out,
                      .out_stride = out_stride};
    size_t threads = (size_t)pix_pool_threads(compute->pool);
    size_t heads = (size_t)attention->sequences * (size_t)attention->heads;
    pix_pool_run(compute->pool, heads < threads ? heads : threads, attend_task, &work);
}

void pix_attend_rows(const pix_kernels *kernels, const float *q, const pix_memory *memory,
                     const int32_t *rows, size_t count, size_t width, float *scores, float *out) {
    kernels->loops->attend(q, memory, rows, count, width, scores, out);
}
