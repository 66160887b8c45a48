#include "core/clip/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/tensor_list.h"
#include "tests/support.h"

/* A checkpoint of this test's own: names and shapes, no file.  It stands in for core/weights, whose
 * functions config.c calls. */
enum { MOST_TENSORS = 256 };

struct pix_checkpoint {
    struct {
        char name[64];
        pix_tensor_info info;
    } tensors[MOST_TENSORS];
    size_t count;
    pix_checkpoint_hints hints;
    float logit_scale;
};

size_t pix_checkpoint_count(const pix_checkpoint *checkpoint) {
    return checkpoint->count;
}

const pix_tensor_info *pix_checkpoint_info(const pix_checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors[index].info;
}

const pix_tensor_info *pix_checkpoint_find(const pix_checkpoint *checkpoint, const char *name) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            return &checkpoint->tensors[i].info;
    return NULL;
}

const pix_checkpoint_hints *pix_checkpoint_hint(const pix_checkpoint *checkpoint) {
    return &checkpoint->hints;
}

pix_status pix_checkpoint_read(pix_checkpoint *checkpoint, const pix_tensor_info *info, float *out,
                               pix_error *error) {
    (void)info;
    (void)error;
    *out = checkpoint->logit_scale;
    return PIX_OK;
}

/* Adds the tensor, or changes its shape when it is there.  `shape` ends with 0. */
static void put(pix_checkpoint *checkpoint, const char *name, const int64_t *shape) {
    size_t i = 0;
    while (i < checkpoint->count && strcmp(checkpoint->tensors[i].name, name) != 0)
        i++;
    assert_true(i < MOST_TENSORS);
    if (i == checkpoint->count)
        checkpoint->count++;
    (void)snprintf(checkpoint->tensors[i].name, sizeof checkpoint->tensors[i].name, "%s", name);
    pix_tensor_info *info = &checkpoint->tensors[i].info;
    *info = (pix_tensor_info){.name = checkpoint->tensors[i].name, .dtype = "F16"};
    for (; shape[info->rank]; info->rank++)
        info->shape[info->rank] = shape[info->rank];
}

#define PUT(checkpoint, name, ...) put(checkpoint, name, (const int64_t[]){__VA_ARGS__, 0})

static void drop(pix_checkpoint *checkpoint, const char *name) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strcmp(checkpoint->tensors[i].name, name) == 0)
            checkpoint->tensors[i].name[0] = '\0';
}

static void put_blocks(pix_checkpoint *checkpoint, const char *prefix, int layers, int64_t width) {
    for (int layer = 0; layer < layers; layer++) {
        static const struct {
            const char *name;
            int rows, columns; /* in widths */
        } parts[] = {{"ln_1.weight", 1, 0},          {"ln_1.bias", 1, 0},
                     {"attn.in_proj_weight", 3, 1},  {"attn.in_proj_bias", 3, 0},
                     {"attn.out_proj.weight", 1, 1}, {"attn.out_proj.bias", 1, 0},
                     {"ln_2.weight", 1, 0},          {"ln_2.bias", 1, 0},
                     {"mlp.c_fc.weight", 4, 1},      {"mlp.c_fc.bias", 4, 0},
                     {"mlp.c_proj.weight", 1, 4},    {"mlp.c_proj.bias", 1, 0}};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            char name[64];
            (void)snprintf(name, sizeof name, "%sresblocks.%d.%s", prefix, layer, parts[i].name);
            PUT(checkpoint, name, parts[i].rows * width, parts[i].columns * width);
        }
    }
}

static void put_text(pix_checkpoint *checkpoint) {
    PUT(checkpoint, "token_embedding.weight", 512, 128);
    PUT(checkpoint, "positional_embedding", 77, 128);
    PUT(checkpoint, "ln_final.weight", 128);
    PUT(checkpoint, "ln_final.bias", 128);
    PUT(checkpoint, "text_projection", 128, 32);
    put_blocks(checkpoint, "transformer.", 3, 128);
    put(checkpoint, "logit_scale", (const int64_t[]){0});
    checkpoint->logit_scale = 4.6051702f;
    checkpoint->hints = (pix_checkpoint_hints){.end_token = -1, .layer_norm_eps = 1e-5};
}

