#include "core/clip/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/pixels.h"
#include "core/clip/pixm.h"
#include "core/tensor/dot.h"
#include "core/tensor/isa.h"
#include "tests/model_support.h"

/* Every allocation of this program is counted: through the sanitizer's hook where there is one,
 * else by standing in for the C library's functions. */
static int64_t allocations;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *));

static void count_allocation(const volatile void *data, size_t size) {
    (void)data;
    (void)size;
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

static void ignore_free(const volatile void *data) {
    (void)data;
}

static bool count_allocations(void) {
    return __sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free) > 0;
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_calloc(count, size);
}

void *realloc(void *data, size_t size) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_realloc(data, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    return __libc_memalign(alignment, size);
}

static bool count_allocations(void) {
    return true;
}
#endif

/* A CLIP in float64 and plain loops, written from the paper's formulas and not from core/clip: what
 * the goldens have no model for (heads narrower than 64, exact GELU, an end token that is not the
 * highest id) is compared with this. */
typedef struct oracle {
    const pix_model *model;
    const char *tower; /* "visual." or "" */
    size_t width, mlp, layers, heads, tokens;
    bool causal;
} oracle;

/* Weights that have been asked for since they were last forgotten. */
static float *kept[4096];
static size_t kept_count;

static const float *weight(const oracle *o, const char *name, size_t elements) {
    char full[64];
    (void)snprintf(full, sizeof full, "%s%s", o->tower, name);
    const pix_clip_tensor tensor = test_named_tensor(o->model, full);
    assert_int_equal(pix_clip_tensor_elements(&tensor), elements);
    assert_true(kept_count < sizeof kept / sizeof *kept);
    return kept[kept_count++] = test_plain_tensor(o->model, &tensor);
}

static void forget_weights(void) {
    while (kept_count > 0)
        free(kept[--kept_count]);
}

static const float *layer_weight(const oracle *o, size_t layer, const char *name, size_t elements) {
    char full[64];
    (void)snprintf(full, sizeof full, "transformer.resblocks.%zu.%s", layer, name);
    return weight(o, full, elements);
}

static void oracle_norm(const oracle *o, const double *x, const float *scale, const float *shift,
                        double *out) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < o->width; i++)
        mean += x[i] / (double)o->width;
    for (size_t i = 0; i < o->width; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)o->width;
    double eps = (double)pix_model_config(o->model)->layer_norm_eps;
    for (size_t i = 0; i < o->width; i++)
        out[i] = (x[i] - mean) / sqrt(variance + eps) * (double)scale[i] + (double)shift[i];
}

/* out[rows] = W[rows, columns] x + bias */
static void oracle_linear(const float *matrix, const float *bias, const double *x, size_t rows,
                          size_t columns, double *out) {
    for (size_t r = 0; r < rows; r++) {
        out[r] = (double)bias[r];
        for (size_t c = 0; c < columns; c++)
            out[r] += (double)matrix[r * columns + c] * x[c];
    }
}

static void oracle_attention(const oracle *o, const double *qkv, size_t token, double *out) {
    size_t w = o->width, d = w / o->heads, seen = o->causal ? token + 1 : o->tokens;
    double scores[64];
    for (size_t head = 0; head < o->heads; head++) {
        double sum = 0;
        for (size_t k = 0; k < seen; k++) {
            scores[k] = 0;
            for (size_t i = 0; i < d; i++)
                scores[k] += qkv[token * 3 * w + head * d + i] * qkv[k * 3 * w + w + head * d + i];
            scores[k] = exp(scores[k] / sqrt((double)d));
            sum += scores[k];
        }
        for (size_t i = 0; i < d; i++) {
            out[head * d + i] = 0;
            for (size_t k = 0; k < seen; k++)
                out[head * d + i] += scores[k] / sum * qkv[k * 3 * w + 2 * w + head * d + i];
        }
    }
}

static double oracle_gelu(const oracle *o, double v) {
    return pix_model_config(o->model)->exact_gelu ? v * 0.5 * erfc(-v / sqrt(2))
                                                  : v / (1 + exp(-1.702 * v));
}

