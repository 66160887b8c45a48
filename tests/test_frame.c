#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/dot.h"
#include "storage/frame.h"
#include "tests/support.h"
#include "tests/vectors.h"

enum { MOST = 1024 };

static const size_t dimensions[] = {1, 2, 3, 16, 24, 64, 100, 512, 640, 768, MOST};

/* In long double, so that no rounding of what is tested is in it. */
static long double exact_dot(const float *a, const float *b, size_t size) {
    long double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (long double)a[i] * (long double)b[i];
    return sum;
}

static int32_t sum_of(const uint8_t *codes, const pix_frame_query *query, size_t padded) {
    int64_t sum = 0;
    for (size_t i = 0; i < padded; i++)
        sum += ((int64_t)codes[i] - 128) * query->codes.words[i];
    assert_true(sum >= INT32_MIN && sum <= INT32_MAX);
    return (int32_t)sum;
}

static void set_axes(double *axes, const float *mean, const float *texts, size_t dimension) {
    double share = 0, length = 0, left = 0;
    for (size_t i = 0; i < dimension; i++)
        length += (double)mean[i] * (double)mean[i];
    for (size_t i = 0; i < dimension; i++) {
        axes[i] = 0.8 * (double)mean[i];
        axes[dimension + i] = (double)mean[i] / sqrt(length);
        share += axes[dimension + i] * (double)texts[i];
    }
    for (size_t i = 0; i < dimension; i++) {
        axes[2 * dimension + i] = (double)texts[i] - share * axes[dimension + i];
        left += axes[2 * dimension + i] * axes[2 * dimension + i];
    }
    for (size_t i = 0; i < dimension; i++)
        axes[2 * dimension + i] = left > 1e-12 ? axes[2 * dimension + i] / sqrt(left) : 0;
}

static void a_rotation_keeps_lengths_and_angles(void **state) {
    (void)state;
    static double x[MOST], y[MOST];
    for (size_t s = 0; s < sizeof dimensions / sizeof *dimensions; s++) {
        const size_t n = dimensions[s];
        pix_rotation rotation;
        pix_error error;
        test_random r = {.state = s};
        assert_ok(pix_rotation_init(&rotation, n, s, &error), &error);
        for (int round = 0; round < 20; round++) {
            long double before = 0, after = 0, xx = 0, yy = 0;
            for (size_t i = 0; i < n; i++) {
                x[i] = round == 0 ? i == 0 : test_random_normal(&r);
                y[i] = round == 1 ? i + 1 == n : test_random_normal(&r);
                before += (long double)x[i] * y[i];
                xx += (long double)x[i] * x[i];
                yy += (long double)y[i] * y[i];
            }
            pix_rotation_apply(&rotation, x);
            pix_rotation_apply(&rotation, y);
            for (size_t i = 0; i < n; i++)
                after += (long double)x[i] * y[i];
            /* Each side is off by PIX_ROTATION_ERROR times its length. */
            assert_true(fabsl(after - before) <=
                        3 * (long double)PIX_ROTATION_ERROR * sqrtl(xx * yy));
        }
        pix_rotation_free(&rotation);
    }
}

/* One vector's energy, all in one coordinate, is shared by all of them. */
static void a_rotation_spreads_a_peak(void **state) {
    (void)state;
    static double x[MOST];
    static const size_t large[] = {512, 640, 768, 1024};
    for (size_t s = 0; s < sizeof large / sizeof *large; s++) {
        pix_rotation rotation;
        pix_error error;
        assert_ok(pix_rotation_init(&rotation, large[s], 5, &error), &error);
        for (size_t peak = 0; peak < large[s]; peak += 37) {
            memset(x, 0, sizeof x);
            x[peak] = 1;
            pix_rotation_apply(&rotation, x);
            for (size_t i = 0; i < large[s]; i++)
                assert_true(fabs(x[i]) < 0.3);
        }
        pix_rotation_free(&rotation);
    }
}

/* Vectors and queries of every kind, in frames that suit them and in ones that do not. */
static void make_vector(test_random *r, size_t kind, const double *axes, float *x, size_t n) {
    test_vector(r, x, n, 0.5, 8, kind == 1 ? 0.8 : 0);
    if (kind == 2)
        for (size_t i = 0; i < n; i++)
            x[i] = (float)test_random_normal(r);
    if (kind == 3) { /* one coordinate is nearly all */
        memset(x, 0, n * sizeof *x);
        x[test_random_below(r, n)] = 1;
        x[test_random_below(r, n)] += 1e-4F;
    }
    if (kind == 4 || kind == 5) /* along an axis: nothing is left to rotate, or nearly so */
        for (size_t i = 0; i < n; i++)
            x[i] = (float)(axes[(kind - 3) * n + i] + 1e-7 * test_random_normal(r));
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    if (!(square > 0))
        x[0] = 1;
    test_normalise(x, n);
    if (kind == 6)
        for (size_t i = 0; i < n; i++)
            x[i] *= 1.0009F;
    if (kind == 7)
        for (size_t i = 0; i < n; i++)
            x[i] *= 0.9991F;
}