/* ViT, 96 pixels, patch 32, width 64, 2 layers. */
static pix_checkpoint *vit(void) {
    static pix_checkpoint checkpoint;
    checkpoint = (pix_checkpoint){0};
    put_text(&checkpoint);
    PUT(&checkpoint, "visual.conv1.weight", 64, 3, 32, 32);
    PUT(&checkpoint, "visual.class_embedding", 64);
    PUT(&checkpoint, "visual.positional_embedding", 10, 64);
    PUT(&checkpoint, "visual.ln_pre.weight", 64);
    PUT(&checkpoint, "visual.ln_pre.bias", 64);
    PUT(&checkpoint, "visual.ln_post.weight", 64);
    PUT(&checkpoint, "visual.ln_post.bias", 64);
    PUT(&checkpoint, "visual.proj", 64, 32);
    put_blocks(&checkpoint, "visual.transformer.", 2, 64);
    return &checkpoint;
}

static void every_size_of_a_vit_comes_from_its_shapes(void **state) {
    (void)state;
    pix_clip_config c;
    pix_error error;
    assert_ok(pix_clip_config_infer(vit(), &c, &error), &error);
    assert_int_equal(c.vision_kind, PIX_VISION_VIT);
    assert_int_equal(c.embed_dim, 32);
    assert_int_equal(c.image_size, 96);
    assert_int_equal(c.patch_size, 32);
    assert_int_equal(c.vision_width, 64);
    assert_int_equal(c.vision_layers, 2);
    assert_int_equal(c.vision_heads, 1);
    assert_int_equal(c.vision_mlp_width, 256);
    assert_int_equal(c.context_length, 77);
    assert_int_equal(c.vocab_size, 512);
    assert_int_equal(c.text_width, 128);
    assert_int_equal(c.text_layers, 3);
    assert_int_equal(c.text_heads, 2);
    assert_int_equal(c.text_mlp_width, 512);
    assert_int_equal(c.end_token, -1);
    assert_int_equal(c.exact_gelu, 0);
    assert_float_equal(c.layer_norm_eps, 1e-5, 0);
    assert_float_equal(c.logit_scale, 100, 1e-4);
    assert_int_equal(pix_clip_vision_tokens(&c), 10);
}

static void a_config_file_overrides_the_conventions(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = vit();
    checkpoint->hints = (pix_checkpoint_hints){.exact_gelu = true,
                                               .vision_heads = 4,
                                               .text_heads = 8,
                                               .end_token = 7,
                                               .layer_norm_eps = 1e-6};
    pix_clip_config c;
    pix_error error;
    assert_ok(pix_clip_config_infer(checkpoint, &c, &error), &error);
    assert_int_equal(c.exact_gelu, 1);
    assert_int_equal(c.vision_heads, 4);
    assert_int_equal(c.text_heads, 8);
    assert_int_equal(c.end_token, 7);
    assert_float_equal(c.layer_norm_eps, 1e-6, 0);
}

static void naming_the_last_token_as_the_end_says_nothing_new(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = vit();
    checkpoint->hints.end_token = 511;
    pix_clip_config c;
    assert_int_equal(pix_clip_config_infer(checkpoint, &c, NULL), PIX_OK);
    assert_int_equal(c.end_token, -1);
}

static void rows_after_the_end_token_are_none_of_the_vocabulary(void **state) {
    (void)state;
    static const struct {
        int32_t rows, end_token, tokens;
    } cases[] = {{512, -1, 512},        {512, 511, 512},      {512, 509, 510},
                 {49408, -1, 49408},    {49410, -1, 49408},   {49410, 49407, 49408},
                 {49410, 49408, 49409}, {49410, 49409, 49410}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_checkpoint *checkpoint = vit();
        PUT(checkpoint, "token_embedding.weight", cases[i].rows, 128);
        checkpoint->hints.end_token = cases[i].end_token;
        pix_clip_config c;
        pix_error error;
        assert_ok(pix_clip_config_infer(checkpoint, &c, &error), &error);
        assert_int_equal(c.vocab_size, cases[i].rows);
        assert_int_equal(pix_clip_token_count(&c), cases[i].tokens);
    }
}

