#include "core/tensor/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

enum { ROWS = 40, STRIDE = 300 };

static float k[ROWS * STRIDE], v[ROWS * STRIDE], q[STRIDE];
static const pix_memory memory = {.k = k, .v = v, .stride = STRIDE};

static int fill(void **state) {
    (void)state;
    uint32_t seed = 3;
    for (size_t i = 0; i < (size_t)ROWS * STRIDE; i++) {
        seed = seed * 1664525 + 1013904223;
        k[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
        v[i] = (float)((seed >> 4) & 0xFFFF) / 32768.0f - 1.0f;
        q[i % STRIDE] = 2 * k[i];
    }
    return 0;
}

/* softmax(q k' / sqrt(width)) v in float64. */
static double expected(const int32_t *rows, size_t count, size_t width, size_t column) {
    double sum = 0, total = 0;
    for (size_t i = 0; i < count; i++) {
        double score = 0;
        for (size_t j = 0; j < width; j++)
            score += (double)q[j] * (double)k[(size_t)rows[i] * STRIDE + j];
        double weight = exp(score / sqrt((double)width));
        sum += weight;
        total += weight * (double)v[(size_t)rows[i] * STRIDE + column];
    }
    return total / sum;
}

static void rows_in_any_order_and_number(void **state) {
    (void)state;
    static const size_t widths[] = {1, 15, 16, 17, 32, 64, 80, 255};
    int32_t rows[ROWS];
    float scores[ROWS], out[STRIDE], first[STRIDE], other[STRIDE];
    for (size_t count = 1; count <= ROWS; count += 3)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            for (size_t i = 0; i < count; i++)
                rows[i] = (int32_t)((i * 17 + 5) % ROWS);
            const pix_kernels *kernels;
            for (size_t kind = 0; (kernels = pix_kernels_at(kind)); kind++) {
                pix_attend_rows(kernels, q, &memory, rows, count, widths[w], scores, out);
                for (size_t j = 0; j < widths[w]; j++) {
                    double want = expected(rows, count, widths[w], j);
                    assert_true(fabs((double)out[j] - want) < 1e-5);
                }
                memcpy(kind == 0 ? first : other, out, sizeof out);
                if (kind > 0)
                    assert_memory_equal(other, first, widths[w] * sizeof *out);
            }
        }
}

static void one_row_is_its_value(void **state) {
    (void)state;
    const int32_t row = 11;
    float score, out[64];
    pix_attend_rows(pix_kernels_at(0), q, &memory, &row, 1, 64, &score, out);
    assert_memory_equal(out, v + (size_t)row * STRIDE, sizeof out);
}

/* Three sequences of odd sizes; q, k and v side by side, and room around what is written. */
typedef struct sequences {
    pix_attention attention;
    float *qkv;
    size_t columns, out_stride;
} sequences;