static void oracle_layer(const oracle *o, size_t layer, double *x) {
    size_t w = o->width;
    double *qkv = test_zeroed(o->tokens * 3 * w, sizeof *qkv);
    double *normal = test_zeroed(w, sizeof *normal), *mixed = test_zeroed(w, sizeof *mixed);
    double *hidden = test_zeroed(o->mlp, sizeof *hidden), *out = test_zeroed(w, sizeof *out);
    for (size_t t = 0; t < o->tokens; t++) {
        oracle_norm(o, x + t * w, layer_weight(o, layer, "ln_1.weight", w),
                    layer_weight(o, layer, "ln_1.bias", w), normal);
        oracle_linear(layer_weight(o, layer, "attn.in_proj_weight", 3 * w * w),
                      layer_weight(o, layer, "attn.in_proj_bias", 3 * w), normal, 3 * w, w,
                      qkv + t * 3 * w);
    }
    for (size_t t = 0; t < o->tokens; t++) {
        oracle_attention(o, qkv, t, mixed);
        oracle_linear(layer_weight(o, layer, "attn.out_proj.weight", w * w),
                      layer_weight(o, layer, "attn.out_proj.bias", w), mixed, w, w, out);
        for (size_t i = 0; i < w; i++)
            x[t * w + i] += out[i];
        oracle_norm(o, x + t * w, layer_weight(o, layer, "ln_2.weight", w),
                    layer_weight(o, layer, "ln_2.bias", w), normal);
        oracle_linear(layer_weight(o, layer, "mlp.c_fc.weight", o->mlp * w),
                      layer_weight(o, layer, "mlp.c_fc.bias", o->mlp), normal, o->mlp, w, hidden);
        for (size_t i = 0; i < o->mlp; i++)
            hidden[i] = oracle_gelu(o, hidden[i]);
        oracle_linear(layer_weight(o, layer, "mlp.c_proj.weight", w * o->mlp),
                      layer_weight(o, layer, "mlp.c_proj.bias", w), hidden, w, o->mlp, out);
        for (size_t i = 0; i < w; i++)
            x[t * w + i] += out[i];
    }
    free(qkv);
    free(normal);
    free(mixed);
    free(hidden);
    free(out);
}

/* The row `token` after all layers, normed by NAME.weight and projected by `projection`. */
static void oracle_finish(const oracle *o, double *x, size_t token, const char *norm,
                          const char *projection, float *feature) {
    size_t embed = (size_t)pix_model_config(o->model)->embed_dim;
    char scale[32], shift[32];
    (void)snprintf(scale, sizeof scale, "%s.weight", norm);
    (void)snprintf(shift, sizeof shift, "%s.bias", norm);
    for (size_t layer = 0; layer < o->layers; layer++)
        oracle_layer(o, layer, x);
    double *row = x + token * o->width;
    oracle_norm(o, row, weight(o, scale, o->width), weight(o, shift, o->width), row);
    const float *matrix = weight(o, projection, o->width * embed);
    for (size_t e = 0; e < embed; e++) {
        double sum = 0;
        for (size_t i = 0; i < o->width; i++)
            sum += row[i] * (double)matrix[i * embed + e];
        feature[e] = (float)sum;
    }
}

