#include "core/tensor/matmul.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/kernels.h"
#include "tests/support.h"

/* A sequence that looks random and is the same everywhere (Knuth's multiplier). */
static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static float random_float(uint64_t *seed) {
    return (float)(next_random(seed) & 0xFFFF) / 32768.0f - 1.0f;
}

static void *allocate(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(size_t count, uint64_t seed) {
    float *x = allocate(count * sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = random_float(&seed);
    return x;
}

/* How codes are drawn: at random, or the extremes in patterns whose sums are the largest there are
 * or alternate. */
typedef enum draws { RANDOM, HIGHEST, LOWEST, ALTERNATING, PATTERNS } draws;

static int8_t draw(draws pattern, size_t i, uint64_t *seed) {
    switch (pattern) {
    case HIGHEST:
        return 127;
    case LOWEST:
        return -127;
    case ALTERNATING:
        return i % 2 ? 127 : -127;
    default:
        return (int8_t)((int)(next_random(seed) % 255) - 127);
    }
}

/* Whole numbers of which each row has one of magnitude 127: their scale is 1 and they are their own
 * codes. */
static float *whole_numbers(size_t rows, size_t width, draws pattern, uint64_t seed) {
    float *x = allocate(rows * width * sizeof *x);
    for (size_t i = 0; i < rows * width; i++)
        x[i] = (float)draw(i % width == 0 && pattern == RANDOM ? LOWEST : pattern, i, &seed);
    return x;
}

/* Kernels with the packed weights and quantised rows of one product. */
typedef struct int8_product {
    pix_compute compute;
    pix_panels_int8 weights;
    pix_codes codes;
    void *packed;
} int8_product;

static int8_product int8_prepare(const pix_compute *compute, int rows, int out, int in,
                                 const float *x, const float *weight) {
    int8_product p = {.compute = *compute};
    p.packed = allocate(pix_panels_int8_size(out, in));
    pix_panels_int8_pack(out, in, weight, p.packed);
    p.weights = pix_panels_int8_view(out, in, p.packed);
    p.codes.codes = allocate((size_t)rows * pix_codes_stride(compute->kernels, in));
    p.codes.scales = allocate((size_t)rows * sizeof *p.codes.scales);
    pix_quantise(compute, rows, in, x, (size_t)in, &p.codes);
    return p;
}

static void int8_release(int8_product *p) {
    free(p->packed);
    free(p->codes.codes);
    free(p->codes.scales);
}

/* One product of whole numbers, and its sums as float32, which are exact up to the rounding of that
 * conversion. */
typedef struct whole_product {
    int rows, out, in;
    draws pattern;
    float *x, *weight, *sums;
} whole_product;

static void check_whole_product(const whole_product *p, const pix_kernels *kernels) {
    size_t stride = (size_t)p->out + 3;
    float *result = random_floats((size_t)p->rows * stride, 3);
    float *before = random_floats((size_t)p->rows * stride, 3);
    const pix_compute compute = {.kernels = kernels};
    const pix_epilogue plain = {0};
    int8_product q = int8_prepare(&compute, p->rows, p->out, p->in, p->x, p->weight);
    pix_matmul_int8(&compute, p->rows, &q.codes, &q.weights, &plain, result, stride);
    for (size_t row = 0; row < (size_t)p->rows; row++)
        for (size_t channel = 0; channel < stride; channel++) {
            float got = result[row * stride + channel];
            float expected = channel < (size_t)p->out ? p->sums[row * (size_t)p->out + channel]
                                                      : before[row * stride + channel];
            if (got != expected)
                fail_msg("%s, %d x %d x %d, pattern %d: [%zu, %zu] is %.9g, not %.9g",
                         kernels->name, p->rows, p->out, p->in, (int)p->pattern, row, channel,
                         (double)got, (double)expected);
        }
    int8_release(&q);
    free(result);
    free(before);
}

static void check_whole_products(int rows, int out, int in, draws pattern) {
    whole_product p = {.rows = rows, .out = out, .in = in, .pattern = pattern};
    p.x = whole_numbers((size_t)rows, (size_t)in, pattern, 1);
    p.weight = whole_numbers((size_t)out, (size_t)in, pattern, 2);
    p.sums = allocate((size_t)rows * (size_t)out * sizeof *p.sums);
    for (int row = 0; row < rows; row++)
        for (int channel = 0; channel < out; channel++) {
            int64_t sum = 0;
            for (int i = 0; i < in; i++)
                sum += (int64_t)p.x[row * in + i] * (int64_t)p.weight[channel * in + i];
            p.sums[row * out + channel] = (float)sum;
        }
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++)
        check_whole_product(&p, kernels);
    free(p.x);
    free(p.weight);
    free(p.sums);
}

static void int8_products_of_odd_sizes_are_exact(void **state) {
    (void)state;
    /* Every number of rows to 33, of channels to 70 and of inputs to 300. */
    for (int i = 0; i < 300; i++)
        check_whole_products(1 + i % 33, 1 + i * 11 % 70, 1 + i * 7 % 300, (draws)(i % PATTERNS));
    for (int i = 0; i < PATTERNS; i++)
        check_whole_products(15 + i, 33, 3072, (draws)i);
}

static void store_code(pix_code kind, int code, uint8_t *codes, size_t i) {
    if (kind == PIX_CODE_WORD)
        memcpy(codes + 2 * i, &(int16_t){(int16_t)code}, 2);
    else
        codes[i] = (uint8_t)(code + (kind == PIX_CODE_UNSIGNED ? 128 : 0));
}

static int load_code(pix_code kind, const uint8_t *codes, size_t i) {
    int16_t word = codes[i];
    if (kind == PIX_CODE_WORD)
        memcpy(&word, codes + 2 * i, 2);
    return kind == PIX_CODE_UNSIGNED ? word - 128
           : kind == PIX_CODE_BYTE   ? (word ^ 128) - 128 /* its sign extended */
                                     : word;
}

/* Bare sums of one tile, beyond what a float32 holds. */
static void check_tile(const pix_kernels *kernels, int rows, size_t groups, draws x_pattern,
                       draws w_pattern) {
    size_t stride = groups * 8 + 64, panel = groups * 64;
    uint8_t *x = allocate((size_t)rows * stride);
    int8_t *codes = allocate(PIX_TILE_PANELS * panel);
    int32_t channel_sums[PIX_TILE_PANELS * PIX_PANEL] = {0}, sums[PIX_TILE_VALUES];
    uint64_t seed = groups;
    for (size_t row = 0; row < (size_t)rows; row++)
        for (size_t i = 0; i < groups * 4; i++)
            store_code(kernels->int8_code, draw(x_pattern, i, &seed), x + row * stride, i);
    for (size_t i = 0; i < PIX_TILE_PANELS * panel; i++) {
        codes[i] = draw(w_pattern, i, &seed);
        channel_sums[i / panel * PIX_PANEL + i % 64 / 4] += codes[i];
    }
    pix_int8_panel panels[PIX_TILE_PANELS];
    for (size_t i = 0; i < PIX_TILE_PANELS; i++)
        panels[i] = (pix_int8_panel){codes + i * panel, channel_sums + i * PIX_PANEL};
    const pix_ahead ahead = {{(const char *)codes, (const char *)codes}, 0};
    kernels->int8_tile(rows, x, stride, groups, panels, &ahead, sums);
    size_t width = (size_t)kernels->int8_panels * PIX_PANEL;
    for (size_t i = 0; i < (size_t)rows * width; i++) {
        const uint8_t *row = x + i / width * stride;
        const int8_t *channel = codes + i % width / PIX_PANEL * panel + i % PIX_PANEL * 4;
        int64_t expected = 0;
        for (size_t input = 0; input < groups * 4; input++)
            expected += (int64_t)load_code(kernels->int8_code, row, input) *
                        channel[input / 4 * 64 + input % 4];
        if (sums[i] != expected)
            fail_msg("%s, %d rows, %zu groups: sum %zu is %d, not %lld", kernels->name, rows,
                     groups, i, sums[i], (long long)expected);
    }
    free(x);
    free(codes);
}

static void check_tiles(const pix_kernels *kernels, int rows, size_t groups) {
    for (int i = 0; i < PATTERNS * PATTERNS; i++)
        check_tile(kernels, rows, groups, (draws)(i / PATTERNS), (draws)(i % PATTERNS));
}

static void tiles_of_every_height_sum_extreme_codes_exactly(void **state) {
    (void)state;
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
        for (int rows = 1; rows <= kernels->int8_rows; rows++) {
            check_tiles(kernels, rows, 4);
            check_tiles(kernels, rows, 20);
        }
        check_tiles(kernels, kernels->int8_rows, 768);
    }
}

