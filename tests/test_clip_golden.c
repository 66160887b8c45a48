/* The towers against PyTorch's results, model by model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/clip/pixels.h"
#include "core/clip/resnet.h"
#include "core/clip/session.h"
#include "core/clip/text_tower.h"
#include "core/clip/vit.h"
#include "core/tensor/dot.h"
#include "core/tensor/layers.h"
#include "tests/model_support.h"

/* Limits of the reference data's README; activations relative to the largest of an array, since
 * they grow with depth. */
static const double unit_limit = 1e-5, logit_limit = 1e-3, probability_limit = 1e-4,
                    batch_limit = 1e-6, activation_limit = 1e-5;

static pix_compute compute;

typedef struct golden {
    const char *(*place)(const char *format, ...);
    const char *weights;
    const char *inputs;  /* folder with pixels and tokens, and activations where there are any */
    const char *results; /* folder with features and logits */
    size_t first_row;    /* of the results: which one belongs to pixels[0] */
} golden;

typedef struct fixture {
    const golden *golden;
    pix_model *model;
    pix_session *session;
    test_array pixels, tokens;
    size_t images, texts, embed;
    float *image, *text; /* unit features: [images, embed], [texts, embed] */
} fixture;

static bool load(const golden *g, const char *folder, const char *name, test_array *array) {
    return test_array_load(g->place("%s/%s.npy", folder, name), array);
}

static void need(const golden *g, const char *folder, const char *name, test_array *array) {
    if (!load(g, folder, name, array))
        fail_msg("%s/%s.npy is missing", folder, name);
}

/* All features, raw ones compared on the way (they are at most 25 and lose 4e-6 in PyTorch). */
static void encode(fixture *f) {
    pix_error error;
    f->image = test_zeroed(f->images * f->embed, sizeof(float));
    f->text = test_zeroed(f->texts * f->embed, sizeof(float));
    assert_ok(pix_session_encode_pixels(f->session, f->pixels.f, (int)f->images, f->image, &error),
              &error);
    size_t context = f->tokens.shape[1];
    for (size_t i = 0; i < f->texts; i++)
        assert_ok(pix_session_encode_text(f->session, f->tokens.i + i * context, context,
                                          f->text + i * f->embed, &error),
                  &error);
    test_array image, text;
    need(f->golden, f->golden->results, "image_features", &image);
    need(f->golden, f->golden->results, "text_features", &text);
    assert_true(test_max_difference(f->image, image.f + f->golden->first_row * f->embed,
                                    f->images * f->embed) <= 1e-4);
    assert_true(test_max_difference(f->text, text.f, f->texts * f->embed) <= 1e-4);
    test_array_free(&image);
    test_array_free(&text);
    for (size_t i = 0; i < f->images; i++)
        assert_ok(pix_normalise(f->image + i * f->embed, f->embed, &error), &error);
    for (size_t i = 0; i < f->texts; i++)
        assert_ok(pix_normalise(f->text + i * f->embed, f->embed, &error), &error);
}

static void features_match(const fixture *f) {
    test_array image, text;
    need(f->golden, f->golden->results, "image_features_norm", &image);
    need(f->golden, f->golden->results, "text_features_norm", &text);
    assert_int_equal(image.shape[0], f->golden->first_row + f->images);
    assert_int_equal(text.shape[0], f->texts);
    double images = test_max_difference(f->image, image.f + f->golden->first_row * f->embed,
                                        f->images * f->embed);
    double texts = test_max_difference(f->text, text.f, f->texts * f->embed);
    print_message("%s: unit features off by %.2g (images), %.2g (texts)\n", f->golden->weights,
                  images, texts);
    assert_true(images <= unit_limit);
    assert_true(texts <= unit_limit);
    test_array_free(&image);
    test_array_free(&text);
}