static void oracle_image(const pix_model *model, const float *pixels, float *feature) {
    const pix_clip_config *c = pix_model_config(model);
    size_t size = (size_t)c->image_size, patch = (size_t)c->patch_size, grid = size / patch;
    oracle o = {.model = model,
                .tower = "visual.",
                .width = (size_t)c->vision_width,
                .mlp = (size_t)c->vision_mlp_width,
                .layers = (size_t)c->vision_layers,
                .heads = (size_t)c->vision_heads,
                .tokens = grid * grid + 1};
    const float *conv = weight(&o, "conv1.weight", o.width * 3 * patch * patch);
    const float *class = weight(&o, "class_embedding", o.width);
    const float *position = weight(&o, "positional_embedding", o.tokens * o.width);
    double *x = test_zeroed(o.tokens * o.width, sizeof *x);
    for (size_t t = 0; t < o.tokens; t++)
        for (size_t w = 0; w < o.width; w++) {
            double sum = t == 0 ? (double)class[w] : 0;
            for (size_t i = 0; t > 0 && i < 3 * patch * patch; i++) {
                size_t channel = i / (patch * patch), row = i / patch % patch, column = i % patch;
                size_t y = (t - 1) / grid * patch + row, left = (t - 1) % grid * patch + column;
                sum += (double)conv[w * 3 * patch * patch + i] *
                       (double)pixels[(channel * size + y) * size + left];
            }
            x[t * o.width + w] = sum + (double)position[t * o.width + w];
        }
    for (size_t t = 0; t < o.tokens; t++)
        oracle_norm(&o, x + t * o.width, weight(&o, "ln_pre.weight", o.width),
                    weight(&o, "ln_pre.bias", o.width), x + t * o.width);
    oracle_finish(&o, x, 0, "ln_post", "proj", feature);
    forget_weights();
    free(x);
}

static void oracle_text(const pix_model *model, const int32_t *ids, size_t count, size_t end,
                        float *feature) {
    const pix_clip_config *c = pix_model_config(model);
    oracle o = {.model = model,
                .tower = "",
                .width = (size_t)c->text_width,
                .mlp = (size_t)c->text_mlp_width,
                .layers = (size_t)c->text_layers,
                .heads = (size_t)c->text_heads,
                .tokens = count,
                .causal = true};
    const float *token = weight(&o, "token_embedding.weight", (size_t)c->vocab_size * o.width);
    const float *position = weight(&o, "positional_embedding", (size_t)c->context_length * o.width);
    double *x = test_zeroed(count * o.width, sizeof *x);
    for (size_t i = 0; i < count * o.width; i++)
        x[i] =
            (double)token[(size_t)ids[i / o.width] * o.width + i % o.width] + (double)position[i];
    oracle_finish(&o, x, end, "ln_final", "text_projection", feature);
    forget_weights();
    free(x);
}

/* A made-up model of these sizes.  What only a config file can say is put into the .pixm after the
 * import. */
static pix_model *make(const pix_clip_config *config) {
    char source[4096];
    (void)snprintf(source, sizeof source, "%s/made-up.safetensors", test_folder());
    test_write_checkpoint(source, config, NULL);
    pix_import_report report;
    pix_error error;
    char *path = test_import_file(source, NULL, &report);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offsetof(pix_pixm_header, config), SEEK_SET), 0);
    assert_int_equal(fwrite(config, sizeof *config, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    pix_model *model;
    assert_ok(pix_model_open(path, &model, &error), &error);
    free(path);
    return model;
}

enum { EMBED = 24, IMAGES = 3, PIXELS = 3 * 32 * 32 };

static void fill_bytes(uint8_t *rgb, size_t count) {
    for (size_t i = 0; i < count; i++)
        rgb[i] = (uint8_t)(i * 2654435761u >> 13);
}

/* Interleaved bytes to normalised planes. */
static void to_pixels(const uint8_t *rgb, int count, float *pixels) {
    float values[3][256];
    pix_pixel_values(values);
    for (int image = 0; image < count; image++)
        for (size_t i = 0; i < PIXELS; i++)
            pixels[image * PIXELS + (int)(i % 3 * 1024 + i / 3)] =
                values[i % 3][rgb[image * PIXELS + (int)i]];
}

static void check_against_oracle(const pix_clip_config *config, size_t end) {
    const int32_t ids[16] = {518, 3, 511, 77, 519, 5, 519, 200};
    uint8_t rgb[PIXELS];
    float pixels[PIXELS], ours[EMBED], expected[EMBED] = {0};
    fill_bytes(rgb, sizeof rgb);
    to_pixels(rgb, 1, pixels);
    pix_model *model = make(config);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, PIX_FP32, 1, 1, &session, &error), &error);
    assert_ok(pix_session_encode_pixels(session, pixels, 1, ours, &error), &error);
    oracle_image(model, pixels, expected);
    assert_true(fabs((double)expected[0]) > 1e-3);
    assert_true(test_max_difference(ours, expected, EMBED) <= 2e-5);
    assert_ok(pix_session_encode_text(session, ids, 16, ours, &error), &error);
    oracle_text(model, ids, 16, end, expected);
    assert_true(test_max_difference(ours, expected, EMBED) <= 2e-5);
    pix_session_free(session);
    pix_model_close(model);
}