/* The largest sum there is: every code extreme, as many inputs as are allowed. */
static void the_longest_int8_sum_fits(void **state) {
    (void)state;
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
        check_tile(kernels, 1, PIX_INT8_INPUTS / 4, HIGHEST, HIGHEST);
        check_tile(kernels, 1, PIX_INT8_INPUTS / 4, LOWEST, HIGHEST);
    }
}

/* What quantise.h says, in float32 by nearbyintf. */
static float expected_codes(const float *x, size_t count, int8_t *codes) {
    float largest = 0;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        finite = finite && isfinite(x[i]);
        largest = fmaxf(largest, fabsf(x[i]));
    }
    bool zeros = !finite || largest < 0x1p-100f;
    float inverse = zeros ? 0 : 127.0f / largest;
    for (size_t i = 0; i < count; i++)
        codes[i] = zeros ? 0 : (int8_t)nearbyintf(x[i] * inverse);
    return !finite ? NAN : zeros ? 0 : largest / 127.0f;
}

static void check_codes(const float *x, int count) {
    enum { MOST = 320 };
    int8_t expected[MOST];
    uint8_t codes[2 * MOST];
    float scale, want = expected_codes(x, (size_t)count, expected);
    const pix_codes out = {codes, &scale};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
        pix_quantise(&(pix_compute){.kernels = kernels}, 1, count, x, (size_t)count, &out);
        if (scale != want && !(isnan(scale) && isnan(want)))
            fail_msg("%s: scale %g, not %g", kernels->name, (double)scale, (double)want);
        for (int i = 0; i < (count + 15) / 16 * 16; i++) {
            int code = load_code(kernels->int8_code, codes, (size_t)i);
            if (code != (i < count ? expected[i] : 0))
                fail_msg("%s, %d values: code %d of %.9g is %d", kernels->name, count, i,
                         i < count ? (double)x[i] : 0, code);
        }
    }
}