/* Rows of `logits` [rows, columns] to probabilities, in float64. */
static void softmax(double *logits, size_t rows, size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        double *row = logits + r * columns, sum = 0;
        for (size_t i = 0; i < columns; i++)
            sum += exp(row[i] - 100.1);
        for (size_t i = 0; i < columns; i++)
            row[i] = exp(row[i] - 100.1) / sum;
    }
}

static void matrix_matches(const fixture *f, const char *name, const double *ours, size_t first,
                           size_t rows, size_t columns, double limit) {
    test_array want_array;
    need(f->golden, f->golden->results, name, &want_array);
    assert_int_equal(want_array.shape[1], columns);
    for (size_t i = 0; i < rows * columns; i++) {
        double want = (double)want_array.f[first * columns + i];
        if (!(fabs(ours[i] - want) <= limit))
            fail_msg("%s[%zu]: %.9g, not %.9g", name, i, ours[i], want);
    }
    test_array_free(&want_array);
}

static void logits_match(const fixture *f) {
    double scale = (double)pix_model_config(f->model)->logit_scale;
    double *by_image = test_zeroed(f->images * f->texts, sizeof *by_image);
    double *by_text = test_zeroed(f->images * f->texts, sizeof *by_text);
    for (size_t i = 0; i < f->images; i++)
        for (size_t t = 0; t < f->texts; t++)
            by_image[i * f->texts + t] = by_text[t * f->images + i] =
                scale * pix_dot(f->image + i * f->embed, f->text + t * f->embed, f->embed);
    size_t first = f->golden->first_row;
    matrix_matches(f, "logits_per_image", by_image, first, f->images, f->texts, logit_limit);
    softmax(by_image, f->images, f->texts);
    matrix_matches(f, "probs_per_image", by_image, first, f->images, f->texts, probability_limit);
    if (first == 0) { /* a text's probabilities need every image */
        matrix_matches(f, "logits_per_text", by_text, 0, f->texts, f->images, logit_limit);
        softmax(by_text, f->texts, f->images);
        matrix_matches(f, "probs_per_text", by_text, 0, f->texts, f->images, probability_limit);
    }
    free(by_image);
    free(by_text);
}

static void a_batch_equals_one_at_a_time(const fixture *f) {
    size_t one = f->pixels.count / f->images;
    float *feature = test_zeroed(f->embed, sizeof *feature);
    pix_error error;
    for (size_t i = 0; i < f->images; i++) {
        assert_ok(pix_session_encode_pixels(f->session, f->pixels.f + i * one, 1, feature, &error),
                  &error);
        assert_ok(pix_normalise(feature, f->embed, &error), &error);
        double difference = test_max_difference(feature, f->image + i * f->embed, f->embed);
        if (!(difference <= batch_limit))
            fail_msg("image %zu alone: off by %g", i, difference);
    }
    free(feature);
}

/* Compares with the activation `name`; `x` is [rows, width], the golden may have fewer rows. */
static void activation_matches(const golden *g, const char *name, const float *x) {
    test_array want;
    need(g, g->inputs, name, &want);
    double largest = 1;
    for (size_t i = 0; i < want.count; i++)
        largest = fmax(largest, fabs((double)want.f[i]));
    double difference = test_max_difference(x, want.f, want.count);
    if (!(difference <= activation_limit * largest))
        fail_msg("%s: off by %g, values up to %g", name, difference, largest);
    test_array_free(&want);
}