static void openai_conventions_equal_float64(void **state) {
    (void)state;
    pix_clip_config config = test_small_config();
    check_against_oracle(&config, 4);
}

static void what_a_config_file_says_equals_float64(void **state) {
    (void)state;
    pix_clip_config config = test_small_config();
    config.vision_heads = 4;
    config.text_heads = 16;
    config.exact_gelu = 1;
    config.end_token = 77;
    config.layer_norm_eps = 0.01f;
    check_against_oracle(&config, 3);
}

static void one_layer_models_run(void **state) {
    (void)state;
    pix_clip_config config = test_small_config();
    config.vision_layers = config.text_layers = 1;
    check_against_oracle(&config, 4);
}

/* A model and a session of IMAGES pictures, for the tests below. */
static pix_model *shared_model;

static int open_model(void **state) {
    (void)state;
    if (!count_allocations()) {
        print_error("allocations cannot be counted\n");
        return -1;
    }
    pix_clip_config config = test_small_config();
    shared_model = make(&config);
    return 0;
}

static int close_model(void **state) {
    (void)state;
    pix_model_close(shared_model);
    return 0;
}

static void bytes_give_what_their_pixels_give(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    uint8_t rgb[IMAGES * PIXELS];
    float pixels[IMAGES * PIXELS], by_bytes[IMAGES * EMBED], by_pixels[IMAGES * EMBED];
    fill_bytes(rgb, sizeof rgb);
    to_pixels(rgb, IMAGES, pixels);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(shared_model, precision, IMAGES, 1, &session, &error), &error);
    assert_ok(pix_session_encode_images(session, rgb, IMAGES, by_bytes, &error), &error);
    assert_ok(pix_session_encode_pixels(session, pixels, IMAGES, by_pixels, &error), &error);
    assert_memory_equal(by_bytes, by_pixels, sizeof by_bytes);
    assert_memory_not_equal(by_bytes, by_bytes + EMBED, EMBED * sizeof(float));
    pix_session_free(session);
}

static void a_picture_is_the_same_in_any_batch(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    uint8_t rgb[IMAGES * PIXELS];
    float batch[IMAGES * EMBED], alone[EMBED];
    fill_bytes(rgb, sizeof rgb);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(shared_model, precision, IMAGES, 2, &session, &error), &error);
    assert_ok(pix_session_encode_images(session, rgb, IMAGES, batch, &error), &error);
    for (size_t i = 0; i < IMAGES; i++) {
        assert_ok(pix_session_encode_images(session, rgb + i * (size_t)PIXELS, 1, alone, &error),
                  &error);
        assert_memory_equal(batch + i * EMBED, alone, sizeof alone);
    }
    pix_session_free(session);
}

static void encoding_allocates_nothing(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    uint8_t rgb[IMAGES * PIXELS];
    float pixels[IMAGES * PIXELS], features[IMAGES * EMBED];
    int32_t ids[] = {518, 3, 511, 77, 519};
    const pix_ids texts[] = {{.data = ids, .count = 5}, {.data = ids, .count = 5}};
    fill_bytes(rgb, sizeof rgb);
    to_pixels(rgb, IMAGES, pixels);
    pix_session *session;
    pix_error error;
    int64_t before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    assert_ok(pix_session_new(shared_model, precision, IMAGES, 1, &session, &error), &error);
    assert_true(__atomic_load_n(&allocations, __ATOMIC_RELAXED) > before); /* it does count */
    before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    pix_status status[] = {
        pix_session_encode_images(session, rgb, IMAGES, features, &error),
        pix_session_encode_pixels(session, pixels, 1, features, &error),
        pix_session_encode_text(session, ids, 5, features, &error),
        pix_session_encode_texts(session, texts, 2, features, &error),
        pix_normalise(features, EMBED, &error),
    };
    int64_t after = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof status / sizeof *status; i++)
        assert_int_equal(status[i], PIX_OK);
    assert_int_equal(after - before, 0);
    pix_session_free(session);
}

