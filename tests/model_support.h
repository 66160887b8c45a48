/* model_support.h - models for tests: goldens imported, and small ones made up on the spot. */
#ifndef PIX_TESTS_MODEL_SUPPORT_H
#define PIX_TESTS_MODEL_SUPPORT_H

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/clip/model.h"
#include "core/clip/session.h"
#include "tests/support.h"

/* `count` zeroed items of `size` bytes; never NULL. */
static inline void *test_zeroed(size_t count, size_t size) {
    void *data = calloc(count + 1, size);
    if (!data)
        abort();
    return data;
}

/* `source` imported into a fresh folder, `vocabulary` as in pix_import_options: the path of the
 * .pixm, the caller's. */
static inline char *test_import_file(const char *source, const char *vocabulary,
                                     pix_import_report *report) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/model.pixm", test_folder());
    pix_error error;
    assert_ok(pix_model_import(source, "model", path,
                               &(pix_import_options){.vocabulary = vocabulary}, report, &error),
              &error);
    char *owned = strdup(path);
    if (!owned)
        abort();
    return owned;
}

/* The same, opened. */
static inline pix_model *test_import(const char *source, const char *vocabulary) {
    pix_import_report report;
    pix_error error;
    pix_model *model;
    char *path = test_import_file(source, vocabulary, &report);
    assert_ok(pix_model_open(path, &model, &error), &error);
    free(path);
    return model;
}

/* What codes [out, in] stand for. */
static inline void test_plain_codes(const pix_panels_int8 *panels, float *values) {
    size_t out = (size_t)panels->out, in = (size_t)panels->in;
    size_t panel = pix_panels_int8_groups(panels->in) * PIX_GROUP;
    for (size_t row = 0; row < out; row++)
        for (size_t i = 0; i < in; i++) {
            size_t at = row / PIX_PANEL * panel + i / 4 * PIX_GROUP + row % PIX_PANEL * 4 + i % 4;
            *values++ = panels->scales[row] * (float)panels->codes[at];
        }
}

/* Any tensor of a model in the order of its shape, on the heap. */
static inline float *test_plain_tensor(const pix_model *model, const pix_clip_tensor *tensor) {
    size_t elements = pix_clip_tensor_elements(tensor);
    float *values = test_zeroed(elements, sizeof *values), *value = values;
    if (!tensor->packed) {
        memcpy(values, pix_model_tensor(model, tensor->name, elements), elements * sizeof *values);
        return values;
    }
    int out = pix_clip_tensor_out(tensor), in = pix_clip_tensor_in(tensor);
    for (int part = 0; part < tensor->packed; part++, value += (size_t)out * (size_t)in) {
        if (tensor->int8) {
            pix_panels_int8 codes =
                pix_model_panels_int8(model, tensor->name, out, in, tensor->packed, part);
            test_plain_codes(&codes, value);
            continue;
        }
        pix_panels_f32 panels =
            pix_model_panels(model, tensor->name, out, in, tensor->packed, part);
        for (size_t row = 0; row < (size_t)out; row++)
            for (size_t i = 0; i < (size_t)in; i++) {
                size_t panel = row / PIX_PANEL * (size_t)in + i;
                value[tensor->transposed ? i * (size_t)out + row : row * (size_t)in + i] =
                    panels.values[panel * PIX_PANEL + row % PIX_PANEL];
            }
    }
    return values;
}

static inline pix_clip_tensor test_named_tensor(const pix_model *model, const char *name) {
    pix_clip_tensor *tensors, found = {0};
    size_t count;
    pix_error error;
    assert_ok(pix_clip_tensors(pix_model_config(model), &tensors, &count, &error), &error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tensors[i].name, name) == 0)
            found = tensors[i];
    free(tensors);
    assert_string_equal(found.name, name);
    return found;
}

/* 520 tokens: 6 merges beyond the bytes.  Two heads a tower, an end token that is not the highest
 * id, and the exact GELU can only come from a config file, so the caller sets those it wants. */
static inline pix_clip_config test_small_config(void) {
    return (pix_clip_config){.embed_dim = 24,
                             .image_size = 32,
                             .vision_kind = PIX_VISION_VIT,
                             .vision_width = 64,
                             .vision_layers = 2,
                             .vision_heads = 1,
                             .patch_size = 8,
                             .context_length = 16,
                             .vocab_size = 520,
                             .text_width = 128,
                             .text_layers = 3,
                             .text_heads = 2,
                             .vision_mlp_width = 256,
                             .text_mlp_width = 512,
                             .end_token = -1,
                             .layer_norm_eps = 1e-5f,
                             .logit_scale = 1.0f};
}

/* A ModifiedResNet of odd sizes: 12 heads of 64, a picture's last cells are 3 x 3. */
static inline pix_clip_config test_small_resnet_config(void) {
    pix_clip_config config = test_small_config();
    config.image_size = 96;
    config.vision_kind = PIX_VISION_RESNET;
    config.vision_width = 24;
    config.vision_heads = 12;
    config.vision_layers = config.patch_size = config.vision_mlp_width = 0;
    const int32_t layers[4] = {1, 2, 1, 1};
    memcpy(config.resnet_layers, layers, sizeof layers);
    return config;
}