/* Every block over every token; of block 0 each half as well. */
static void blocks_match(const golden *g, const char *tower, const pix_transformer *t,
                         pix_scratch *scratch, const pix_pass *pass, bool halves) {
    int tokens = pass->rows;
    size_t count = (size_t)tokens * (size_t)t->width;
    float *before = test_zeroed(count, sizeof *before);
    char name[64];
    for (int layer = 0; layer < t->layers; layer++) {
        halves = halves && layer == 0;
        if (halves) {
            const pix_layer_norm ln_1 = {(size_t)t->width, t->blocks[0].ln_1_weight,
                                         t->blocks[0].ln_1_bias, t->eps};
            pix_layer_norm_run(&ln_1, &compute, tokens, scratch->x, scratch->normal, NULL);
            activation_matches(g, "act_image0_block0_ln1", scratch->normal);
        }
        memcpy(before, scratch->x, count * sizeof *before);
        pix_block_attend(t, layer, scratch, pass);
        for (size_t i = 0; i < count; i++)
            before[i] = scratch->x[i] - before[i];
        if (halves)
            activation_matches(g, "act_image0_block0_attn", before);
        memcpy(before, scratch->x, count * sizeof *before);
        pix_block_feed_forward(t, layer, scratch, tokens);
        for (size_t i = 0; i < count; i++)
            before[i] = scratch->x[i] - before[i];
        if (halves)
            activation_matches(g, "act_image0_block0_mlp", before);
        (void)snprintf(name, sizeof name, "act_%s0_block%d", tower, layer);
        activation_matches(g, name, scratch->x);
    }
    free(before);
}

/* Whether there are activations to compare with; says so when there are none.  The reference data
 * has them all. */
static bool has_activations(const golden *g, const char *name, const char *why_not) {
    if (g->place == test_reference || test_exists(g->place("%s/%s.npy", g->inputs, name)))
        return true;
    print_message("SKIP activations of %s (%s): %s\n", g->weights, name, why_not);
    return false;
}

static const char of_a_photograph[] = "the first picture is a photograph, which is not committed";

static void conv1_matches(const golden *g, const pix_vit *vit, const pix_scratch *scratch) {
    int cells = vit->grid * vit->grid, patch = 3 * vit->patch_size * vit->patch_size;
    size_t width = (size_t)vit->transformer.width;
    float *ours = test_zeroed((size_t)cells * width, sizeof *ours);
    float *out = test_zeroed((size_t)cells * width, sizeof *out);
    const pix_activations patches = {.x = scratch->hidden + patch, .stride = (size_t)patch};
    pix_linear_run(&vit->conv1, &compute, cells, &patches, (pix_epilogue){0}, ours, width);
    /* Turned round, since PyTorch puts channels first: [width, cells]. */
    for (size_t cell = 0; cell < (size_t)cells; cell++)
        for (size_t i = 0; i < width; i++)
            out[i * (size_t)cells + cell] = ours[cell * width + i];
    activation_matches(g, "act_image0_conv1", out);
    free(ours);
    free(out);
}

static void vit_activations_match(const fixture *f) {
    const golden *g = f->golden;
    if (!has_activations(g, "act_image0_ln_pre", of_a_photograph))
        return;
    pix_vit vit;
    pix_scratch scratch;
    pix_scratch_sizes sizes = {0};
    pix_error error;
    assert_ok(pix_vit_init(&vit, f->model, PIX_FP32, &compute, &error), &error);
    assert_true(pix_vit_measure(&vit, 1, &sizes));
    assert_ok(pix_scratch_init(&scratch, &sizes, &error), &error);
    pix_vit_cut_floats(&vit, &scratch, 0, f->pixels.f);
    conv1_matches(g, &vit, &scratch);
    pix_vit_embed(&vit, &scratch, 1);
    activation_matches(g, "act_image0_ln_pre", scratch.x);
    pix_pass pass = {.rows = vit.tokens, .tokens = vit.tokens};
    blocks_match(g, "image", &vit.transformer, &scratch, &pass, true);
    const pix_layer_norm ln_post = {(size_t)vit.transformer.width, vit.ln_post_weight,
                                    vit.ln_post_bias, vit.transformer.eps};
    pix_layer_norm_run(&ln_post, &compute, 1, scratch.x, scratch.x, NULL);
    activation_matches(g, "act_image0_ln_post", scratch.x);
    pix_scratch_free(&scratch);
    pix_vit_free(&vit);
}

