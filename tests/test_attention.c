#include "core/tensor/attention.h"

#include <math.h>

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
    float scores[ROWS], out[STRIDE];
    for (size_t count = 1; count <= ROWS; count += 3)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            for (size_t i = 0; i < count; i++)
                rows[i] = (int32_t)((i * 17 + 5) % ROWS);
            pix_attend_rows(q, &memory, rows, count, widths[w], scores, out);
            for (size_t j = 0; j < widths[w]; j++) {
                double want = expected(rows, count, widths[w], j);
                assert_true(fabs((double)out[j] - want) < 1e-5);
            }
        }
}

static void one_row_is_its_value(void **state) {
    (void)state;
    const int32_t row = 11;
    float score, out[64];
    pix_attend_rows(q, &memory, &row, 1, 64, &score, out);
    assert_memory_equal(out, v + (size_t)row * STRIDE, sizeof out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_any_order_and_number),
        cmocka_unit_test(one_row_is_its_value),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
