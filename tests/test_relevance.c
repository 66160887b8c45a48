#include <math.h>

#include "query/relevance.h"
#include "tests/support.h"

enum { HITS = 60 };

static float query[2] = {1, 0}, mean[2] = {0.1F, 0.5F};
static const pix_background background = {
    .vectors = 1000, .mean = mean, .has_level = true, .level = 0.3};

static pix_relevance words(void) {
    return (pix_relevance){
        .background = &background, .query = query, .dimension = 2, .is_words = true};
}

/* The cut of these scores, best first. */
static pix_cut cut_of(const pix_relevance *relevance, const double *scores, size_t count) {
    static pix_hit hits[HITS];
    pix_cut cut;
    for (size_t i = 0; i < count; i++)
        hits[i] = (pix_hit){.image_id = (int64_t)i + 1, .score = scores[i]};
    pix_relevance_cut(relevance, hits, count, &cut);
    return cut;
}

static const double scores[] = {0.6, 0.55, 0.51, 0.499, 0.2};
enum { SCORES = sizeof scores / sizeof *scores };

static void results_stop_a_fifth_of_the_way_to_the_average(void **state) {
    (void)state;
    pix_relevance r = words();
    pix_cut cut = cut_of(&r, scores, SCORES);
    assert_float_equal(cut.mean, 0.1, 1e-7);
    assert_float_equal(cut.stop, 0.5, 1e-7);
    assert_float_equal(cut.level, 0.3, 1e-7);
    assert_int_equal(cut.shown, 3);
    assert_false(cut.is_capped);
    assert_false(cut.is_blind);
    assert_int_equal(pix_relevance_wanted(&r), PIX_MOST_RESULTS + 1);
}

static void nothing_matches_below_what_common_words_find(void **state) {
    (void)state;
    pix_relevance r = words();
    const double low[] = {0.2999, 0.29};
    assert_int_equal(cut_of(&r, low, 2).shown, 0);
    const double enough[] = {0.3, 0.2};
    assert_int_equal(cut_of(&r, enough, 2).shown, 1);
    r.is_words = false; /* a picture, or several terms */
    assert_int_equal(cut_of(&r, low, 2).shown, 2);
    pix_background mute = background;
    mute.has_level = false;
    r = words();
    r.background = &mute;
    assert_int_equal(cut_of(&r, low, 2).shown, 2);
}

static void k_takes_exactly_as_many(void **state) {
    (void)state;
    pix_relevance r = words();
    r.k = 4;
    assert_int_equal(pix_relevance_wanted(&r), 4);
    pix_cut cut = cut_of(&r, scores, 4);
    assert_int_equal(cut.shown, 4);
    assert_false(cut.is_capped);
    const double low[] = {-0.5};
    assert_int_equal(cut_of(&r, low, 1).shown, 1);
}

static void a_least_score_takes_the_place_of_both_rules(void **state) {
    (void)state;
    pix_relevance r = words();
    r.has_least = true;
    r.least = 0.2;
    assert_int_equal(cut_of(&r, scores, SCORES).shown, 5);
    r.least = 0.7;
    assert_int_equal(cut_of(&r, scores, SCORES).shown, 0);
    r.k = 2;
    assert_int_equal(cut_of(&r, scores, 2).shown, 0);
    r.least = 0.55;
    assert_int_equal(cut_of(&r, scores, 2).shown, 2);
}

static void the_picture_asked_with_does_not_raise_the_bar(void **state) {
    (void)state;
    pix_relevance r = words();
    r.is_words = false;
    const double own[] = {1, 1, 0.6, 0.501, 0.4};
    pix_cut cut = cut_of(&r, own, 5);
    assert_float_equal(cut.stop, 0.5, 1e-7);
    assert_int_equal(cut.shown, 4);
    assert_int_equal(cut_of(&r, own, 2).shown, 2);
}

static void at_most_fifty_are_shown_unasked(void **state) {
    (void)state;
    pix_relevance r = words();
    double many[HITS];
    for (int i = 0; i < HITS; i++)
        many[i] = 0.6;
    pix_cut cut = cut_of(&r, many, 51);
    assert_int_equal(cut.shown, 50);
    assert_true(cut.is_capped);
    cut = cut_of(&r, many, 50);
    assert_int_equal(cut.shown, 50);
    assert_false(cut.is_capped);
    r.has_least = true;
    r.least = 0;
    assert_true(cut_of(&r, many, 51).is_capped);
}

static void without_a_background_a_few_are_shown(void **state) {
    (void)state;
    const pix_background none = {0};
    pix_relevance r = words();
    r.background = &none;
    double many[HITS] = {0};
    pix_cut cut = cut_of(&r, many, 51);
    assert_true(isnan(cut.mean));
    assert_true(cut.is_blind);
    assert_int_equal(cut.shown, 10);
    r.k = 20;
    cut = cut_of(&r, many, 20);
    assert_false(cut.is_blind);
    assert_int_equal(cut.shown, 20);
}

static void an_average_photo_is_no_bar_below_the_best(void **state) {
    (void)state;
    pix_relevance r = words();
    r.is_words = false;
    const double equal[] = {0.05, 0.05, 0.04};
    assert_int_equal(cut_of(&r, equal, 3).shown, 2);
    assert_int_equal(cut_of(&r, equal, 0).shown, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_stop_a_fifth_of_the_way_to_the_average),
        cmocka_unit_test(nothing_matches_below_what_common_words_find),
        cmocka_unit_test(k_takes_exactly_as_many),
        cmocka_unit_test(a_least_score_takes_the_place_of_both_rules),
        cmocka_unit_test(the_picture_asked_with_does_not_raise_the_bar),
        cmocka_unit_test(at_most_fifty_are_shown_unasked),
        cmocka_unit_test(without_a_background_a_few_are_shown),
        cmocka_unit_test(an_average_photo_is_no_bar_below_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