static void encoding_with_a_resnet_allocates_nothing(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    pix_model *model = make(&config);
    size_t bytes = (size_t)IMAGES * 3 * 96 * 96;
    uint8_t *rgb = test_zeroed(bytes, 1);
    float features[IMAGES * EMBED];
    fill_bytes(rgb, bytes);
    pix_session *session;
    pix_error error;
    int64_t before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    assert_ok(pix_session_new(model, PIX_FP32, IMAGES, 1, &session, &error), &error);
    assert_true(__atomic_load_n(&allocations, __ATOMIC_RELAXED) > before);
    before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    pix_status status[] = {pix_session_encode_images(session, rgb, IMAGES, features, &error),
                           pix_session_encode_images(session, rgb, 1, features, &error)};
    int64_t after = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
    assert_int_equal(status[0], PIX_OK);
    assert_int_equal(status[1], PIX_OK);
    assert_int_equal(after - before, 0);
    pix_session_free(session);
    pix_model_close(model);
    free(rgb);
}

static void a_session_for_text_leaves_the_resnet_alone(void **state) {
    (void)state;
    pix_clip_config config = test_small_resnet_config();
    pix_model *model = make(&config);
    const int32_t ids[] = {518, 3, 519};
    const uint8_t rgb[1] = {0};
    float feature[EMBED];
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, PIX_FP32, 0, 1, &session, &error), &error);
    assert_ok(pix_session_encode_text(session, ids, 3, feature, &error), &error);
    assert_int_equal(pix_session_encode_images(session, rgb, 1, feature, &error), PIX_EINVALID);
    pix_session_free(session);
    assert_int_equal(pix_session_new(model, PIX_FP32, INT32_MAX, 1, &session, &error),
                     PIX_EINVALID);
    assert_null(session);
    pix_model_close(model);
}

/* Unit features of a picture and a text. */
static void encode_with(const char *kernels, pix_precision precision, int threads,
                        float *features) {
    const int32_t ids[] = {518, 3, 511, 77, 519};
    uint8_t rgb[PIXELS];
    fill_bytes(rgb, sizeof rgb);
    pix_session *session;
    pix_error error;
    assert_int_equal(setenv(PIX_ISA_VARIABLE, kernels, 1), 0);
    assert_ok(pix_session_new(shared_model, precision, 1, threads, &session, &error), &error);
    assert_int_equal(unsetenv(PIX_ISA_VARIABLE), 0);
    assert_ok(pix_session_encode_images(session, rgb, 1, features, &error), &error);
    assert_ok(pix_session_encode_text(session, ids, 5, features + EMBED, &error), &error);
    for (size_t i = 0; i < 2; i++)
        assert_ok(pix_normalise(features + i * EMBED, EMBED, &error), &error);
    pix_session_free(session);
}

static void every_kernel_and_number_of_threads_will_do(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    float first[2 * EMBED], other[2 * EMBED], fused[2 * EMBED], threaded[2 * EMBED];
    size_t count = 0;
    for (const pix_kernels *kernels; (kernels = pix_kernels_at(count)); count++) {
        encode_with(pix_kernels_name(kernels), precision, 1, count == 0 ? first : other);
        encode_with(pix_kernels_name(kernels), precision, 3, threaded);
        assert_memory_equal(threaded, count == 0 ? first : other, sizeof threaded);
        /* The portable kernels round a product before they add it, the others do not; and a last
         * bit that differs may round a code up instead of down. */
        if (count > 0)
            assert_true(test_max_difference(other, first, (size_t)2 * EMBED) <=
                        (precision == PIX_FP32 ? 1e-6 : 5e-3));
        if (count == 1)
            memcpy(fused, other, sizeof fused);
        if (count > 1)
            assert_memory_equal(other, fused, sizeof fused);
    }
    assert_true(count > 0);
}

