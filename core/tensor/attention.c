#include "core/tensor/attention.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/layers.h"

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
static pix_panels_f32 pack_keys(const pix_attention *a, const float *k, float *room) {
    size_t keys = (size_t)a->keys, width = (size_t)a->width;
    pix_panels_f32 panels = {.out = a->keys, .in = a->width, .values = room};
    for (size_t first = 0; first < keys; first += PIX_PANEL) {
        const float *rows[PIX_PANEL];
        for (size_t lane = 0; lane < PIX_PANEL; lane++)
            rows[lane] = k + (first + lane < keys ? first + lane : keys - 1) * a->kv_stride;
        for (size_t i = 0; i < width; i++, room += PIX_PANEL)
            for (size_t lane = 0; lane < PIX_PANEL; lane++)
                room[lane] = a->scale * rows[lane][i];
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
    pix_panels_f32 k = pack_keys(a, a->k + first_key, room);
    pix_panels_f32 v = pack_values(a, a->v + first_key, values);
    const pix_epilogue plain = {0};
    for (int done = 0; done < a->queries; done += QUERIES) {
        int count = a->queries - done < QUERIES ? a->queries - done : QUERIES;
        size_t row = first_query + (size_t)done;
        pix_matmul_f32(&work->alone, count, a->q + row * a->q_stride + column, a->q_stride, &k,
                       &plain, scores, columns);
        for (int i = 0; i < count; i++)
            pix_softmax(scores + (size_t)i * columns, keys);
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

/* Running sums side by side, so that compilers vectorise them. */
enum { LANES = 16 };

static float dot(const float *a, const float *b, size_t size) {
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += a[i] * b[i];
    float total = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        total += sum[lane];
    return total;
}

static void add_scaled(float *restrict out, const float *restrict x, float scale, size_t size) {
    size_t i = 0;
    for (; i + LANES <= size; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            out[i + lane] += scale * x[i + lane];
    for (; i < size; i++)
        out[i] += scale * x[i];
}

void pix_attend_rows(const float *q, const pix_memory *memory, const int32_t *rows, size_t count,
                     size_t width, float *scores, float *out) {
    float scale = 1.0f / sqrtf((float)width);
    for (size_t i = 0; i < count; i++)
        scores[i] = scale * dot(q, memory->k + (size_t)rows[i] * memory->stride, width);
    pix_softmax(scores, count);
    memset(out, 0, width * sizeof *out);
    for (size_t i = 0; i < count; i++)
        add_scaled(out, memory->v + (size_t)rows[i] * memory->stride, scores[i], width);
}
