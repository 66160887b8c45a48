#include "core/clip/resnet.h"
#include "core/tensor/dot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/pixels.h"
#include "core/clip/session.h"
#include "tests/model_support.h"

enum { IMAGES = 3, EMBED = 24 };

/* The tower in float64 and plain loops over the checkpoint's own tensors: BatchNorms apart,
 * channels first, a query, a key and a value for every token. */
typedef struct oracle {
    pix_checkpoint *checkpoint;
    pix_clip_config config;
} oracle;

/* [channels, side, side], on the heap. */
typedef struct map {
    size_t channels, side;
    double *values;
} map;

static map map_new(size_t channels, size_t side) {
    return (map){channels, side, test_zeroed(channels * side * side, sizeof(double))};
}

static size_t map_elements(const map *m) {
    return m->channels * m->side * m->side;
}

static float *tensor(const oracle *o, const char *prefix, const char *name) {
    char full[128];
    pix_error error;
    (void)snprintf(full, sizeof full, "visual.%s%s", prefix, name);
    const pix_tensor_info *info = pix_checkpoint_find(o->checkpoint, full);
    assert_non_null(info);
    size_t elements = 1;
    for (int i = 0; i < info->rank; i++)
        elements *= (size_t)info->shape[i];
    float *values = test_zeroed(elements, sizeof *values);
    assert_ok(pix_checkpoint_read(o->checkpoint, info, values, &error), &error);
    return values;
}

static double window_sum(const map *x, const float *weight, int kernel, int top, int left) {
    double sum = 0;
    int side = (int)x->side;
    for (int i = 0; i < (int)x->channels; i++)
        for (int ky = 0; ky < kernel; ky++)
            for (int kx = 0; kx < kernel; kx++) {
                int y = top + ky, across = left + kx;
                if (y >= 0 && y < side && across >= 0 && across < side)
                    sum += (double)weight[(i * kernel + ky) * kernel + kx] *
                           x->values[(i * side + y) * side + across];
            }
    return sum;
}

static map convolve(const oracle *o, const map *x, const char *conv, size_t out, int kernel,
                    int stride) {
    float *weight = tensor(o, conv, ".weight");
    map y = map_new(out, x->side / (size_t)stride);
    size_t window = x->channels * (size_t)(kernel * kernel);
    for (size_t i = 0; i < map_elements(&y); i++) {
        int row = (int)(i / y.side % y.side), column = (int)(i % y.side);
        y.values[i] = window_sum(x, weight + i / y.side / y.side * window, kernel,
                                 row * stride - kernel / 2, column * stride - kernel / 2);
    }
    free(weight);
    return y;
}

static void batch_norm(const oracle *o, map *x, const char *norm) {
    float *gamma = tensor(o, norm, ".weight"), *beta = tensor(o, norm, ".bias");
    float *mean = tensor(o, norm, ".running_mean"), *variance = tensor(o, norm, ".running_var");
    for (size_t i = 0; i < map_elements(x); i++) {
        size_t c = i / x->side / x->side;
        x->values[i] =
            (x->values[i] - (double)mean[c]) / sqrt((double)variance[c] + 1e-5) * (double)gamma[c] +
            (double)beta[c];
    }
    free(gamma);
    free(beta);
    free(mean);
    free(variance);
}

static void relu(map *x) {
    for (size_t i = 0; i < map_elements(x); i++)
        x->values[i] = x->values[i] > 0 ? x->values[i] : 0;
}

static map halve(const map *x) {
    map y = map_new(x->channels, x->side / 2);
    for (size_t i = 0; i < map_elements(&y); i++) {
        size_t row = i / y.side * 2, column = i % y.side * 2; /* rows of all channels */
        const double *upper = x->values + row * x->side + column;
        y.values[i] = (upper[0] + upper[1] + upper[x->side] + upper[x->side + 1]) / 4;
    }
    return y;
}

static void replace(map *x, map y) {
    free(x->values);
    *x = y;
}