static void every_kernel_makes_the_same_codes(void **state) {
    (void)state;
    uint64_t seed = 3;
    float x[301];
    for (int count = 1; count <= 300; count++) {
        for (int i = 0; i < count; i++)
            x[i + 1] = ldexpf(random_float(&seed), (int)(next_random(&seed) % 8) - 4);
        check_codes(x + count % 2, count); /* also from odd addresses */
    }
}

static void halves_are_rounded_to_even(void **state) {
    (void)state;
    float x[255];
    x[0] = 127;
    for (int i = 1; i < 255; i++)
        x[i] = (float)(i - 127) + 0.5f;
    check_codes(x, 254);
}

static void rows_at_the_ends_of_float32_are_defined(void **state) {
    (void)state;
    static const float ends[] = {0.0f,    -0.0f,   0x1p-149f, 0x1p-101f, 0x1p-100f, 0x1p-90f,
                                 0x1p90f, 3.4e38f, INFINITY,  -INFINITY, NAN};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            float x[40] = {0};
            x[3] = ends[i];
            x[37] = ends[j];
            check_codes(x, 40);
        }
}

static void a_channel_is_quantised_as_a_row(void **state) {
    (void)state;
    enum { OUT = 21, IN = 37 };
    float *weight = random_floats((size_t)OUT * IN, 4);
    memset(weight + (size_t)5 * IN, 0, IN * sizeof *weight);
    weight[7 * IN + 3] = INFINITY;
    size_t size = pix_panels_int8_size(OUT, IN);
    char *bytes = allocate(size);
    memset(bytes, 0x55, size);
    pix_panels_int8_pack(OUT, IN, weight, bytes);
    pix_panels_int8 panels = pix_panels_int8_view(OUT, IN, bytes);
    assert_ptr_equal((const char *)(panels.sums + 32), bytes + size);
    size_t groups = pix_panels_int8_groups(IN);
    for (size_t channel = 0; channel < 32; channel++) {
        int8_t expected[48] = {0};
        float scale = channel < OUT ? expected_codes(weight + channel * IN, IN, expected) : 0;
        int32_t sum = 0;
        for (size_t i = 0; i < groups * 4; i++) {
            int8_t code =
                panels.codes[channel / 16 * groups * 64 + i / 4 * 64 + channel % 16 * 4 + i % 4];
            assert_int_equal(code, expected[i]);
            sum += code;
        }
        assert_int_equal(panels.sums[channel], sum);
        assert_true(panels.scales[channel] == scale ||
                    (isnan(scale) && isnan(panels.scales[channel])));
    }
    free(weight);
    free(bytes);
}