static float *random_floats(size_t count) {
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    uint32_t seed = 7;
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

static sequences make(int heads, int width, int queries, int keys) {
    sequences s = {.columns = (size_t)heads * (size_t)width};
    size_t stride = 3 * s.columns + 5, rows = 3 * (size_t)(queries > keys ? queries : keys);
    s.qkv = random_floats(rows * stride);
    s.out_stride = s.columns + 3;
    s.attention = (pix_attention){.sequences = 3,
                                  .heads = heads,
                                  .width = width,
                                  .queries = queries,
                                  .keys = keys,
                                  .q = s.qkv,
                                  .k = s.qkv + s.columns,
                                  .v = s.qkv + 2 * s.columns,
                                  .q_stride = stride,
                                  .kv_stride = stride,
                                  .scale = 3.0f / sqrtf((float)width)};
    return s;
}

/* What is attended to, and around it what was there before. */
static float *attend(const pix_compute *compute, const sequences *s) {
    const pix_attention *a = &s->attention;
    size_t size = (size_t)a->sequences * (size_t)a->queries * s->out_stride;
    float *out = calloc(size, sizeof *out);
    float *area = calloc(pix_attend_room(compute->pool, a->keys, a->width), sizeof *area);
    assert_non_null(out);
    assert_non_null(area);
    pix_attend(compute, a, area, out, s->out_stride);
    free(area);
    return out;
}

/* One output in float64. */
static double attended(const pix_attention *a, size_t query, size_t column) {
    size_t head = column / (size_t)a->width * (size_t)a->width;
    size_t first = query / (size_t)a->queries * (size_t)a->keys;
    double sum = 0, total = 0;
    for (size_t key = first; key < first + (size_t)a->keys; key++) {
        double score = 0;
        for (size_t i = head; i < head + (size_t)a->width; i++)
            score += (double)a->q[query * a->q_stride + i] * (double)a->k[key * a->kv_stride + i];
        double weight = exp(score * (double)a->scale);
        sum += weight;
        total += weight * (double)a->v[key * a->kv_stride + column];
    }
    return total / sum;
}

static void check(const pix_kernels *kernels, int heads, int width, int queries, int keys) {
    sequences s = make(heads, width, queries, keys);
    float *out = attend(&(pix_compute){.kernels = kernels}, &s);
    for (size_t i = 0; i < 3 * (size_t)queries * s.out_stride; i++) {
        size_t query = i / s.out_stride, column = i % s.out_stride;
        double want = column < s.columns ? attended(&s.attention, query, column) : 0;
        if (!(fabs((double)out[i] - want) < 1e-5))
            fail_msg("%s, %d heads of %d, %d queries, %d keys: [%zu, %zu] is %.9g, not %.9g",
                     pix_kernels_name(kernels), heads, width, queries, keys, query, column,
                     (double)out[i], want);
    }
    free(out);
    free(s.qkv);
}

static void every_row_attends_to_its_sequence(void **state) {
    (void)state;
    static const int shapes[][4] = {{1, 1, 1, 1},   {3, 64, 50, 50},  {2, 80, 17, 17},
                                    {5, 7, 16, 33}, {1, 200, 4, 50},  {2, 33, 1, 40},
                                    {1, 8, 113, 5}, {2, 16, 230, 32}, {1, 15, 3, 400}};
    const pix_kernels *kernels;
    for (size_t which = 0; (kernels = pix_kernels_at(which)); which++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check(kernels, shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
}

static void neighbours_and_threads_change_no_bit(void **state) {
    (void)state;
    pix_error error;
    pix_compute compute = {0}, threads;
    assert_ok(pix_kernels_choose(NULL, &compute.kernels, &error), &error);
    threads = compute;
    assert_ok(pix_pool_new(3, &threads.pool, &error), &error);
    sequences s = make(5, 24, 50, 50), last = s;
    last.attention.sequences = 1;
    last.attention.q += 100 * last.attention.q_stride;
    last.attention.k += 100 * last.attention.kv_stride;
    last.attention.v += 100 * last.attention.kv_stride;
    float *out = attend(&compute, &s), *shared = attend(&threads, &s);
    float *alone = attend(&compute, &last);
    assert_memory_equal(shared, out, 150 * s.out_stride * sizeof *out);
    assert_memory_equal(alone, out + 100 * s.out_stride, 50 * s.out_stride * sizeof *out);
    free(out);
    free(shared);
    free(alone);
    free(s.qkv);
    pix_pool_free(threads.pool);
}

static void the_queries_of_one_head_may_be_overwritten(void **state) {
    (void)state;
    pix_error error;
    pix_compute compute = {0};
    assert_ok(pix_kernels_choose(NULL, &compute.kernels, &error), &error);
    sequences s = make(1, 40, 130, 21);
    float *out = attend(&compute, &s), *queries = random_floats(390 * s.out_stride);
    for (size_t row = 0; row < 390; row++)
        memcpy(queries + row * s.out_stride, s.qkv + row * s.attention.q_stride, 40 * sizeof *out);
    s.attention.q = queries;
    s.attention.q_stride = s.out_stride;
    float *area = calloc(pix_attend_room(NULL, 21, 40), sizeof *area);
    assert_non_null(area);
    pix_attend(&compute, &s.attention, area, queries, s.out_stride);
    for (size_t row = 0; row < 390; row++)
        assert_memory_equal(queries + row * s.out_stride, out + row * s.out_stride,
                            40 * sizeof *out);
    free(area);
    free(out);
    free(queries);
    free(s.qkv);
}

static void room_is_for_every_thread(void **state) {
    (void)state;
    pix_error error;
    pix_pool *pool;
    assert_ok(pix_pool_new(3, &pool, &error), &error);
    assert_int_equal(pix_attend_room(pool, 50, 64), 3 * pix_attend_room(NULL, 50, 64));
    assert_int_equal(pix_attend_room(pool, INT32_MAX, INT32_MAX), 0);
    pix_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_attends_to_its_sequence),
        cmocka_unit_test(neighbours_and_threads_change_no_bit),
        cmocka_unit_test(the_queries_of_one_head_may_be_overwritten),
        cmocka_unit_test(room_is_for_every_thread),
        cmocka_unit_test(rows_in_any_order_and_number),
        cmocka_unit_test(one_row_is_its_value),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