static void put_conv(pix_checkpoint *checkpoint, const char *prefix, const char *conv,
                     const char *norm, int64_t out, int64_t in, int64_t kernel) {
    char name[96];
    (void)snprintf(name, sizeof name, "visual.%s%s.weight", prefix, conv);
    PUT(checkpoint, name, out, in, kernel, kernel);
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)snprintf(name, sizeof name, "visual.%s%s.%s", prefix, norm, parts[i]);
        PUT(checkpoint, name, out);
    }
    (void)snprintf(name, sizeof name, "visual.%s%s.num_batches_tracked", prefix, norm);
    put(checkpoint, name, (const int64_t[]){0});
}

/* ModifiedResNet, 96 pixels, width 24, blocks 1-2-1-1. */
static pix_checkpoint *resnet(void) {
    static pix_checkpoint checkpoint;
    static const int layers[] = {1, 2, 1, 1};
    checkpoint = (pix_checkpoint){0};
    put_text(&checkpoint);
    put_conv(&checkpoint, "", "conv1", "bn1", 12, 3, 3);
    put_conv(&checkpoint, "", "conv2", "bn2", 12, 12, 3);
    put_conv(&checkpoint, "", "conv3", "bn3", 24, 12, 3);
    int64_t in = 24;
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < layers[stage]; i++) {
            char block[32];
            int64_t inner = 24 << stage;
            (void)snprintf(block, sizeof block, "layer%d.%d.", stage + 1, i);
            put_conv(&checkpoint, block, "conv1", "bn1", inner, in, 1);
            put_conv(&checkpoint, block, "conv2", "bn2", inner, inner, 3);
            put_conv(&checkpoint, block, "conv3", "bn3", 4 * inner, inner, 1);
            if (i == 0)
                put_conv(&checkpoint, block, "downsample.0", "downsample.1", 4 * inner, in, 1);
            in = 4 * inner;
        }
    PUT(&checkpoint, "visual.attnpool.positional_embedding", 10, 768);
    static const char *const parts[] = {"q_proj", "k_proj", "v_proj", "c_proj"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char name[64];
        int64_t out = i == 3 ? 32 : 768;
        (void)snprintf(name, sizeof name, "visual.attnpool.%s.weight", parts[i]);
        PUT(&checkpoint, name, out, 768);
        (void)snprintf(name, sizeof name, "visual.attnpool.%s.bias", parts[i]);
        PUT(&checkpoint, name, out);
    }
    return &checkpoint;
}

static void every_size_of_a_resnet_comes_from_its_shapes(void **state) {
    (void)state;
    pix_clip_config c;
    pix_error error;
    assert_ok(pix_clip_config_infer(resnet(), &c, &error), &error);
    assert_int_equal(c.vision_kind, PIX_VISION_RESNET);
    assert_int_equal(c.image_size, 96);
    assert_int_equal(c.vision_width, 24);
    assert_int_equal(c.vision_heads, 12);
    assert_int_equal(c.resnet_layers[0], 1);
    assert_int_equal(c.resnet_layers[1], 2);
    assert_int_equal(c.resnet_layers[2], 1);
    assert_int_equal(c.resnet_layers[3], 1);
    assert_int_equal(c.vision_layers, 0);
    assert_int_equal(c.patch_size, 0);
    assert_int_equal(c.vision_mlp_width, 0);
    assert_int_equal(c.embed_dim, 32);
    assert_int_equal(c.text_layers, 3);
    assert_int_equal(pix_clip_vision_tokens(&c), 10);
}

static void refused(pix_checkpoint *checkpoint, const char *text) {
    pix_clip_config c;
    pix_error error = {0};
    assert_int_not_equal(pix_clip_config_infer(checkpoint, &c, &error), PIX_OK);
    assert_string_equal(error.text, text);
}