static void sizes_that_make_no_sense_are_zero(void **state) {
    (void)state;
    assert_int_equal(pix_panels_f32_size(17, 3), 2 * 3 * 16 * 4);
    assert_int_equal(pix_panels_int8_size(17, 3), 2 * 16 * (16 + 4 + 4));
    assert_int_equal(pix_panels_int8_size(16, 17), 16 * (32 + 4 + 4));
    static const int wrong[][2] = {{0, 5}, {5, 0}, {-1, 5}, {5, -1}, {INT32_MIN, INT32_MIN}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pix_panels_f32_size(wrong[i][0], wrong[i][1]), 0);
        assert_int_equal(pix_panels_int8_size(wrong[i][0], wrong[i][1]), 0);
    }
    assert_int_equal(pix_panels_int8_size(1, PIX_INT8_INPUTS + 1), 0);
    assert_int_not_equal(pix_panels_int8_size(INT32_MAX, PIX_INT8_INPUTS), 0);
    assert_int_not_equal(pix_panels_f32_size(INT32_MAX, INT32_MAX), 0);
}

/* One float32 product in all its variants. */
typedef struct f32_case {
    int rows, out, in;
    bool bias, add, scale;
    pix_activation activation;
} f32_case;

static double activated(pix_activation activation, double v) {
    switch (activation) {
    case PIX_RELU:
        return v > 0 ? v : 0;
    case PIX_QUICK_GELU:
        return v / (1 + exp(-1.702 * v));
    case PIX_EXACT_GELU:
        return v * 0.5 * erfc(-v / sqrt(2));
    default:
        return v;
    }
}

/* What is computed, in float64, and by how much float32 may miss it. */
typedef struct f32_result {
    double value, allowed;
} f32_result;

static f32_result expected_f32(const f32_case *c, const float *x, const float *weight, double bias,
                               double before) {
    double sum = 0, magnitudes = 0;
    for (int i = 0; i < c->in; i++) {
        double term = (double)x[i] * (double)weight[i];
        sum += term;
        magnitudes += fabs(term);
    }
    double v = sum + (c->bias ? bias : 0) + (c->add ? before : 0);
    /* Roundings add up like steps in random directions: far below `in` of them. */
    return (f32_result){activated(c->activation, v), 1e-6 + 8 * 0x1p-24 * magnitudes};
}