/* `x` is [cells, channels]; PyTorch puts channels first. */
static void channels_match(const golden *g, const char *name, const float *x, size_t channels) {
    test_array want;
    need(g, g->inputs, name, &want);
    assert_int_equal(want.shape[0], channels);
    size_t cells = want.count / channels;
    float *turned = test_zeroed(want.count, sizeof *turned);
    for (size_t i = 0; i < want.count; i++)
        turned[i] = x[i % cells * channels + i / cells];
    activation_matches(g, name, turned);
    free(turned);
    test_array_free(&want);
}

static void resnet_activations_match(const fixture *f) {
    const golden *g = f->golden;
    if (!has_activations(g, "act_image0_stem", of_a_photograph))
        return;
    pix_resnet resnet;
    pix_resnet_scratch scratch;
    pix_resnet_sizes sizes;
    pix_error error;
    const pix_clip_config *c = pix_model_config(f->model);
    assert_ok(pix_resnet_init(&resnet, f->model, PIX_FP32, &error), &error);
    assert_true(pix_resnet_measure(c, PIX_FP32, 1, &compute, &sizes));
    assert_ok(pix_resnet_scratch_init(&scratch, &sizes, &error), &error);
    pix_resnet_put_floats(&resnet, &scratch, 0, f->pixels.f);
    pix_conv_run(&resnet.stem[0], &compute, 1, c->image_size, c->image_size, scratch.pixels,
                 &scratch.room, scratch.inner[0]);
    channels_match(g, "act_image0_stem_relu1", scratch.inner[0], (size_t)c->vision_width / 2);
    pix_resnet_stem(&resnet, &compute, &scratch, 0);
    channels_match(g, "act_image0_stem", scratch.x, (size_t)c->vision_width);
    const pix_bottleneck *block = resnet.blocks, *together = block + resnet.alone;
    pix_resnet_scratch s = scratch;
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < c->resnet_layers[stage]; i++, block++) {
            char name[64];
            size_t channels = (size_t)block->conv3.out;
            if (block == together) { /* x has no room for what follows */
                memcpy(s.joined, s.x, resnet.joined * sizeof *s.x);
                s = scratch;
                s.x = s.joined;
            }
            pix_bottleneck_run(block, &compute, &s, 1);
            (void)snprintf(name, sizeof name, "act_image0_layer%d_block%d", stage + 1, i);
            if (test_exists(g->place("%s/%s.npy", g->inputs, name)))
                channels_match(g, name, s.x, channels);
            (void)snprintf(name, sizeof name, "act_image0_layer%d", stage + 1);
            if (i + 1 == c->resnet_layers[stage])
                channels_match(g, name, s.x, channels);
        }
    pix_resnet_scratch_free(&scratch);
    pix_resnet_free(&resnet);
}

static void text_activations_match(const fixture *f) {
    const golden *g = f->golden;
    if (!has_activations(g, "act_text0_ln_final", "there are none of these weights"))
        return;
    pix_text_tower tower;
    pix_scratch scratch;
    pix_scratch_sizes sizes = {0};
    pix_error error;
    assert_ok(pix_text_tower_init(&tower, f->model, PIX_FP32, &compute, &error), &error);
    int tokens = tower.context_length;
    size_t width = (size_t)tower.transformer.width;
    assert_true(
        pix_transformer_measure(&tower.transformer, (size_t)tokens, (size_t)tokens, &sizes));
    assert_ok(pix_scratch_init(&scratch, &sizes, &error), &error);
    pix_text_trie trie;
    assert_ok(pix_text_trie_init(&trie, tokens, &error), &error);
    assert_int_equal(pix_text_trie_add(&trie, f->tokens.i, tokens), tokens - 1);
    pix_text_tower_embed(&tower, &scratch, &trie);
    /* The golden embedding has no positions; what is left after taking them away is rounded. */
    for (size_t i = 0; i < (size_t)tokens * width; i++)
        scratch.normal[i] = scratch.x[i] - tower.positional_embedding[i];
    activation_matches(g, "act_text0_token_embedding", scratch.normal);
    pix_pass pass = {.rows = tokens, .trie = &trie};
    blocks_match(g, "text", &tower.transformer, &scratch, &pass, false);
    const pix_layer_norm ln_final = {width, tower.ln_final_weight, tower.ln_final_bias,
                                     tower.transformer.eps};
    pix_layer_norm_run(&ln_final, &compute, tokens, scratch.x, scratch.x, NULL);
    activation_matches(g, "act_text0_ln_final", scratch.x);
    pix_text_trie_free(&trie);
    pix_scratch_free(&scratch);
    pix_text_tower_free(&tower);
}