/* Value `index` of tensor number `tensor`: in [-0.25, 0.25), or around 1 for a scale or a variance;
 * less where many are summed. */
static inline float test_weight(const pix_clip_tensor *tensor, size_t number, size_t index) {
    uint64_t z = (number * 1000003 + index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    float value = (float)(z >> 40) / 33554432.0f - 0.25f;
    bool visual_pool = strstr(tensor->name, "attnpool") && tensor->rank == 2;
    if (tensor->rank == 4 || visual_pool) {
        size_t summed = pix_clip_tensor_elements(tensor) / (size_t)tensor->shape[0];
        value *= 8 / sqrtf((float)summed);
    }
    bool norm = strstr(tensor->name, "ln_") || strstr(tensor->name, "bn") ||
                strstr(tensor->name, "downsample.1");
    bool scale = strstr(tensor->name, ".weight") || strstr(tensor->name, ".running_var");
    return norm && scale ? 1 + value : value;
}

/* A safetensors file with OpenAI's names, sizes as in `config` and made-up weights.  `broken`, when
 * not NULL, names a tensor whose last value is not a number. */
static inline void test_write_checkpoint(const char *path, const pix_clip_config *config,
                                         const char *broken) {
    pix_clip_tensor *tensors;
    size_t count, offset = 4;
    pix_error error;
    assert_ok(pix_clip_checkpoint_tensors(config, &tensors, &count, &error), &error);
    pix_bytes header = {0}, data = {0}, file = {0};
    const float logit_scale = logf(config->logit_scale);
    pix_bytes_append_text(
        &header, "{\"logit_scale\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}");
    pix_bytes_append(&data, &logit_scale, sizeof logit_scale);
    for (size_t i = 0; i < count; i++) {
        char text[256];
        size_t elements = pix_clip_tensor_elements(&tensors[i]);
        (void)snprintf(text, sizeof text, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                       tensors[i].name);
        pix_bytes_append_text(&header, text);
        for (int axis = 0; axis < tensors[i].rank; axis++) {
            (void)snprintf(text, sizeof text, "%s%d", axis ? "," : "", (int)tensors[i].shape[axis]);
            pix_bytes_append_text(&header, text);
        }
        (void)snprintf(text, sizeof text, "],\"data_offsets\":[%zu,%zu]}", offset,
                       offset + 4 * elements);
        pix_bytes_append_text(&header, text);
        offset += 4 * elements;
        for (size_t j = 0; j < elements; j++) {
            bool bad = broken && strcmp(broken, tensors[i].name) == 0 && j + 1 == elements;
            float value = bad ? NAN : test_weight(&tensors[i], i, j);
            pix_bytes_append(&data, &value, sizeof value);
        }
    }
    pix_bytes_append_text(&header, "}");
    uint64_t length = header.size;
    pix_bytes_append(&file, &length, sizeof length);
    pix_bytes_append(&file, header.data, header.size);
    assert_int_equal(pix_bytes_append(&file, data.data, data.size), PIX_OK);
    test_write_file(path, file.data, file.size);
    pix_bytes_free(&header);
    pix_bytes_free(&data);
    pix_bytes_free(&file);
    free(tensors);
}

/* What one thread encodes, over and over, in a session of its own. */
typedef struct test_encoding {
    pix_model *model;
    pix_precision precision;
    const uint8_t *rgb; /* [images, size, size, 3] */
    int images, rounds;
    float *features; /* [images + 1, embed_dim]: the pictures', then a text's */
    bool failed;
} test_encoding;

static inline void *test_encode(void *argument) {
    test_encoding *e = argument;
    const int32_t ids[] = {518, 3, 511, 77, 519};
    float *text = e->features + (size_t)e->images * (size_t)pix_model_config(e->model)->embed_dim;
    pix_session *session;
    e->failed = pix_session_new(e->model, e->precision, e->images, 1, &session, NULL) != PIX_OK;
    for (int i = 0; i < e->rounds && !e->failed; i++)
        e->failed = pix_session_encode_images(session, e->rgb, e->images, e->features, NULL) ||
                    pix_session_encode_text(session, ids, 5, text, NULL);
    pix_session_free(session);
    return NULL;
}

/* Two threads that share a model of test_small_config's vocabulary get what one alone gets. */
static inline void test_two_threads(pix_model *model, pix_precision precision, const uint8_t *rgb,
                                    int images, int rounds) {
    size_t size = (size_t)(images + 1) * (size_t)pix_model_config(model)->embed_dim;
    float *features = test_zeroed(3 * size, sizeof *features);
    test_encoding alone = {model, precision, rgb, images, rounds, features, false},
                  both[2] = {alone, alone};
    test_encode(&alone);
    assert_false(alone.failed);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        both[i].features = features + (size_t)(i + 1) * size;
        assert_int_equal(pthread_create(&threads[i], NULL, test_encode, &both[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(both[i].failed);
        assert_memory_equal(both[i].features, alone.features, size * sizeof *features);
    }
    free(features);
}

#endif