/* Drops the tensor and is refused for it, as a part of a CLIP model or as a tensor. */
static void missed(pix_checkpoint *checkpoint, const char *name) {
    static const struct {
        const char *name, *part;
    } parts[] = {{"token_embedding.weight", "text tower"},
                 {"text_projection", "text projection"},
                 {"visual.conv1.weight", "vision tower"},
                 {"visual.proj", "vision projection"},
                 {"visual.attnpool.c_proj.weight", "vision projection"}};
    char text[160];
    (void)snprintf(text, sizeof text, "not a CLIP model: it has no tensor %s", name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(name, parts[i].name) == 0)
            (void)snprintf(text, sizeof text, "not a whole CLIP model: it has no %s (tensor %s)",
                           parts[i].part, name);
    drop(checkpoint, name);
    refused(checkpoint, text);
}

static void a_missing_tensor_is_named(void **state) {
    (void)state;
    static const char *const names[] = {"token_embedding.weight",
                                        "text_projection",
                                        "visual.conv1.weight",
                                        "visual.proj",
                                        "visual.ln_pre.bias",
                                        "logit_scale",
                                        "transformer.resblocks.1.ln_2.bias",
                                        "visual.transformer.resblocks.0.mlp.c_fc.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        missed(vit(), names[i]);
}

static void drop_all(pix_checkpoint *checkpoint, bool visual) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if ((strncmp(checkpoint->tensors[i].name, "visual.", 7) == 0) == visual)
            checkpoint->tensors[i].name[0] = '\0';
}

static void a_part_of_a_clip_model_is_refused_with_all_that_is_missing(void **state) {
    (void)state;
    static pix_checkpoint other;
    PUT(&other, "bert.embeddings.word_embeddings.weight", 30522, 768);
    refused(&other, "not a CLIP model: it has no text tower (tensor token_embedding.weight), no "
                    "text projection (tensor text_projection), no vision tower (tensor "
                    "visual.conv1.weight), no vision projection (tensor visual.proj)");
    pix_checkpoint *checkpoint = vit();
    drop_all(checkpoint, true);
    refused(checkpoint, "not a whole CLIP model: it has no vision tower (tensor "
                        "visual.conv1.weight), no vision projection (tensor visual.proj)");
    drop(checkpoint, "text_projection");
    refused(checkpoint, "not a whole CLIP model: it has no text projection (tensor "
                        "text_projection), no vision tower (tensor visual.conv1.weight), no "
                        "vision projection (tensor visual.proj)");
    checkpoint = resnet();
    drop_all(checkpoint, false);
    refused(checkpoint, "not a whole CLIP model: it has no text tower (tensor "
                        "token_embedding.weight), no text projection (tensor text_projection)");
    drop(checkpoint, "visual.attnpool.c_proj.weight");
    refused(checkpoint, "not a whole CLIP model: it has no text tower (tensor "
                        "token_embedding.weight), no text projection (tensor text_projection), no "
                        "vision projection (tensor visual.attnpool.c_proj.weight)");
}

