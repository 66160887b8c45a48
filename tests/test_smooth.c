/* Blocks rewritten for int8: what they compute stays, and their channels come to be alike. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/smooth.h"
#include "tests/support.h"

enum {
    WIDTH = 8,
    MLP = 12,
    SIZE = 3 * WIDTH * WIDTH + WIDTH * WIDTH + 2 * MLP * WIDTH + 9 * WIDTH + 2 * MLP
};

typedef struct weights {
    float values[SIZE];
    pix_block_weights block;
} weights;

static float *cut(float **rest, size_t count) {
    float *part = *rest;
    *rest += count;
    return part;
}

/* Numbers in [-1, 1), never 0. */
static float number(size_t i) {
    return (float)((i * 7919 + 12345) % 20011) / 10005.5f - 1.0f;
}

static void make(weights *w) {
    float *rest = w->values;
    for (size_t i = 0; i < SIZE; i++)
        w->values[i] = number(i);
    w->block = (pix_block_weights){.width = WIDTH,
                                   .mlp_width = MLP,
                                   .ln_1_weight = cut(&rest, WIDTH),
                                   .ln_1_bias = cut(&rest, WIDTH),
                                   .in_weight = cut(&rest, (size_t)3 * WIDTH * WIDTH),
                                   .in_bias = cut(&rest, (size_t)3 * WIDTH),
                                   .out_weight = cut(&rest, (size_t)WIDTH * WIDTH),
                                   .out_bias = cut(&rest, WIDTH),
                                   .ln_2_weight = cut(&rest, WIDTH),
                                   .ln_2_bias = cut(&rest, WIDTH),
                                   .fc_weight = cut(&rest, (size_t)MLP * WIDTH),
                                   .fc_bias = cut(&rest, MLP),
                                   .proj_weight = cut(&rest, (size_t)WIDTH * MLP),
                                   .proj_bias = cut(&rest, WIDTH),
                                   .hidden_scale = cut(&rest, MLP)};
    assert_int_equal(rest - w->values, SIZE);
}

/* y = W x + b, in double. */
static void apply(const float *weight, const float *bias, size_t rows, size_t columns,
                  const double *x, double *y) {
    for (size_t row = 0; row < rows; row++) {
        y[row] = (double)bias[row];
        for (size_t i = 0; i < columns; i++)
            y[row] += (double)weight[row * columns + i] * x[i];
    }
}

static void scale(const float *gain, const float *bias, const double *x, double *y) {
    for (size_t i = 0; i < WIDTH; i++)
        y[i] = x[i] * (double)gain[i] + (double)bias[i];
}

/* What a block's products make of normalised rows and hidden activations: q, k, v and the output of
 * an attention that weighs two rows, c_fc's rows, c_proj's. */
typedef struct results {
    double qk[2 * WIDTH], mixed[WIDTH], fc[MLP], proj[WIDTH];
} results;

static void run(const pix_block_weights *b, results *r) {
    double rows[2][WIDTH], normal[WIDTH], qkv[2][3 * WIDTH], mixed[WIDTH], hidden[MLP];
    for (size_t row = 0; row < 2; row++) {
        for (size_t i = 0; i < WIDTH; i++)
            rows[row][i] = 3 * (double)number(999 + row * WIDTH + i);
        scale(b->ln_1_weight, b->ln_1_bias, rows[row], normal);
        apply(b->in_weight, b->in_bias, (size_t)3 * WIDTH, WIDTH, normal, qkv[row]);
    }
    memcpy(r->qk, qkv[0], sizeof r->qk);
    for (size_t i = 0; i < WIDTH; i++)
        mixed[i] = 0.25 * qkv[0][WIDTH + WIDTH + i] + 0.75 * qkv[1][WIDTH + WIDTH + i];
    apply(b->out_weight, b->out_bias, WIDTH, WIDTH, mixed, r->mixed);
    scale(b->ln_2_weight, b->ln_2_bias, rows[0], normal);
    apply(b->fc_weight, b->fc_bias, MLP, WIDTH, normal, r->fc);
    for (size_t i = 0; i < MLP; i++)
        hidden[i] = 5 * (double)number(777 + i) * (double)b->hidden_scale[i];
    apply(b->proj_weight, b->proj_bias, WIDTH, MLP, hidden, r->proj);
}