static void check_f32(const f32_case *c) {
    size_t rows = (size_t)c->rows, in = (size_t)c->in, out = (size_t)c->out;
    size_t x_stride = in + 5, stride = out + 3;
    float *x = random_floats(rows * x_stride, 5), *weight = random_floats(out * in, 6);
    float *bias = random_floats(out, 7), *before = random_floats(rows * stride, 8);
    float *scale = random_floats(out, 17);
    float *packed = allocate(pix_panels_f32_size(c->out, c->in));
    f32_result *expected = allocate(rows * stride * sizeof *expected);
    for (size_t i = 0; i < rows * stride; i++) {
        size_t row = i / stride, channel = i % stride;
        expected[i] = (f32_result){(double)before[i], 0};
        if (channel < out)
            expected[i] = expected_f32(c, x + row * x_stride, weight + channel * in,
                                       (double)bias[channel], (double)before[i]);
        if (channel < out && c->scale)
            expected[i].value *= (double)scale[channel];
    }
    pix_panels_f32_pack(c->out, c->in, weight, packed);
    pix_panels_f32 panels = pix_panels_f32_view(c->out, c->in, packed);
    const pix_epilogue epilogue = {.bias = c->bias ? bias : NULL,
                                   .add = c->add,
                                   .activation = c->activation,
                                   .scale = c->scale ? scale : NULL};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
        float *got = random_floats(rows * stride, 8);
        pix_matmul_f32(&(pix_compute){.kernels = kernels}, c->rows, x, x_stride, &panels, &epilogue,
                       got, stride);
        for (size_t i = 0; i < rows * stride; i++)
            if (!(fabs((double)got[i] - expected[i].value) <= expected[i].allowed))
                fail_msg("%s, %d x %d x %d: value %zu is %.9g, not %.9g", kernels->name, c->rows,
                         c->out, c->in, i, (double)got[i], expected[i].value);
        free(got);
    }
    free(x);
    free(weight);
    free(bias);
    free(before);
    free(scale);
    free(packed);
    free(expected);
}

static void float32_products_equal_float64(void **state) {
    (void)state;
    for (int i = 0; i < 300; i++)
        check_f32(&(f32_case){.rows = 1 + i % 33,
                              .out = 1 + i * 11 % 70,
                              .in = 1 + i * 7 % 300,
                              .bias = i % 2,
                              .add = i / 2 % 2,
                              .scale = i / 4 % 4 != PIX_LINEAR && i % 3 == 0,
                              .activation = (pix_activation)(i / 4 % 4)});
    static const int inputs[] = {383, 384, 385, 768, 3072};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (int add = 0; add < 2; add++)
            check_f32(&(f32_case){19, 40, inputs[i], true, add, add, PIX_QUICK_GELU});
}

/* Rows times 150 channels times `in` inputs, float32 or int8, into out. */
enum { CHANNELS = 150 };

static void multiply(const pix_compute *compute, bool int8, int rows, int in, const float *x,
                     const float *weight, const pix_epilogue *epilogue, float *out) {
    if (int8) {
        int8_product p = int8_prepare(compute, rows, CHANNELS, in, x, weight);
        pix_matmul_int8(compute, rows, &p.codes, &p.weights, epilogue, out, CHANNELS);
        int8_release(&p);
        return;
    }
    float *packed = allocate(pix_panels_f32_size(CHANNELS, in));
    pix_panels_f32_pack(CHANNELS, in, weight, packed);
    pix_panels_f32 panels = pix_panels_f32_view(CHANNELS, in, packed);
    pix_matmul_f32(compute, rows, x, (size_t)in, &panels, epilogue, out, CHANNELS);
    free(packed);
}