/* x = batch norm(convolution(x)) */
static void step(const oracle *o, map *x, const char *prefix, const char *conv, const char *norm,
                 size_t out, int kernel, int stride) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s%s", prefix, conv);
    replace(x, convolve(o, x, name, out, kernel, stride));
    (void)snprintf(name, sizeof name, "%s%s", prefix, norm);
    batch_norm(o, x, name);
}

static void block(const oracle *o, map *x, int stage, int index) {
    char prefix[32];
    size_t inner = (size_t)o->config.vision_width << stage;
    bool halves = stage > 0 && index == 0;
    map y = map_new(x->channels, x->side);
    memcpy(y.values, x->values, map_elements(x) * sizeof *x->values);
    (void)snprintf(prefix, sizeof prefix, "layer%d.%d.", stage + 1, index);
    step(o, &y, prefix, "conv1", "bn1", inner, 1, 1);
    relu(&y);
    step(o, &y, prefix, "conv2", "bn2", inner, 3, 1);
    relu(&y);
    if (halves) {
        replace(&y, halve(&y));
        replace(x, halve(x));
    }
    step(o, &y, prefix, "conv3", "bn3", 4 * inner, 1, 1);
    if (index == 0)
        step(o, x, prefix, "downsample.0", "downsample.1", 4 * inner, 1, 1);
    for (size_t i = 0; i < map_elements(x); i++)
        x->values[i] += y.values[i];
    relu(x);
    free(y.values);
}

/* [tokens, width] times the rows of NAME.weight, plus NAME.bias. */
static double *project(const oracle *o, const double *x, size_t tokens, size_t width,
                       const char *name, size_t out) {
    float *weight = tensor(o, name, ".weight"), *bias = tensor(o, name, ".bias");
    double *y = test_zeroed(tokens * out, sizeof *y);
    for (size_t i = 0; i < tokens * out; i++) {
        y[i] = (double)bias[i % out];
        for (size_t j = 0; j < width; j++)
            y[i] += x[i / out * width + j] * (double)weight[i % out * width + j];
    }
    free(weight);
    free(bias);
    return y;
}

static void pool(const oracle *o, const map *x, float *feature) {
    size_t width = x->channels, cells = x->side * x->side, tokens = cells + 1;
    size_t head_width = width / (size_t)o->config.vision_heads;
    float *position = tensor(o, "attnpool.", "positional_embedding");
    double *t = test_zeroed(tokens * width, sizeof *t), *mixed = test_zeroed(width, sizeof *mixed);
    for (size_t c = 0; c < width; c++)
        for (size_t i = 0; i < cells; i++) {
            t[(i + 1) * width + c] = x->values[c * cells + i];
            t[c] += x->values[c * cells + i] / (double)cells;
        }
    for (size_t i = 0; i < tokens * width; i++)
        t[i] += (double)position[i];
    double *q = project(o, t, 1, width, "attnpool.q_proj", width);
    double *k = project(o, t, tokens, width, "attnpool.k_proj", width);
    double *v = project(o, t, tokens, width, "attnpool.v_proj", width);
    for (size_t first = 0; first < width; first += head_width) {
        double sum = 0;
        for (size_t i = 0; i < tokens; i++) {
            double score = 0;
            for (size_t c = first; c < first + head_width; c++)
                score += q[c] * k[i * width + c];
            score = exp(score / sqrt((double)head_width));
            sum += score;
            for (size_t c = first; c < first + head_width; c++)
                mixed[c] += score * v[i * width + c];
        }
        for (size_t c = first; c < first + head_width; c++)
            mixed[c] /= sum;
    }
    size_t embed = (size_t)o->config.embed_dim;
    double *out = project(o, mixed, 1, width, "attnpool.c_proj", embed);
    for (size_t i = 0; i < embed; i++)
        feature[i] = (float)out[i];
    free(position);
    free(t);
    free(mixed);
    free(q);
    free(k);
    free(v);
    free(out);
}