static void kernels_that_are_unknown_are_refused(void **state) {
    (void)state;
    pix_session *session;
    pix_error error;
    assert_int_equal(setenv(PIX_ISA_VARIABLE, "mmx", 1), 0);
    pix_status status = pix_session_new(shared_model, PIX_FP32, 0, 1, &session, &error);
    assert_int_equal(unsetenv(PIX_ISA_VARIABLE), 0);
    assert_int_not_equal(status, PIX_OK);
    assert_null(session);
    assert_non_null(strstr(error.text, "PIXGREP_ISA: "));
    assert_non_null(strstr(error.text, "mmx"));
    assert_non_null(strstr(error.text, "portable"));
}

static void results_do_not_depend_on_what_a_session_did_before(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    const int32_t long_ids[] = {518, 9, 8, 7, 6, 5, 4, 3, 2, 1, 11, 12, 13, 14, 15, 519};
    const int32_t short_ids[] = {518, 42, 519};
    float first[EMBED], again[EMBED], other[EMBED];
    uint8_t rgb[IMAGES * PIXELS];
    float features[IMAGES * EMBED];
    fill_bytes(rgb, sizeof rgb);
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(shared_model, precision, IMAGES, 1, &session, &error), &error);
    assert_ok(pix_session_encode_text(session, short_ids, 3, first, &error), &error);
    assert_ok(pix_session_encode_text(session, long_ids, 16, other, &error), &error);
    assert_ok(pix_session_encode_images(session, rgb, IMAGES, features, &error), &error);
    assert_ok(pix_session_encode_text(session, short_ids, 3, again, &error), &error);
    assert_memory_equal(first, again, sizeof first);
    pix_session_free(session);
}

static double cosine(const float *a, const float *b) {
    return pix_dot(a, b, EMBED) / sqrt(pix_dot(a, a, EMBED) * pix_dot(b, b, EMBED));
}

static void int8_is_near_fp32(void **state) {
    (void)state;
    float fp32[2 * EMBED], int8[2 * EMBED];
    encode_with("", PIX_FP32, 1, fp32);
    encode_with("", PIX_INT8, 1, int8);
    for (size_t i = 0; i < 2; i++) {
        double near = cosine(fp32 + i * EMBED, int8 + i * EMBED);
        print_message("cosine %.6f\n", near);
        assert_true(near > 0.999);
        assert_memory_not_equal(fp32 + i * EMBED, int8 + i * EMBED, EMBED * sizeof(float));
    }
}

static void what_follows_the_first_end_token_changes_nothing(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    const int32_t plain[] = {518, 42, 519};
    const int32_t padded[16] = {518, 42, 519, 0, 0, 519, 7};
    float a[EMBED], b[EMBED];
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(shared_model, precision, 0, 1, &session, &error), &error);
    assert_ok(pix_session_encode_text(session, plain, 3, a, &error), &error);
    assert_ok(pix_session_encode_text(session, padded, 16, b, &error), &error);
    assert_memory_equal(a, b, sizeof a);
    pix_session_free(session);
}

enum { TEXTS = 300, LONGEST = 16 };

/* Texts that begin alike, some the same, of more tokens than are computed at once. */
static void write_texts(int32_t ids[TEXTS][LONGEST], pix_ids texts[TEXTS]) {
    for (int i = 0; i < TEXTS; i++) {
        int length = 3 + i * 7 % (LONGEST - 2);
        ids[i][0] = 518;
        for (int j = 1; j + 1 < length; j++)
            ids[i][j] = j < 4 ? (j * i / 100) % 5 : (i * 31 + j * 17) % 500;
        ids[i][length - 1] = 519;
        texts[i] = (pix_ids){.data = ids[i], .count = (size_t)length};
    }
}