static void model_matches(const golden *g) {
    fixture f = {.golden = g};
    pix_error error;
    f.model = test_import(g->place("%s", g->weights), NULL);
    need(g, g->inputs, "pixels", &f.pixels);
    need(g, g->inputs, "tokens", &f.tokens);
    f.images = f.pixels.shape[0];
    f.texts = f.tokens.shape[0];
    f.embed = (size_t)pix_model_config(f.model)->embed_dim;
    assert_int_equal(f.pixels.shape[2], pix_model_config(f.model)->image_size);
    assert_ok(pix_session_new(f.model, PIX_FP32, (int)f.images, 1, &f.session, &error), &error);
    encode(&f);
    features_match(&f);
    logits_match(&f);
    a_batch_equals_one_at_a_time(&f);
    if (pix_model_config(f.model)->vision_kind == PIX_VISION_VIT)
        vit_activations_match(&f);
    else
        resnet_activations_match(&f);
    text_activations_match(&f);
    free(f.image);
    free(f.text);
    test_array_free(&f.pixels);
    test_array_free(&f.tokens);
    pix_session_free(f.session);
    pix_model_close(f.model);
}

/* Defines a test; a model of the reference data is skipped when that is not here. */
#define MODEL_TEST(name, ...)                                                                      \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        const golden g = {__VA_ARGS__};                                                            \
        if (g.place == test_reference && !test_exists(test_reference("%s", g.weights)))            \
            test_skip("no reference data");                                                        \
        model_matches(&g);                                                                         \
    }

MODEL_TEST(vit_p32_torchscript, test_golden, "models/vit-p32/vit-p32.pt", "models/vit-p32/golden",
           "models/vit-p32/golden", 2)
MODEL_TEST(vit_p32_safetensors_f16, test_golden, "models/vit-p32/hf-f16", "models/vit-p32/golden",
           "models/vit-p32/golden", 2)
MODEL_TEST(vit_p14_safetensors_bf16, test_golden, "models/vit-p14/hf-bf16", "models/vit-p14/golden",
           "models/vit-p14/golden-bf16", 2)
MODEL_TEST(rn_tiny_torchscript, test_golden, "models/rn-tiny/rn-tiny.pt", "models/rn-tiny/golden",
           "models/rn-tiny/golden", 2)
MODEL_TEST(hugging_face_exact_gelu, test_golden, "models/hf-gelu/hf-f16", "models/hf-gelu/golden",
           "models/hf-gelu/golden", 0)
MODEL_TEST(hugging_face_defaults, test_golden, "models/hf-defaults/hf-f16",
           "models/hf-defaults/golden", "models/hf-defaults/golden", 0)
MODEL_TEST(reference_rn_tiny, test_reference, "models/rn-tiny/rn-tiny.pt", "models/rn-tiny/golden",
           "models/rn-tiny/golden", 0)
MODEL_TEST(reference_vit_tiny, test_reference, "models/vit-tiny/vit-tiny.pt",
           "models/vit-tiny/golden", "models/vit-tiny/golden", 0)
MODEL_TEST(reference_vit_p32, test_reference, "models/vit-p32/vit-p32.pt", "models/vit-p32/golden",
           "models/vit-p32/golden", 0)
MODEL_TEST(reference_vit_p14, test_reference, "models/vit-p14/vit-p14.pt", "models/vit-p14/golden",
           "models/vit-p14/golden", 0)
MODEL_TEST(reference_vit_p14_safetensors_f32, test_reference, "models/vit-p14/hf-f32",
           "models/vit-p14/golden", "models/vit-p14/golden", 0)