static void oracle_run(const oracle *o, const float *pixels, float *feature) {
    size_t width = (size_t)o->config.vision_width;
    map x = map_new(3, (size_t)o->config.image_size);
    for (size_t i = 0; i < map_elements(&x); i++)
        x.values[i] = (double)pixels[i];
    step(o, &x, "", "conv1", "bn1", width / 2, 3, 2);
    relu(&x);
    step(o, &x, "", "conv2", "bn2", width / 2, 3, 1);
    relu(&x);
    step(o, &x, "", "conv3", "bn3", width, 3, 1);
    relu(&x);
    replace(&x, halve(&x));
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < o->config.resnet_layers[stage]; i++)
            block(o, &x, stage, i);
    pool(o, &x, feature);
    free(x.values);
}

/* A made-up checkpoint of these sizes, imported. */
static pix_model *make(const pix_clip_config *config, pix_checkpoint **checkpoint) {
    char source[4096];
    pix_error error;
    (void)snprintf(source, sizeof source, "%s/made-up.safetensors", test_folder());
    test_write_checkpoint(source, config, NULL);
    if (checkpoint)
        assert_ok(pix_checkpoint_open(source, checkpoint, &error), &error);
    return test_import(source, NULL);
}

/* Each picture darker than the one before. */
static uint8_t *made_up_bytes(size_t picture) {
    uint8_t *rgb = test_zeroed(IMAGES * picture, 1);
    for (size_t i = 0; i < IMAGES * picture; i++)
        rgb[i] = (uint8_t)((uint8_t)(i * 2654435761u >> 13) >> i / picture);
    return rgb;
}

/* Interleaved bytes of `count` pictures to normalised planes, on the heap. */
static float *to_pixels(const uint8_t *rgb, size_t count, size_t size) {
    float values[3][256], *pixels = test_zeroed(count * 3 * size * size, sizeof *pixels);
    size_t plane = size * size;
    pix_pixel_values(values);
    for (size_t i = 0; i < count * 3 * plane; i++) {
        size_t channel = i / plane % 3, picture = i / plane / 3;
        pixels[i] = values[channel][rgb[(picture * plane + i % plane) * 3 + channel]];
    }
    return pixels;
}

static void normalise(float *features, size_t count) {
    pix_error error;
    for (size_t i = 0; i < count; i++)
        assert_ok(pix_normalise(features + i * EMBED, EMBED, &error), &error);
}

/* A batch of bytes, the same as floats and one at a time, and the oracle agree. */
static void check(const pix_clip_config *config) {
    oracle o = {.config = *config};
    pix_model *model = make(config, &o.checkpoint);
    size_t size = (size_t)config->image_size, one = 3 * size * size;
    uint8_t *rgb = made_up_bytes(one);
    float *pixels = to_pixels(rgb, IMAGES, size);
    float batch[IMAGES * EMBED], floats[IMAGES * EMBED], single[IMAGES * EMBED], want[EMBED];
    pix_session *session;
    pix_error error;
    assert_memory_equal(pix_model_config(model), config, sizeof *config);
    assert_ok(pix_session_new(model, PIX_FP32, IMAGES, 1, &session, &error), &error);
    assert_ok(pix_session_encode_images(session, rgb, IMAGES, batch, &error), &error);
    for (size_t i = 0; i < IMAGES; i++)
        assert_ok(
            pix_session_encode_pixels(session, pixels + i * one, 1, single + i * EMBED, &error),
            &error);
    assert_ok(pix_session_encode_pixels(session, pixels, IMAGES, floats, &error), &error);
    assert_memory_equal(batch, floats, sizeof batch);
    assert_memory_equal(batch, single, sizeof batch);
    normalise(batch, IMAGES);
    assert_true(test_max_difference(batch, batch + EMBED, EMBED) > 1e-3);
    for (size_t i = 0; i < IMAGES; i += 2) {
        oracle_run(&o, pixels + i * one, want);
        normalise(want, 1);
        double difference = test_max_difference(batch + i * EMBED, want, EMBED);
        if (!(difference <= 2e-6))
            fail_msg("%d pixels, width %d: off by %g", config->image_size, config->vision_width,
                     difference);
    }
    pix_session_free(session);
    pix_checkpoint_close(o.checkpoint);
    pix_model_close(model);
    free(rgb);
    free(pixels);
}

