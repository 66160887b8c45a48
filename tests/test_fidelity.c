/* How near features are, of vectors whose cosines and scores can be told by hand. */
#include <math.h>

#include "core/clip/fidelity.h"
#include "tests/support.h"

static void cosines_have_a_least_and_a_mean(void **state) {
    (void)state;
    const float fp32[] = {1, 0, 0, 1, 0.6f, 0.8f}, int8[] = {1, 0, 0.6f, 0.8f, 0.8f, 0.6f};
    double least, mean;
    pix_fidelity_cosines(&(pix_feature_pairs){3, 2, fp32, int8}, &least, &mean);
    assert_float_equal(least, 0.8, 1e-6);
    assert_float_equal(mean, (1 + 0.8 + 0.96) / 3, 1e-6);
}

static void what_is_not_finite_is_near_nothing(void **state) {
    (void)state;
    const float fp32[] = {1, 0, 0, 1, 1, 0}, int8[] = {1, 0, NAN, 1, 1, 0};
    double least, mean;
    pix_fidelity_cosines(&(pix_feature_pairs){0, 2, NULL, NULL}, &least, &mean);
    assert_true(isnan(least) && isnan(mean));
    pix_fidelity_cosines(&(pix_feature_pairs){3, 2, fp32, int8}, &least, &mean);
    assert_float_equal(least, 0, 0);
    assert_float_equal(mean, 2.0 / 3, 1e-12);
    const pix_feature_pairs pictures = {3, 2, fp32, int8}, texts = {1, 2, fp32, fp32};
    assert_true(isnan(pix_fidelity_score_error(&pictures, &texts)));
}

/* One text, (1, 0): scores are the first numbers.  0, 0.6, 0.8, 1 have a variance of 0.14; errors
 * of 0.1, 0, 0, -0.1 one of 0.005. */
static void score_errors_are_a_share_of_the_scores(void **state) {
    (void)state;
    const float fp32[] = {0, 1, 0.6f, 0.8f, 0.8f, 0.6f, 1, 0};
    const float int8[] = {0.1f, 1, 0.6f, 0.8f, 0.8f, 0.6f, 0.9f, 0}, text[] = {1, 0};
    const pix_feature_pairs pictures = {4, 2, fp32, int8}, texts = {1, 2, text, text};
    assert_float_equal(pix_fidelity_score_error(&pictures, &texts), sqrt(0.005 / 0.14), 1e-6);
}

/* The same for all of a text's pictures changes nothing of their order. */
static void an_error_that_all_pictures_share_is_none(void **state) {
    (void)state;
    const float fp32[] = {0, 1, 0.5f, 0, 1, 0}, int8[] = {0.25f, 1, 0.75f, 0, 1.25f, 0};
    const float text[] = {1, 0};
    const pix_feature_pairs pictures = {3, 2, fp32, int8}, texts = {1, 2, text, text};
    assert_float_equal(pix_fidelity_score_error(&pictures, &texts), 0, 1e-12);
}

static void pictures_that_score_alike_have_no_share(void **state) {
    (void)state;
    const float same[] = {1, 0, 1, 0};
    const pix_feature_pairs pictures = {2, 2, same, same}, texts = {1, 2, same, same};
    assert_true(isnan(pix_fidelity_score_error(&pictures, &texts)));
}

static double overlap(const pix_feature_pairs *pictures, const pix_feature_pairs *texts,
                      size_t top) {
    double share;
    pix_error error;
    assert_ok(pix_fidelity_overlap(pictures, texts, top, &share, &error), &error);
    return share;
}

/* For (1, 0) pictures 3, 2, 1, 0 in float32 and 3, 1, 2, 0 in int8; for (0, 1) the same order in
 * both. */
static void the_best_of_both_are_compared(void **state) {
    (void)state;
    const float fp32[] = {0, 0.1f, 0.4f, 0.2f, 0.6f, 0.3f, 0.9f, 0.4f};
    const float int8[] = {0, 0.1f, 0.5f, 0.2f, 0.45f, 0.3f, 0.9f, 0.4f}, text[] = {1, 0, 0, 1};
    const pix_feature_pairs pictures = {4, 2, fp32, int8}, texts = {2, 2, text, text};
    assert_float_equal(overlap(&pictures, &texts, 1), 1, 0);
    assert_float_equal(overlap(&pictures, &texts, 2), 0.75, 1e-12);
    assert_float_equal(overlap(&pictures, &texts, 3), 1, 0);
    assert_float_equal(overlap(&pictures, &texts, 4), 1, 0);
    assert_true(isnan(overlap(&pictures, &texts, 5)));
    assert_true(isnan(overlap(&pictures, &(pix_feature_pairs){0, 2, NULL, NULL}, 2)));
}

static void among_equals_the_earlier_is_the_better(void **state) {
    (void)state;
    const float fp32[] = {1, 0, 1, 0, 1, 0}, int8[] = {1, 0, 1, 0, 1, 0}, text[] = {1, 0};
    const float later[] = {0.9f, 0, 1, 0, 1, 0};
    const pix_feature_pairs texts = {1, 2, text, text};
    assert_float_equal(overlap(&(pix_feature_pairs){3, 2, fp32, int8}, &texts, 2), 1, 0);
    assert_float_equal(overlap(&(pix_feature_pairs){3, 2, fp32, later}, &texts, 2), 0.5, 1e-12);
}

static void int8_is_enough_where_all_of_it_is_near(void **state) {
    (void)state;
    const pix_fidelity good = {.image_least = 0.99,
                               .image_mean = 0.995,
                               .text_least = 0.99,
                               .text_mean = 0.995,
                               .score_error = 0.1};
    assert_true(pix_fidelity_is_enough(&good));
    const double *fields[] = {&good.image_least, &good.image_mean, &good.text_least,
                              &good.text_mean, &good.score_error};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        pix_fidelity bad = good;
        double *field = (double *)((char *)&bad + ((const char *)fields[i] - (const char *)&good));
        *field += field == &bad.score_error ? 0.001 : -0.001;
        if (pix_fidelity_is_enough(&bad))
            fail_msg("field %zu was not looked at", i);
        *field = NAN;
        if (pix_fidelity_is_enough(&bad) && field != &bad.text_mean)
            fail_msg("field %zu is not a number", i);
    }
}

static void a_model_that_reads_no_text_is_judged_by_its_pictures(void **state) {
    (void)state;
    pix_fidelity pictures = {.image_least = 0.999,
                             .image_mean = 0.999,
                             .text_least = NAN,
                             .text_mean = NAN,
                             .score_error = NAN};
    assert_true(pix_fidelity_is_enough(&pictures));
    pictures.image_least = 0.98;
    assert_false(pix_fidelity_is_enough(&pictures));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosines_have_a_least_and_a_mean),
        cmocka_unit_test(what_is_not_finite_is_near_nothing),
        cmocka_unit_test(score_errors_are_a_share_of_the_scores),
        cmocka_unit_test(an_error_that_all_pictures_share_is_none),
        cmocka_unit_test(pictures_that_score_alike_have_no_share),
        cmocka_unit_test(the_best_of_both_are_compared),
        cmocka_unit_test(int8_is_enough_where_all_of_it_is_near),
        cmocka_unit_test(a_model_that_reads_no_text_is_judged_by_its_pictures),
        cmocka_unit_test(among_equals_the_earlier_is_the_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