/* Ranges of all places, with channel 3 of each 64 times as far from 5 as the others are from 0. */
static void see_outliers(pix_ranges *ranges) {
    pix_error error;
    assert_ok(pix_ranges_init(ranges, 2, WIDTH, MLP, &error), &error);
    for (int place = PIX_PLACE_LN_1; place <= PIX_PLACE_HIDDEN; place++) {
        float row[MLP];
        for (size_t i = 0; i < MLP; i++)
            row[i] = i == 3 ? 69 : 1;
        pix_ranges_add(ranges, 1, (pix_place)place, 1, row, MLP);
        for (size_t i = 0; i < MLP; i++)
            row[i] = i == 3 ? -59 : -1;
        pix_ranges_add(ranges, 1, (pix_place)place, 1, row, MLP);
    }
}

static void compare(const double *ours, const double *want, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabs(ours[i] - want[i]) <= 2e-5))
            fail_msg("value %zu is %g, not %g", i, ours[i], want[i]);
}

static void what_a_block_computes_stays(void **state) {
    (void)state;
    static weights plain, smooth;
    static results before, after;
    pix_ranges ranges;
    pix_error error;
    make(&plain);
    make(&smooth);
    for (size_t i = 0; i < MLP; i++)
        plain.block.hidden_scale[i] = 1;
    see_outliers(&ranges);
    assert_ok(pix_block_smooth(&smooth.block, &ranges, 1, &error), &error);
    run(&plain.block, &before);
    run(&smooth.block, &after);
    compare(after.qk, before.qk, (size_t)2 * WIDTH);
    compare(after.mixed, before.mixed, WIDTH);
    compare(after.fc, before.fc, MLP);
    compare(after.proj, before.proj, WIDTH);
    assert_true(fabsf(smooth.block.ln_1_weight[3] / plain.block.ln_1_weight[3]) < 0.25f);
    assert_true(fabsf(smooth.block.fc_weight[3] / plain.block.fc_weight[3]) > 4);
    for (size_t i = 0; i < MLP; i++)
        assert_true(i == 3 || smooth.block.hidden_scale[3] < smooth.block.hidden_scale[i]);
    pix_ranges_free(&ranges);
}

/* One that made up for its size in the weights comes out like the others on both sides. */
static void a_channel_whose_weights_made_up_for_it_becomes_like_the_others(void **state) {
    (void)state;
    static weights w;
    pix_ranges ranges;
    pix_error error;
    make(&w);
    for (size_t i = 0; i < (size_t)MLP * WIDTH; i++)
        w.block.fc_weight[i] = i % WIDTH == 3 ? 1.0f / 64 : 1;
    for (size_t i = 0; i < WIDTH; i++) {
        w.block.ln_2_weight[i] = i == 3 ? 64 : 1;
        w.block.ln_2_bias[i] = i == 3 ? 5 : 0;
    }
    see_outliers(&ranges);
    assert_ok(pix_block_smooth(&w.block, &ranges, 1, &error), &error);
    for (size_t i = 0; i < WIDTH; i++) {
        assert_float_equal(w.block.ln_2_weight[i], 1, 1e-6);
        assert_float_equal(w.block.ln_2_bias[i], 0, 1e-6);
        assert_float_equal(w.block.fc_weight[i], 1, 1e-6);
    }
    pix_ranges_free(&ranges);
}