enum { KINDS = 8, VECTORS = 320, QUERIES = 48 };

static void test_frame(size_t n, const double *axes, uint64_t seed) {
    static float vectors[VECTORS][MOST], query[MOST];
    static uint8_t codes[VECTORS][MOST + 16];
    static double work[MOST];
    static pix_coded coded[VECTORS];
    pix_frame frame;
    pix_error error;
    pix_extent extent = {0};
    test_random r = {.state = seed};
    assert_ok(pix_frame_init(&frame, n, axes, seed, &error), &error);
    for (size_t i = 0; i < VECTORS; i++) {
        make_vector(&r, i % KINDS, axes, vectors[i], n);
        pix_frame_code(&frame, vectors[i], work, codes[i], &coded[i], &extent);
    }
    for (size_t q = 0; q < QUERIES; q++) {
        make_vector(&r, q % KINDS, axes, query, n);
        if (q >= QUERIES - KINDS)
            memcpy(query, vectors[q], sizeof query);
        pix_frame_query coded_query;
        assert_ok(pix_frame_query_init(&coded_query, &frame, query, &extent, &error), &error);
        for (size_t i = 0; i < VECTORS; i++) {
            long double exact = exact_dot(query, vectors[i], n);
            double score = pix_dot(query, vectors[i], n);
            pix_bounds b = pix_frame_bounds(&coded_query, &coded[i],
                                            sum_of(codes[i], &coded_query, frame.padded));
            if (!(b.low <= exact && exact <= b.high && b.low <= score && score <= b.high))
                fail_msg("%zu dimensions, vector %zu, query %zu: %.17Lg is not in [%.17g, %.17g]",
                         n, i, q, exact, b.low, b.high);
        }
        pix_frame_query_free(&coded_query);
    }
    pix_frame_free(&frame);
}

static void every_score_lies_within_its_bounds(void **state) {
    (void)state;
    static double axes[3 * MOST];
    static float mean[MOST], texts[MOST];
    for (size_t s = 0; s < sizeof dimensions / sizeof *dimensions; s++) {
        const size_t n = dimensions[s];
        test_random r = {.state = 100 + s};
        test_vector(&r, mean, n, 0.1, 1, 0);
        test_vector(&r, texts, n, 0.1, 1, 0.8);
        set_axes(axes, mean, texts, n);
        test_frame(n, axes, s);
        memset(axes + 2 * n, 0, n * sizeof *axes); /* no direction of texts */
        test_frame(n, axes, s);
        memset(axes, 0, sizeof axes);
        test_frame(n, axes, s);
        for (size_t i = 0; i < 3; i++) /* the mean and both directions are the same */
            axes[i * n] = 1;
        test_frame(n, axes, s);
    }
}

/* Codes must be worth their bytes: or every vector would be a candidate. */
static void the_bounds_are_narrow(void **state) {
    (void)state;
    enum { N = 512 };
    static double axes[3 * N], work[N];
    static float mean[N], texts[N], vector[N], query[N];
    static uint8_t codes[N];
    test_random r = {.state = 1};
    test_vector(&r, mean, N, 0.1, 1, 0);
    test_vector(&r, texts, N, 0.1, 1, 0.8);
    set_axes(axes, mean, texts, N);
    pix_frame frame;
    pix_error error;
    pix_extent extent = {0};
    pix_coded coded;
    assert_ok(pix_frame_init(&frame, N, axes, 1, &error), &error);
    for (int i = 0; i < 100; i++) {
        test_vector(&r, vector, N, 0.5, 8, 0);
        test_vector(&r, query, N, 0.5, 8, 0.8);
        pix_frame_code(&frame, vector, work, codes, &coded, &extent);
        pix_frame_query q;
        assert_ok(pix_frame_query_init(&q, &frame, query, &extent, &error), &error);
        pix_bounds b = pix_frame_bounds(&q, &coded, sum_of(codes, &q, N));
        /* At most 8 bits of a remainder that is shorter than 1, by one of a query as long. */
        assert_true(b.high - b.low < 0.012);
        pix_frame_query_free(&q);
    }
    pix_frame_free(&frame);
}

static void axes_that_would_break_the_bounds_are_refused(void **state) {
    (void)state;
    pix_frame frame;
    pix_error error;
    static const double bad[][6] = {{1.02, 0, 0, 0, 0, 0},
                                    {0, 0, 1.0001, 0, 0, 0},
                                    {0, 0, 0, 0, 0.8, 0.8},
                                    {NAN, 0, 0, 0, 0, 0},
                                    {0, 0, 0, INFINITY, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pix_frame_init(&frame, 2, bad[i], 1, &error), PIX_EFORMAT);
    assert_int_equal(pix_frame_init(&frame, PIX_ROTATION_LIMIT + 1, NULL, 1, &error),
                     PIX_EUNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_keeps_lengths_and_angles),
        cmocka_unit_test(a_rotation_spreads_a_peak),
        cmocka_unit_test(every_score_lies_within_its_bounds),
        cmocka_unit_test(the_bounds_are_narrow),
        cmocka_unit_test(axes_that_would_break_the_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