static void threads_and_neighbours_change_no_bit(void **state) {
    (void)state;
    enum { ROWS = 247, IN = 900 };
    float *x = random_floats((size_t)ROWS * IN, 9),
          *weight = random_floats((size_t)CHANNELS * IN, 10);
    float *bias = random_floats(CHANNELS, 11);
    size_t size = (size_t)ROWS * CHANNELS * sizeof(float);
    float *expected = allocate(size), *got = allocate(size);
    const pix_epilogue epilogue = {.bias = bias, .activation = PIX_QUICK_GELU};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++)
        for (int int8 = 0; int8 < 2; int8++) {
            pix_compute alone = {.kernels = kernels};
            multiply(&alone, int8, ROWS, IN, x, weight, &epilogue, expected);
            for (int threads = 2; threads <= 5; threads++) {
                pix_compute shared = {.kernels = kernels};
                assert_int_equal(pix_pool_new(threads, &shared.pool, NULL), PIX_OK);
                memset(got, 0, size);
                multiply(&shared, int8, ROWS, IN, x, weight, &epilogue, got);
                assert_memory_equal(got, expected, size);
                pix_pool_free(shared.pool);
            }
            for (int rows = 1; rows < ROWS; rows = rows * 3 + 1) {
                const size_t first = 100;
                multiply(&alone, int8, rows < 147 ? rows : 147, IN, x + first * IN, weight,
                         &epilogue, got);
                assert_memory_equal(got, expected + first * CHANNELS,
                                    (size_t)(rows < 147 ? rows : 147) * CHANNELS * sizeof *got);
            }
        }
    free(x);
    free(weight);
    free(bias);
    free(expected);
    free(got);
}

static void int8_results_are_the_same_bits_on_every_kernel(void **state) {
    (void)state;
    enum { ROWS = 29, IN = 333 };
    float *x = random_floats((size_t)ROWS * IN, 12);
    float *weight = random_floats((size_t)CHANNELS * IN, 13), *bias = random_floats(CHANNELS, 14);
    float *scale = random_floats(CHANNELS, 18);
    size_t size = (size_t)ROWS * CHANNELS * sizeof(float);
    float *expected = allocate(size), *got = allocate(size);
    for (int variant = 0; variant < 8; variant++) {
        const pix_epilogue epilogue = {.bias = bias,
                                       .add = variant % 2,
                                       .activation = (pix_activation)(variant / 2),
                                       .scale = variant / 2 != PIX_LINEAR ? scale : NULL};
        const pix_kernels *kernels;
        for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
            float *out = k == 0 ? expected : got;
            for (size_t i = 0; i < (size_t)ROWS * CHANNELS; i++)
                out[i] = (float)(i % 17) - 8;
            multiply(&(pix_compute){.kernels = kernels}, true, ROWS, IN, x, weight, &epilogue, out);
            assert_memory_equal(out, expected, size);
        }
    }
    free(x);
    free(weight);
    free(bias);
    free(scale);
    free(expected);
    free(got);
}

static void int8_is_near_float32(void **state) {
    (void)state;
    enum { ROWS = 10, IN = 768 };
    float *x = random_floats((size_t)ROWS * IN, 15);
    float *weight = random_floats((size_t)CHANNELS * IN, 16);
    float f32[ROWS * CHANNELS], int8[ROWS * CHANNELS];
    /* A row whose values are a thousand times its neighbours' has a scale of its own. */
    for (size_t i = 0; i < IN; i++)
        x[(size_t)3 * IN + i] *= 1000;
    const pix_compute compute = {.kernels = pix_kernels_at(0)};
    const pix_epilogue plain = {0};
    multiply(&compute, false, ROWS, IN, x, weight, &plain, f32);
    multiply(&compute, true, ROWS, IN, x, weight, &plain, int8);
    for (size_t row = 0; row < ROWS; row++) {
        double difference = 0, square = 0;
        for (size_t i = row * CHANNELS; i < (row + 1) * CHANNELS; i++) {
            difference += pow((double)f32[i] - (double)int8[i], 2);
            square += pow((double)f32[i], 2);
        }
        /* Rounding to steps of 1/127 of uniform values in both: sqrt(2 / 12) / 127 / sqrt(1 / 3).
         */
        if (!(sqrt(difference / square) < 0.0065 && difference > 0))
            fail_msg("row %zu: relative error %g", row, sqrt(difference / square));
    }
    free(x);
    free(weight);
}