static void a_config_of_other_sizes_than_the_tensors_is_refused_with_both(void **state) {
    (void)state;
    const pix_checkpoint_sizes right = {.embed_dim = 32,
                                        .image_size = 96,
                                        .patch_size = 32,
                                        .vision_width = 64,
                                        .vision_layers = 2,
                                        .vision_mlp_width = 256,
                                        .context_length = 77,
                                        .vocab_size = 512,
                                        .text_width = 128,
                                        .text_layers = 3,
                                        .text_mlp_width = 512};
    static const struct {
        size_t offset;
        const char *text;
    } wrong[] = {
#define WRONG(field, text) {offsetof(pix_checkpoint_sizes, field), text " by the tensors"}
#define BESIDE " is 1000 by the config beside it or by default, but "
        WRONG(embed_dim, "the size of an embedding" BESIDE "32"),
        WRONG(image_size, "the image size" BESIDE "96"),
        WRONG(patch_size, "the patch size" BESIDE "32"),
        WRONG(vision_width, "the width of the vision tower" BESIDE "64"),
        WRONG(vision_layers, "the number of layers of the vision tower" BESIDE "2"),
        WRONG(vision_mlp_width, "the MLP width of the vision tower" BESIDE "256"),
        WRONG(context_length, "the context length" BESIDE "77"),
        WRONG(vocab_size, "the vocabulary size" BESIDE "512"),
        WRONG(text_width, "the width of the text tower" BESIDE "128"),
        WRONG(text_layers, "the number of layers of the text tower" BESIDE "3"),
        WRONG(text_mlp_width, "the MLP width of the text tower" BESIDE "512"),
#undef WRONG
#undef BESIDE
    };
    pix_checkpoint *checkpoint = vit();
    checkpoint->hints.sizes = right;
    pix_clip_config c;
    pix_error error;
    assert_ok(pix_clip_config_infer(checkpoint, &c, &error), &error);
    assert_int_equal(sizeof wrong / sizeof *wrong, sizeof right / sizeof(int64_t));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const int64_t value = 1000;
        checkpoint->hints.sizes = right;
        memcpy((char *)&checkpoint->hints.sizes + wrong[i].offset, &value, sizeof value);
        refused(checkpoint, wrong[i].text);
    }
}

static void a_layer_lost_in_the_middle_is_missed(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = vit();
    for (size_t i = 0; i < checkpoint->count; i++)
        if (strncmp(checkpoint->tensors[i].name, "transformer.resblocks.1.", 24) == 0)
            checkpoint->tensors[i].name[0] = '\0';
    refused(checkpoint,
            "not a CLIP model: it has no tensor transformer.resblocks.1.attn.in_proj_bias");
}

static void shapes_that_disagree_are_named_with_both(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = vit();
    PUT(checkpoint, "visual.proj", 64, 30);
    refused(checkpoint, "tensor visual.proj has shape [64, 30], expected [64, 32]");
    checkpoint = vit();
    PUT(checkpoint, "visual.conv1.weight", 64, 3, 32, 16);
    refused(checkpoint,
            "tensor visual.conv1.weight has shape [64, 3, 32, 16], expected [64, 3, 16, "
            "16]");
    checkpoint = vit();
    PUT(checkpoint, "visual.positional_embedding", 11, 64);
    refused(checkpoint, "tensor visual.positional_embedding has 11 rows, expected a square number "
                        "of cells and one more");
    checkpoint = vit();
    PUT(checkpoint, "ln_final.weight", 128, 1);
    refused(checkpoint,
            "not a CLIP model: tensor ln_final.weight has shape [128, 1], expected 1 dimension");
    checkpoint = vit();
    PUT(checkpoint, "logit_scale", 2);
    refused(checkpoint, "tensor logit_scale has shape [2], expected []");
}

static void sizes_beyond_reason_are_refused(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = vit();
    PUT(checkpoint, "token_embedding.weight", 1 << 30, 128);
    refused(checkpoint, "vocab_size is 1073741824, outside 1..4194304");
    checkpoint = vit();
    PUT(checkpoint, "transformer.resblocks.99999999999.ln_1.weight", 128);
    refused(checkpoint, "text_layers is 1000000, outside 1..256");
    checkpoint = vit();
    PUT(checkpoint, "visual.positional_embedding", 1 << 30, 64);
    PUT(checkpoint, "visual.conv1.weight", 64, 3, 1 << 30, 1 << 30);
    refused(checkpoint, "tensor visual.positional_embedding has 1073741824 rows, expected a square "
                        "number of cells and one more");
    PUT(checkpoint, "visual.positional_embedding", (1 << 30) + 1, 64);
    refused(checkpoint, "image_size is 2147483647, outside 1..4096");
    checkpoint = vit();
    checkpoint->hints.vision_heads = 3;
    refused(checkpoint, "3 heads do not divide vision_width 64");
    checkpoint = vit();
    checkpoint->hints.end_token = 512;
    refused(checkpoint, "the config's end token 512 is not among the model's 512 tokens");
    checkpoint = vit();
    checkpoint->hints.layer_norm_eps = 0;
    refused(checkpoint, "layer_norm_eps is 0");
    checkpoint = vit();
    checkpoint->logit_scale = 1000;
    refused(checkpoint, "logit_scale is inf");
}

