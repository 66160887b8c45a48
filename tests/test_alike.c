#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/dot.h"
#include "storage/alike.h"
#include "tests/support.h"

static uint64_t random_state = 1;

static double random_part(void) { /* splitmix64, -1 to 1 */
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (double)(z ^ z >> 31) / 0x1p63 - 1;
}

/* The direction of `centre` (NULL: none) and some noise. */
static void make_vector(float *out, const float *centre, double noise, size_t dimension) {
    double sum = 0;
    for (size_t i = 0; i < dimension; i++) {
        out[i] = (centre ? centre[i] : 0) + (float)(noise * random_part());
        sum += (double)out[i] * (double)out[i];
    }
    for (size_t i = 0; i < dimension; i++)
        out[i] = (float)((double)out[i] / sqrt(sum));
}

/* Single vectors, clusters that the threshold cuts through, exact copies, and vectors of which one
 * number is so large that codes tell little of the others, mixed. */
static float *make_library(size_t count, size_t dimension) {
    float *vectors = calloc(count * dimension, sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < count; i++) {
        float *v = vectors + i * dimension;
        const float *earlier =
            i == 0 ? NULL : vectors + (size_t)((random_part() + 1) / 2 * (double)i) * dimension;
        if (i % 35 == 0) {
            make_vector(v, NULL, 1, dimension);
            v[i % dimension] += 8;
            make_vector(v, v, 0.01, dimension);
        } else if (i % 5 == 0)
            make_vector(v, NULL, 1, dimension);
        else if (i % 5 == 1 && earlier)
            memcpy(v, earlier, dimension * sizeof *v);
        else
            make_vector(v, earlier, 0.04, dimension);
    }
    return vectors;
}

/* What alike.h says, in the plainest way. */
static void group_plainly(const float *vectors, size_t count, size_t dimension, double threshold,
                          pix_alike *out) {
    for (size_t i = 0; i < count; i++) {
        out[i] = (pix_alike){.leader = i, .score = 1};
        for (size_t k = 0; k < i; k++) {
            double score = pix_dot(vectors + i * dimension, vectors + k * dimension, dimension);
            if (out[k].leader == k && score >= threshold) {
                out[i] = (pix_alike){.leader = k, .score = score};
                break;
            }
        }
    }
}

static void note_progress(void *context, double done) {
    double *last = context;
    assert_true(done >= *last && done <= 1);
    *last = done;
}

static void groups_are_those_of_the_definition_on_every_kernel(void **state) {
    (void)state;
    static const struct {
        size_t count;
        int dimension;
        double threshold;
    } cases[] = {{1, 4, 0.9},      {2, 3, 0.5},       {511, 24, 0.97}, {513, 24, 0.95},
                 {3000, 33, 0.95}, {2600, 512, 0.97}, {1500, 16, -1},  {1500, 16, 1.1}};
    pix_error error;
    pix_pool *pool;
    assert_ok(pix_pool_new(2, &pool, &error), &error);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t count = cases[c].count, dimension = (size_t)cases[c].dimension;
        float *vectors = make_library(count, dimension);
        pix_alike *expected = calloc(count, sizeof *expected), *got = calloc(count, sizeof *got);
        assert_true(expected && got);
        group_plainly(vectors, count, dimension, cases[c].threshold, expected);
        const pix_kernels *kernels;
        for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
            const pix_compute compute = {.kernels = kernels, .pool = k % 2 ? pool : NULL};
            double done = 0;
            assert_ok(pix_alike_group(&compute, vectors, count, cases[c].dimension,
                                      cases[c].threshold, got, note_progress, &done, &error),
                      &error);
            assert_true(done == 1);
            for (size_t i = 0; i < count; i++)
                if (got[i].leader != expected[i].leader || got[i].score != expected[i].score)
                    fail_msg("%s, case %zu: vector %zu goes to %zu at %.17g, not %zu at %.17g",
                             pix_kernels_name(kernels), c, i, got[i].leader, got[i].score,
                             expected[i].leader, expected[i].score);
        }
        free(vectors);
        free(expected);
        free(got);
    }
    pix_pool_free(pool);
}

static void a_chain_of_small_steps_is_not_one_group(void **state) {
    (void)state;
    enum { COUNT = 40 };
    float vectors[COUNT][2];
    for (int i = 0; i < COUNT; i++) {
        vectors[i][0] = (float)cos(i * 0.05);
        vectors[i][1] = (float)sin(i * 0.05);
    }
    const pix_compute compute = {.kernels = pix_kernels_at(0)};
    pix_alike out[COUNT];
    pix_error error;
    assert_ok(
        pix_alike_group(&compute, &vectors[0][0], COUNT, 2, cos(0.12), out, NULL, NULL, &error),
        &error);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(out[i].leader, i - i % 3);
}

static void nothing_makes_no_groups(void **state) {
    (void)state;
    const pix_compute compute = {.kernels = pix_kernels_at(0)};
    pix_error error;
    assert_ok(pix_alike_group(&compute, NULL, 0, 8, 0.9, NULL, NULL, NULL, &error), &error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_those_of_the_definition_on_every_kernel),
        cmocka_unit_test(a_chain_of_small_steps_is_not_one_group),
        cmocka_unit_test(nothing_makes_no_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