MODEL_TEST(reference_vit_p32_safetensors_f16, test_reference, "models/vit-p32/hf-f16",
           "models/vit-p32/golden", "models/vit-p32/golden", 0)

/* From words to features: the texts of vit-tiny through our own tokenizer. */
static void reference_vit_tiny_from_its_texts(void **state) {
    (void)state;
    const char *vocabulary = test_reference("bpe_simple_vocab_16e6.txt.gz");
    if (!test_exists(vocabulary))
        test_skip("no reference data");
    pix_model *model = test_import(test_reference("models/vit-tiny/vit-tiny.pt"), vocabulary);
    const pix_tokenizer *tokenizer;
    pix_session *session;
    pix_error error;
    assert_ok(pix_model_tokenizer(model, &tokenizer, &error), &error);
    assert_ok(pix_session_new(model, PIX_FP32, 0, 1, &session, &error), &error);
    test_array tokens, features;
    const golden g = {.place = test_reference};
    need(&g, "models/vit-tiny/golden", "tokens", &tokens);
    need(&g, "models/vit-tiny/golden", "text_features_norm", &features);
    json_t *index = json_load_file(test_reference("models/vit-tiny/golden/index.json"), 0, NULL);
    json_t *texts = json_object_get(index, "texts");
    assert_int_equal(json_array_size(texts), tokens.shape[0]);
    size_t context = tokens.shape[1], embed = features.shape[1];
    float *feature = test_zeroed(embed, sizeof *feature);
    pix_ids ids = {0};
    for (size_t i = 0; i < tokens.shape[0]; i++) {
        json_t *text = json_array_get(texts, i);
        assert_int_equal(pix_tokenizer_encode(tokenizer, json_string_value(text),
                                              json_string_length(text), &ids),
                         PIX_OK);
        (void)pix_tokenizer_truncate(tokenizer, &ids, context);
        for (size_t j = 0; j < context; j++)
            assert_int_equal(j < ids.count ? ids.data[j] : 0, tokens.i[i * context + j]);
        assert_ok(pix_session_encode_text(session, ids.data, ids.count, feature, &error), &error);
        assert_ok(pix_normalise(feature, embed, &error), &error);
        assert_true(test_max_difference(feature, features.f + i * embed, embed) <= unit_limit);
    }
    free(feature);
    pix_ids_free(&ids);
    json_decref(index);
    test_array_free(&tokens);
    test_array_free(&features);
    pix_session_free(session);
    pix_model_close(model);
}

static void bytes_are_normalised_like_the_reference(void **state) {
    (void)state;
    test_array table;
    if (!test_array_load(test_reference("preprocess/normalise_lut_3x256_f32.npy"), &table))
        test_skip("no reference data");
    float values[3][256];
    pix_pixel_values(values);
    assert_int_equal(table.count, 3 * 256);
    assert_memory_equal(values, table.f, sizeof values);
    test_array_free(&table);
}

static int open_kernels(void **state) {
    (void)state;
    return pix_kernels_choose(NULL, &compute.kernels, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vit_p32_torchscript),
        cmocka_unit_test(vit_p32_safetensors_f16),
        cmocka_unit_test(vit_p14_safetensors_bf16),
        cmocka_unit_test(rn_tiny_torchscript),
        cmocka_unit_test(hugging_face_exact_gelu),
        cmocka_unit_test(hugging_face_defaults),
        cmocka_unit_test(reference_rn_tiny),
        cmocka_unit_test(reference_vit_tiny),
        cmocka_unit_test(reference_vit_p32),
        cmocka_unit_test(reference_vit_p14),
        cmocka_unit_test(reference_vit_p14_safetensors_f32),
        cmocka_unit_test(reference_vit_p32_safetensors_f16),
        cmocka_unit_test(reference_vit_tiny_from_its_texts),
        cmocka_unit_test(bytes_are_normalised_like_the_reference),
    };
    return cmocka_run_group_tests(tests, open_kernels, NULL);
}