static void every_tensor_of_a_resnet_must_be_there(void **state) {
    (void)state;
    size_t count = resnet()->count, dropped = 0;
    for (size_t i = 0; i < count; i++) {
        pix_checkpoint *checkpoint = resnet();
        char name[64];
        (void)snprintf(name, sizeof name, "%s", checkpoint->tensors[i].name);
        if (strstr(name, "num_batches_tracked"))
            continue;
        missed(checkpoint, name);
        dropped++;
    }
    assert_int_equal(dropped, 42 + 22 * 5 + 9);
}

static void every_shape_of_a_resnet_must_fit(void **state) {
    (void)state;
    size_t count = resnet()->count;
    for (size_t i = 0; i < count; i++) {
        pix_checkpoint *checkpoint = resnet();
        const char *name = checkpoint->tensors[i].name;
        pix_tensor_info *info = &checkpoint->tensors[i].info;
        if (strncmp(name, "visual.", 7) != 0 || info->rank == 0)
            continue;
        info->shape[info->rank - 1]++;
        pix_clip_config c;
        pix_error error = {0};
        assert_int_equal(pix_clip_config_infer(checkpoint, &c, &error), PIX_EFORMAT);
        if (!strstr(error.text, name))
            fail_msg("%s is not named: %s", name, error.text);
    }
}

static void a_resnet_of_impossible_sizes_is_refused(void **state) {
    (void)state;
    pix_checkpoint *checkpoint = resnet();
    PUT(checkpoint, "visual.layer2.0.conv2.weight", 48, 48, 3, 1);
    refused(checkpoint, "tensor visual.layer2.0.conv2.weight has shape [48, 48, 3, 1], expected "
                        "[48, 48, 3, 3]");
    for (int64_t rows = 1; rows <= 9; rows += 8) { /* no cell, and no square number of them */
        char text[128];
        (void)snprintf(text, sizeof text,
                       "tensor visual.attnpool.positional_embedding has %d rows, expected a square "
                       "number of cells and one more",
                       (int)rows);
        checkpoint = resnet();
        PUT(checkpoint, "visual.attnpool.positional_embedding", rows, 768);
        refused(checkpoint, text);
    }
    checkpoint = resnet();
    PUT(checkpoint, "visual.attnpool.positional_embedding", 129 * 129 + 1, 768);
    refused(checkpoint, "image_size is 4128, outside 1..4096");
    checkpoint = resnet();
    PUT(checkpoint, "visual.layer1.0.conv1.weight", 7, 7, 1, 1);
    refused(checkpoint, "3 heads do not divide 32 x vision_width 7");
    checkpoint = resnet();
    PUT(checkpoint, "visual.layer1.0.conv1.weight", 1, 1, 1, 1);
    refused(checkpoint, "vision_width is 1, outside 2..1024");
    checkpoint = resnet();
    PUT(checkpoint, "visual.layer1.0.conv1.weight", INT32_MAX, INT32_MAX, 1, 1);
    refused(checkpoint, "vision_heads is 33554431, outside 1..1024");
    checkpoint = resnet();
    PUT(checkpoint, "visual.layer3.99999999999.conv1.weight", 96, 192, 1, 1);
    refused(checkpoint, "resnet_layers[2] is 1000000, outside 1..256");
    checkpoint = resnet();
    PUT(checkpoint, "visual.layer2.3.conv1.weight", 48, 192, 1, 1);
    refused(checkpoint, "not a CLIP model: it has no tensor visual.layer2.2.bn1.bias");
    checkpoint = resnet();
    PUT(checkpoint, "text_projection", 128, 33);
    refused(checkpoint, "tensor visual.attnpool.c_proj.bias has shape [32], expected [33]");
}