static void channels_that_slept_or_were_not_finite_stay(void **state) {
    (void)state;
    static weights plain, smooth;
    pix_ranges ranges;
    pix_error error;
    make(&plain);
    make(&smooth);
    assert_ok(pix_ranges_init(&ranges, 1, WIDTH, MLP, &error), &error);
    assert_ok(pix_block_smooth(&smooth.block, &ranges, 0, &error), &error);
    size_t written = SIZE - MLP;
    assert_memory_equal(smooth.values, plain.values, written * sizeof(float));
    float row[MLP];
    for (size_t i = 0; i < MLP; i++)
        row[i] = i == 2 ? 1e-6f : i == 4 ? INFINITY : i == 5 ? NAN : 1;
    for (int place = PIX_PLACE_LN_1; place <= PIX_PLACE_HIDDEN; place++)
        pix_ranges_add(&ranges, 0, (pix_place)place, 1, row, MLP);
    assert_ok(pix_block_smooth(&smooth.block, &ranges, 0, &error), &error);
    for (size_t i = 0; i < MLP; i++)
        assert_true(smooth.block.hidden_scale[i] > 0 && smooth.block.hidden_scale[i] <= 1);
    for (size_t i = 4; i < 6; i++)
        assert_float_equal(smooth.block.ln_1_bias[i], plain.block.ln_1_bias[i], 0);
    for (size_t i = 0; i < SIZE; i++)
        assert_true(isfinite(smooth.values[i]));
    pix_ranges_free(&ranges);
}

/* Its weights say how far it may go. */
static void a_hidden_unit_that_slept_is_not_huge_when_it_wakes(void **state) {
    (void)state;
    static weights w;
    pix_ranges ranges;
    pix_error error;
    make(&w);
    for (size_t i = 0; i < (size_t)MLP * WIDTH; i++)
        w.block.fc_weight[i] = i / WIDTH == 2 ? 100 : 1;
    for (size_t i = 0; i < (size_t)WIDTH * MLP; i++)
        w.block.proj_weight[i] = 1;
    const float row[MLP] = {1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const float below[MLP] = {-1, -1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    assert_ok(pix_ranges_init(&ranges, 1, WIDTH, MLP, &error), &error);
    for (int place = PIX_PLACE_LN_1; place <= PIX_PLACE_HIDDEN; place++) {
        pix_ranges_add(&ranges, 0, (pix_place)place, 1, row, MLP);
        pix_ranges_add(&ranges, 0, (pix_place)place, 1, below, MLP);
    }
    assert_ok(pix_block_smooth(&w.block, &ranges, 0, &error), &error);
    for (size_t i = 0; i < MLP; i++)
        assert_true(i == 2 || w.block.hidden_scale[2] < 0.25f * w.block.hidden_scale[i]);
    pix_ranges_free(&ranges);
}

static void ranges_are_of_their_layer_and_place(void **state) {
    (void)state;
    pix_ranges ranges;
    pix_error error;
    assert_ok(pix_ranges_init(&ranges, 2, WIDTH, MLP, &error), &error);
    float rows[2 * MLP];
    for (size_t i = 0; i < (size_t)2 * MLP; i++)
        rows[i] = (float)i;
    pix_ranges_add(&ranges, 0, PIX_PLACE_HIDDEN, 2, rows, MLP);
    pix_ranges_add(&ranges, 1, PIX_PLACE_LN_1, 2, rows, WIDTH + 1);
    assert_float_equal(pix_ranges_at(&ranges, 0, PIX_PLACE_HIDDEN)[1].least, 1, 0);
    assert_float_equal(pix_ranges_at(&ranges, 0, PIX_PLACE_HIDDEN)[1].most, 1 + MLP, 0);
    assert_float_equal(pix_ranges_at(&ranges, 1, PIX_PLACE_LN_1)[7].least, 7, 0);
    assert_float_equal(pix_ranges_at(&ranges, 1, PIX_PLACE_LN_1)[7].most, 7 + WIDTH + 1, 0);
    assert_true(pix_ranges_at(&ranges, 0, PIX_PLACE_LN_2)[7].most < 0);
    assert_true(pix_ranges_at(&ranges, 1, PIX_PLACE_MIXED)[0].most < 0);
    pix_ranges_free(&ranges);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_block_computes_stays),
        cmocka_unit_test(a_channel_whose_weights_made_up_for_it_becomes_like_the_others),
        cmocka_unit_test(channels_that_slept_or_were_not_finite_stay),
        cmocka_unit_test(a_hidden_unit_that_slept_is_not_huge_when_it_wakes),
        cmocka_unit_test(ranges_are_of_their_layer_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