/* One value after the other through a product with 1, whose sums are the values. */
static void activate(const pix_kernels *kernels, pix_activation activation, int count,
                     const float *values, float *out) {
    float one[PIX_PANEL] = {1};
    const pix_panels_f32 panels = {.out = 1, .in = 1, .values = one};
    const pix_epilogue epilogue = {.activation = activation};
    pix_matmul_f32(&(pix_compute){.kernels = kernels}, count, values, 1, &panels, &epilogue, out,
                   1);
}

static void activations_equal_float64_and_are_alike_everywhere(void **state) {
    (void)state;
    enum { COUNT = 8000 };
    static float values[COUNT], first[COUNT], got[COUNT];
    for (int i = 0; i < COUNT; i++)
        values[i] = (float)i / 250.0f - 16;
    const pix_kernels *kernels;
    for (int activation = PIX_LINEAR; activation <= PIX_EXACT_GELU; activation++) {
        activate(pix_kernels_at(0), (pix_activation)activation, COUNT, values, first);
        for (size_t i = 0; i < COUNT; i++) {
            double expected = activated((pix_activation)activation, (double)values[i]);
            if (!(fabs((double)first[i] - expected) <= 2e-6))
                fail_msg("activation %d of %.9g is %.9g, not %.9g", activation, (double)values[i],
                         (double)first[i], expected);
        }
        for (size_t k = 1; (kernels = pix_kernels_at(k)); k++) {
            activate(kernels, (pix_activation)activation, COUNT, values, got);
            assert_memory_equal(got, first, sizeof got);
        }
    }
}

static void activations_hold_at_the_ends(void **state) {
    (void)state;
    static const float values[] = {-1e30f, -200, 200, 1e30f, NAN};
    float got[5];
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++)
        for (int activation = PIX_RELU; activation <= PIX_EXACT_GELU; activation++) {
            activate(kernels, (pix_activation)activation, 5, values, got);
            assert_true(got[0] == 0 && got[1] == 0 && got[2] == 200 && got[3] == 1e30f);
            assert_true(isnan(got[4]));
        }
}

static void a_bad_row_spoils_itself_only(void **state) {
    (void)state;
    const size_t bad_row = 4;
    enum { ROWS = 9, IN = 50 };
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    float *weight = random_floats((size_t)CHANNELS * IN, 20);
    float *x = random_floats((size_t)ROWS * IN, 21);
    float expected[ROWS * CHANNELS], got[ROWS * CHANNELS];
    const pix_epilogue plain = {0};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++)
        for (int int8 = 0; int8 < 2; int8++) {
            const pix_compute compute = {.kernels = kernels};
            multiply(&compute, int8, ROWS, IN, x, weight, &plain, expected);
            for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                float before = x[bad_row * IN + 7];
                x[bad_row * IN + 7] = bad[i];
                multiply(&compute, int8, ROWS, IN, x, weight, &plain, got);
                x[bad_row * IN + 7] = before;
                assert_memory_equal(got, expected, bad_row * CHANNELS * sizeof *got);
                assert_memory_equal(got + (bad_row + 1) * CHANNELS,
                                    expected + (bad_row + 1) * CHANNELS,
                                    bad_row * CHANNELS * sizeof *got);
                for (size_t j = bad_row * CHANNELS; j < (bad_row + 1) * CHANNELS; j++)
                    assert_true(isnan(got[j]) || (!int8 && isinf(got[j])));
            }
        }
    free(weight);
    free(x);
}