/* How many blocks each picture goes through before they go together. */
static void check_alone(const pix_clip_config *config, int alone) {
    pix_model *model = make(config, NULL);
    pix_resnet resnet;
    pix_error error;
    assert_ok(pix_resnet_init(&resnet, model, PIX_FP32, &error), &error);
    assert_int_equal(resnet.alone, alone);
    pix_resnet_free(&resnet);
    pix_model_close(model);
}

static void odd_sizes_equal_float64(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    check_alone(&config, 1);
    check(&config);
}

static void any_width_whose_heads_divide_equals_float64(void **state) {
    (void)state;
    static const struct { int width, heads; } cases[] = {{2, 1}, {3, 1}, {5, 2}, {6, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_clip_config config = test_small_resnet_config();
        config.image_size = 64;
        config.vision_width = cases[i].width;
        config.vision_heads = cases[i].heads;
        check(&config);
    }
}

static void pictures_go_alone_or_together(void **state) {
    (void)state;
    static const struct { int size, alone; } cases[] = {{32, 0}, {128, 1}, {224, 3}, {384, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_clip_config config = test_small_resnet_config();
        config.image_size = cases[i].size;
        config.vision_width = 2;
        config.vision_heads = 1;
        check_alone(&config, cases[i].alone);
        check(&config);
    }
}

static void pictures_can_go_alone_to_the_end(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    config.image_size = 736; /* 23 x 23 cells are more than a tile */
    config.vision_width = 2;
    config.vision_heads = 1;
    check_alone(&config, 5);
    check(&config);
}

/* The released ones, with the batches of pix_model_batch_size. */
static const struct {
    const char *name;
    int32_t size, width;
    size_t count;
} released[] = {{"RN50 and RN101", 224, 64, 16},
                {"RN50x4", 288, 80, 9},
                {"RN50x16", 384, 96, 5},
                {"RN50x64", 448, 128, 4}};

static pix_compute portable(void) {
    return (pix_compute){.kernels = pix_kernels_at(0)}; /* its codes take the most room */
}

static void scratch_is_bounded_for_every_released_size(void **state) {
    (void)state;
    const size_t megabyte = 1000000;
    const pix_compute compute = portable();
    for (size_t i = 0; i < sizeof released / sizeof *released; i++) {
        const pix_clip_config config = {.vision_kind = PIX_VISION_RESNET,
                                        .image_size = released[i].size,
                                        .vision_width = released[i].width,
                                        .vision_heads = released[i].width / 2};
        for (int int8 = 0; int8 < 2; int8++) {
            pix_resnet_sizes one, batch;
            pix_precision precision = int8 ? PIX_INT8 : PIX_FP32;
            assert_true(pix_resnet_measure(&config, precision, 1, &compute, &one));
            assert_true(
                pix_resnet_measure(&config, precision, released[i].count, &compute, &batch));
            size_t least = pix_resnet_scratch_bytes(&one), most = pix_resnet_scratch_bytes(&batch);
            print_message("%s, %s: scratch of %zu MB for a picture, %zu MB for %zu\n",
                          released[i].name, pix_precision_name(precision), least / megabyte,
                          most / megabyte, released[i].count);
            size_t codes = int8 ? 10 * megabyte : 0; /* of a tile's windows */
            assert_true(least > megabyte && least <= 120 * megabyte + codes);
            assert_true(most > least && most <= 160 * megabyte + codes);
        }
    }
}

static void sizes_that_overflow_are_noticed(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    config.image_size = 4096;
    config.vision_width = 1024;
    config.vision_heads = 1024;
    pix_resnet_sizes sizes;
    const pix_compute compute = portable();
    assert_true(pix_resnet_measure(&config, PIX_INT8, 1, &compute, &sizes));
    assert_true(pix_resnet_scratch_bytes(&sizes) > 0);
    assert_false(pix_resnet_measure(&config, PIX_INT8, SIZE_MAX / 1024, &compute, &sizes));
    sizes = (pix_resnet_sizes){.pixels = SIZE_MAX - 3};
    assert_int_equal(pix_resnet_scratch_bytes(&sizes), 0);
    sizes = (pix_resnet_sizes){.pixels = SIZE_MAX / 2, .x = SIZE_MAX / 2, .y = 64};
    assert_int_equal(pix_resnet_scratch_bytes(&sizes), 0);
    pix_resnet_scratch scratch;
    pix_error error;
    assert_int_equal(pix_resnet_scratch_init(&scratch, &sizes, &error), PIX_ENOMEM);
}

/* Each of IMAGES pictures, in batches of `batch`, to unit features. */
static void encode_in(pix_model *model, pix_precision precision, const uint8_t *rgb, int batch,
                      int threads, float *features) {
    const pix_clip_config *c = pix_model_config(model);
    size_t picture = (size_t)3 * (size_t)c->image_size * (size_t)c->image_size;
    size_t embed = (size_t)c->embed_dim;
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, precision, batch, threads, &session, &error), &error);
    for (int i = 0; i < IMAGES; i += batch) {
        int count = IMAGES - i < batch ? IMAGES - i : batch;
        float *out = features + (size_t)i * embed;
        assert_ok(pix_session_encode_images(session, rgb + (size_t)i * picture, count, out, &error),
                  &error);
    }
    for (size_t i = 0; i < IMAGES; i++)
        assert_ok(pix_normalise(features + i * embed, embed, &error), &error);
    pix_session_free(session);
}