static void many_texts_give_what_each_gives_alone(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    static int32_t ids[TEXTS][LONGEST];
    pix_ids texts[TEXTS];
    float *together = test_zeroed((size_t)TEXTS * EMBED, sizeof *together), alone[EMBED];
    float *threaded = test_zeroed((size_t)TEXTS * EMBED, sizeof *threaded);
    pix_session *session, *of_three;
    pix_error error;
    write_texts(ids, texts);
    assert_ok(pix_session_new(shared_model, precision, 0, 1, &session, &error), &error);
    assert_ok(pix_session_new(shared_model, precision, 0, 3, &of_three, &error), &error);
    assert_ok(pix_session_encode_texts(of_three, texts, TEXTS, threaded, &error), &error);
    assert_ok(pix_session_encode_texts(session, texts, 0, together, &error), &error);
    assert_ok(pix_session_encode_texts(session, texts, TEXTS, together, &error), &error);
    assert_memory_equal(threaded, together, (size_t)TEXTS * EMBED * sizeof *together);
    for (size_t i = 0; i < TEXTS; i++) {
        float *one = together + i * EMBED;
        assert_ok(pix_session_encode_text(session, ids[i], texts[i].count, alone, &error), &error);
        assert_memory_equal(one, alone, sizeof alone);
    }
    assert_true(test_max_difference(together, together + EMBED, EMBED) > 1e-2);
    free(together);
    free(threaded);
    pix_session_free(session);
    pix_session_free(of_three);
}

static void a_wrong_text_among_many_leaves_nothing_behind(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    int32_t good[] = {518, 42, 519}, bad[] = {518, 520};
    const pix_ids texts[] = {{.data = good, .count = 3}, {.data = bad, .count = 2}};
    float features[2 * EMBED] = {0}, first[EMBED], again[EMBED];
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(shared_model, precision, 0, 1, &session, &error), &error);
    assert_ok(pix_session_encode_text(session, good, 3, first, &error), &error);
    assert_int_equal(pix_session_encode_texts(session, texts, 2, features, &error), PIX_EINVALID);
    assert_ok(pix_session_encode_texts(session, texts, 1, again, &error), &error);
    assert_memory_equal(first, again, sizeof first);
    pix_session_free(session);
}

static void sessions_of_two_threads_share_a_model(void **state) {
    const pix_precision precision = *(const pix_precision *)*state;
    uint8_t rgb[IMAGES * PIXELS];
    fill_bytes(rgb, sizeof rgb);
    test_two_threads(shared_model, precision, rgb, IMAGES, 20);
}

static void wrong_calls_are_refused_in_words(void **state) {
    (void)state;
    int32_t ids[17] = {518, 519};
    float feature[EMBED];
    const uint8_t rgb[1] = {0};
    pix_session *session;
    pix_error error;
    assert_int_equal(pix_session_new(shared_model, PIX_FP32, -1, 1, &session, &error),
                     PIX_EINVALID);
    assert_null(session);
    assert_ok(pix_session_new(shared_model, PIX_FP32, 0, 1, &session, &error), &error);
    assert_int_equal(pix_session_encode_images(session, rgb, 1, feature, &error), PIX_EINVALID);
    assert_string_equal(error.text, "1 images for a session of 0");
    assert_int_equal(pix_session_encode_text(session, ids, 17, feature, &error), PIX_ELIMIT);
    assert_string_equal(error.text, "17 tokens, more than the 16 the model reads");
    assert_int_equal(pix_session_encode_text(session, ids, 0, feature, &error), PIX_EINVALID);
    ids[1] = 520;
    assert_int_equal(pix_session_encode_text(session, ids, 2, feature, &error), PIX_EINVALID);
    assert_string_equal(error.text, "token 520 is not among the model's 520");
    ids[1] = -1;
    assert_int_equal(pix_session_encode_text(session, ids, 2, feature, &error), PIX_EINVALID);
    pix_session_free(session);
}