static void a_pixm_has_each_convolution_folded(void **state) {
    (void)state;
    pix_clip_config c;
    assert_int_equal(pix_clip_config_infer(resnet(), &c, NULL), PIX_OK);
    pix_clip_tensor *tensors;
    size_t count, folded = 0;
    pix_error error;
    assert_ok(pix_clip_tensors(&c, &tensors, &count, &error), &error);
    assert_int_equal(count, 41 + 3 * 13 + (22 + 21) * 2 + 9);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_true(pix_clip_name_order(tensors[i - 1].name, tensors[i].name) < 0);
        assert_null(strstr(tensors[i].name, "bn"));
        folded += tensors[i].norm[0] != '\0';
        if (strcmp(tensors[i].name, "visual.layer4.0.downsample.0.weight") == 0) {
            assert_string_equal(tensors[i].norm, "visual.layer4.0.downsample.1");
            assert_int_equal(tensors[i].shape[0], 768);
            assert_int_equal(tensors[i].shape[3], 384);
        }
        if (strcmp(tensors[i].name, "visual.conv1.weight") == 0) {
            const int64_t shape[4] = {12, 3, 3, 3};
            assert_memory_equal(tensors[i].shape, shape, sizeof shape);
            assert_string_equal(tensors[i].norm, "visual.bn1");
        }
        if (strcmp(tensors[i].name, "visual.conv3.weight") == 0) {
            const int64_t shape[4] = {24, 3, 3, 12};
            assert_memory_equal(tensors[i].shape, shape, sizeof shape);
        }
    }
    assert_int_equal(folded, (22 + 21) * 2);
    free(tensors);
}

static void tensors_are_listed_once_in_name_order(void **state) {
    (void)state;
    pix_clip_config c;
    assert_int_equal(pix_clip_config_infer(vit(), &c, NULL), PIX_OK);
    pix_clip_tensor *tensors;
    size_t count, elements = 0, int8_elements = 0;
    pix_error error;
    assert_ok(pix_clip_tensors(&c, &tensors, &count, &error), &error);
    assert_int_equal(count, 13 + 12 * 5 + 1 + 13 * 5);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_true(pix_clip_name_order(tensors[i - 1].name, tensors[i].name) < 0);
        size_t *sum = tensors[i].int8 ? &int8_elements : &elements;
        *sum += pix_clip_tensor_elements(&tensors[i]);
        assert_int_equal(tensors[i].int8, strncmp(tensors[i].name, "int8.", 5) == 0);
    }
    /* Written out: embeddings, final norms and projections, then a block's 12 width^2 + 13 width.
     */
    assert_int_equal(elements, (512 + 77 + 2 + 32) * 128 + 3 * (12 * 128 * 128 + 13 * 128) +
                                   (3 * 32 * 32 + 1 + 10 + 4 + 32) * 64 +
                                   2 * (12 * 64 * 64 + 13 * 64));
    assert_int_equal(int8_elements, 3 * (12 * 128 * 128 + 17 * 128) + 3 * 32 * 32 * 64 +
                                        2 * (12 * 64 * 64 + 17 * 64));
    free(tensors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_of_a_vit_comes_from_its_shapes),
        cmocka_unit_test(a_config_file_overrides_the_conventions),
        cmocka_unit_test(naming_the_last_token_as_the_end_says_nothing_new),
        cmocka_unit_test(rows_after_the_end_token_are_none_of_the_vocabulary),
        cmocka_unit_test(every_size_of_a_resnet_comes_from_its_shapes),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(a_part_of_a_clip_model_is_refused_with_all_that_is_missing),
        cmocka_unit_test(a_config_of_other_sizes_than_the_tensors_is_refused_with_both),
        cmocka_unit_test(a_layer_lost_in_the_middle_is_missed),
        cmocka_unit_test(shapes_that_disagree_are_named_with_both),
        cmocka_unit_test(sizes_beyond_reason_are_refused),
        cmocka_unit_test(every_tensor_of_a_resnet_must_be_there),
        cmocka_unit_test(every_shape_of_a_resnet_must_fit),
        cmocka_unit_test(a_resnet_of_impossible_sizes_is_refused),
        cmocka_unit_test(a_pixm_has_each_convolution_folded),
        cmocka_unit_test(tensors_are_listed_once_in_name_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