static void zeros_give_the_bias(void **state) {
    (void)state;
    enum { ROWS = 3, IN = 70 };
    float *weight = random_floats((size_t)CHANNELS * IN, 22), *bias = random_floats(CHANNELS, 23);
    static const float x[ROWS * IN];
    float got[ROWS * CHANNELS];
    const pix_epilogue epilogue = {.bias = bias};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++)
        for (int int8 = 0; int8 < 2; int8++) {
            multiply(&(pix_compute){.kernels = kernels}, int8, ROWS, IN, x, weight, &epilogue, got);
            for (size_t i = 0; i < (size_t)ROWS * CHANNELS; i++)
                assert_true(got[i] == bias[i % CHANNELS]);
        }
    free(weight);
    free(bias);
}

/* Weights anywhere in memory, as far as a float may lie. */
static void alignment_changes_nothing(void **state) {
    (void)state;
    enum { ROWS = 7, IN = 100 };
    float *x = random_floats((size_t)ROWS * IN + 1, 24);
    float *weight = random_floats((size_t)CHANNELS * IN, 25);
    size_t f32_size = pix_panels_f32_size(CHANNELS, IN),
           int8_size = pix_panels_int8_size(CHANNELS, IN);
    char *packed = allocate(f32_size + int8_size + 64);
    float expected[ROWS * CHANNELS], got[ROWS * CHANNELS + 1];
    const pix_epilogue plain = {0};
    const pix_kernels *kernels;
    for (size_t k = 0; (kernels = pix_kernels_at(k)); k++) {
        const pix_compute compute = {.kernels = kernels};
        multiply(&compute, false, ROWS, IN, x + 1, weight, &plain, expected);
        pix_panels_f32_pack(CHANNELS, IN, weight, packed + 4);
        pix_panels_f32 f32 = pix_panels_f32_view(CHANNELS, IN, packed + 4);
        pix_matmul_f32(&compute, ROWS, x + 1, IN, &f32, &plain, got + 1, CHANNELS);
        assert_memory_equal(got + 1, expected, sizeof expected);

        multiply(&compute, true, ROWS, IN, x + 1, weight, &plain, expected);
        pix_panels_int8_pack(CHANNELS, IN, weight, packed + 4);
        int8_product p = int8_prepare(&compute, ROWS, CHANNELS, IN, x + 1, weight);
        pix_panels_int8 int8 = pix_panels_int8_view(CHANNELS, IN, packed + 4);
        pix_matmul_int8(&compute, ROWS, &p.codes, &int8, &plain, got + 1, CHANNELS);
        assert_memory_equal(got + 1, expected, sizeof expected);
        int8_release(&p);
    }
    free(x);
    free(weight);
    free(packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_products_of_odd_sizes_are_exact),
        cmocka_unit_test(tiles_of_every_height_sum_extreme_codes_exactly),
        cmocka_unit_test(the_longest_int8_sum_fits),
        cmocka_unit_test(every_kernel_makes_the_same_codes),
        cmocka_unit_test(halves_are_rounded_to_even),
        cmocka_unit_test(rows_at_the_ends_of_float32_are_defined),
        cmocka_unit_test(a_channel_is_quantised_as_a_row),
        cmocka_unit_test(sizes_that_make_no_sense_are_zero),
        cmocka_unit_test(float32_products_equal_float64),
        cmocka_unit_test(threads_and_neighbours_change_no_bit),
        cmocka_unit_test(int8_results_are_the_same_bits_on_every_kernel),
        cmocka_unit_test(int8_is_near_float32),
        cmocka_unit_test(activations_equal_float64_and_are_alike_everywhere),
        cmocka_unit_test(activations_hold_at_the_ends),
        cmocka_unit_test(a_bad_row_spoils_itself_only),
        cmocka_unit_test(zeros_give_the_bias),
        cmocka_unit_test(alignment_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