static void a_named_end_token_must_be_there(void **state) {
    (void)state;
    pix_clip_config config = test_small_config();
    config.end_token = 7;
    pix_model *model = make(&config);
    const int32_t ids[] = {518, 8, 519};
    float feature[EMBED];
    pix_session *session;
    pix_error error;
    assert_ok(pix_session_new(model, PIX_FP32, 0, 1, &session, &error), &error);
    assert_int_equal(pix_session_encode_text(session, ids, 3, feature, &error), PIX_EINVALID);
    assert_string_equal(error.text, "the tokens do not hold the end token 7");
    pix_session_free(session);
    pix_model_close(model);
}

static void a_batch_keeps_within_bounds(void **state) {
    (void)state;
    assert_int_equal(pix_model_batch_size(shared_model), 32); /* 17 tokens */
    pix_clip_config config = test_small_config();
    config.image_size = 8 * 16; /* 257 tokens, as ViT-L/14 has */
    pix_model *model = make(&config);
    assert_int_equal(pix_model_batch_size(model), 6);
    pix_model_close(model);
    config = test_small_resnet_config(); /* 9 cells */
    model = make(&config);
    assert_int_equal(pix_model_batch_size(model), 32);
    pix_model_close(model);
    config.image_size = 224; /* 49, as RN50 has */
    config.vision_width = 2;
    config.vision_heads = 1;
    model = make(&config);
    assert_int_equal(pix_model_batch_size(model), 16);
    pix_model_close(model);
}

static void a_vector_is_divided_by_its_length(void **state) {
    (void)state;
    float v[] = {3e30f, -4e30f};
    pix_error error;
    assert_ok(pix_normalise(v, 2, &error), &error);
    assert_float_equal(v[0], 0.6, 1e-7);
    assert_float_equal(v[1], -0.8, 1e-7);
    float zero[] = {0, -0.0f}, nan[] = {1, NAN}, infinite[] = {1, INFINITY};
    assert_int_equal(pix_normalise(zero, 2, &error), PIX_EFORMAT);
    assert_int_equal(pix_normalise(nan, 2, &error), PIX_EFORMAT);
    assert_int_equal(pix_normalise(infinite, 2, &error), PIX_EFORMAT);
}

static pix_precision fp32 = PIX_FP32, int8 = PIX_INT8;

/* What holds in each precision, which is the test's state. */
#define IN_BOTH(test)                                                                              \
    {#test " in fp32", test, NULL, NULL, &fp32}, {                                                 \
#test " in int8", test, NULL, NULL, &int8                                                  \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai_conventions_equal_float64),
        cmocka_unit_test(what_a_config_file_says_equals_float64),
        cmocka_unit_test(one_layer_models_run),
        IN_BOTH(bytes_give_what_their_pixels_give),
        IN_BOTH(a_picture_is_the_same_in_any_batch),
        IN_BOTH(encoding_allocates_nothing),
        cmocka_unit_test(encoding_with_a_resnet_allocates_nothing),
        cmocka_unit_test(a_session_for_text_leaves_the_resnet_alone),
        IN_BOTH(every_kernel_and_number_of_threads_will_do),
        cmocka_unit_test(int8_is_near_fp32),
        cmocka_unit_test(kernels_that_are_unknown_are_refused),
        IN_BOTH(results_do_not_depend_on_what_a_session_did_before),
        IN_BOTH(what_follows_the_first_end_token_changes_nothing),
        IN_BOTH(many_texts_give_what_each_gives_alone),
        IN_BOTH(a_wrong_text_among_many_leaves_nothing_behind),
        IN_BOTH(sessions_of_two_threads_share_a_model),
        cmocka_unit_test(wrong_calls_are_refused_in_words),
        cmocka_unit_test(a_named_end_token_must_be_there),
        cmocka_unit_test(a_batch_keeps_within_bounds),
        cmocka_unit_test(a_vector_is_divided_by_its_length),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