static void int8_is_near_fp32_and_the_same_in_any_batch(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    pix_model *model = make(&config, NULL);
    size_t embed = (size_t)config.embed_dim, size = IMAGES * embed;
    uint8_t *rgb = made_up_bytes((size_t)IMAGES * 3 * 96 * 96);
    float *fp32 = test_zeroed(size, sizeof *fp32), *int8 = test_zeroed(size, sizeof *int8);
    float *other = test_zeroed(size, sizeof *other);
    encode_in(model, PIX_FP32, rgb, IMAGES, 1, fp32);
    encode_in(model, PIX_INT8, rgb, IMAGES, 1, int8);
    for (size_t i = 0; i < IMAGES; i++) {
        double cosine = pix_dot(fp32 + i * embed, int8 + i * embed, embed);
        print_message("cosine %.6f\n", cosine);
        assert_true(cosine > 0.999);
    }
    assert_memory_not_equal(fp32, int8, size * sizeof *fp32);
    for (int batch = 1; batch <= 2; batch++) {
        encode_in(model, PIX_INT8, rgb, batch, 2, other);
        assert_memory_equal(other, int8, size * sizeof *int8);
    }
    free(fp32);
    free(int8);
    free(other);
    free(rgb);
    pix_model_close(model);
}

static void sessions_of_two_threads_share_a_model(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    pix_clip_config config = test_small_resnet_config();
    config.image_size = 64;
    pix_model *model = make(&config, NULL);
    uint8_t *rgb = made_up_bytes((size_t)3 * 64 * 64);
    test_two_threads(model, precision, rgb, IMAGES, 5);
    free(rgb);
    pix_model_close(model);
}

int main(void) {
    pix_precision fp32 = PIX_FP32, int8 = PIX_INT8;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_sizes_equal_float64),
        cmocka_unit_test(any_width_whose_heads_divide_equals_float64),
        cmocka_unit_test(pictures_go_alone_or_together),
        cmocka_unit_test(pictures_can_go_alone_to_the_end),
        cmocka_unit_test(scratch_is_bounded_for_every_released_size),
        cmocka_unit_test(sizes_that_overflow_are_noticed),
        cmocka_unit_test(int8_is_near_fp32_and_the_same_in_any_batch),
        cmocka_unit_test_prestate(sessions_of_two_threads_share_a_model, &fp32),
        cmocka_unit_test_prestate(sessions_of_two_threads_share_a_model, &int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
