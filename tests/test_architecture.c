/* The names of OpenAI's models, by their sizes. */
#include "tests/support.h"

#include <string.h>

#include "core/clip/architecture.h"

static pix_clip_config vit_b_32(void) {
    return (pix_clip_config){.embed_dim = 512,
                             .image_size = 224,
                             .vision_kind = PIX_VISION_VIT,
                             .vision_width = 768,
                             .vision_layers = 12,
                             .vision_heads = 12,
                             .patch_size = 32,
                             .context_length = 77,
                             .vocab_size = 49408,
                             .text_width = 512,
                             .text_layers = 12,
                             .text_heads = 8,
                             .vision_mlp_width = 3072,
                             .text_mlp_width = 2048,
                             .end_token = -1,
                             .layer_norm_eps = 1e-5F,
                             .logit_scale = 100};
}

static void a_vit_is_known_by_its_sizes(void **state) {
    (void)state;
    pix_clip_config config = vit_b_32();
    assert_string_equal(pix_clip_architecture(&config), "ViT-B/32");
    config.exact_gelu = 1; /* open_clip's */
    assert_string_equal(pix_clip_architecture(&config), "ViT-B/32");
    config.patch_size = 16;
    assert_string_equal(pix_clip_architecture(&config), "ViT-B/16");
    config = (pix_clip_config){.embed_dim = 768,
                               .image_size = 336,
                               .vision_width = 1024,
                               .vision_layers = 24,
                               .vision_heads = 16,
                               .patch_size = 14,
                               .context_length = 77,
                               .vocab_size = 49408,
                               .text_width = 768,
                               .text_layers = 12,
                               .text_heads = 12,
                               .vision_mlp_width = 4096,
                               .text_mlp_width = 3072};
    assert_string_equal(pix_clip_architecture(&config), "ViT-L/14@336px");
    config.image_size = 224;
    assert_string_equal(pix_clip_architecture(&config), "ViT-L/14");
}

static void a_resnet_is_known_by_its_sizes(void **state) {
    (void)state;
    pix_clip_config config = vit_b_32();
    config.vision_kind = PIX_VISION_RESNET;
    config.vision_layers = config.patch_size = config.vision_mlp_width = 0;
    config.vision_width = 64;
    config.vision_heads = 32;
    memcpy(config.resnet_layers, ((int32_t[]){3, 4, 23, 3}), sizeof config.resnet_layers);
    assert_string_equal(pix_clip_architecture(&config), "RN101");
    config.resnet_layers[2] = 6;
    assert_null(pix_clip_architecture(&config));
    config.embed_dim = 1024;
    assert_string_equal(pix_clip_architecture(&config), "RN50");
}

static void any_other_size_is_another_architecture(void **state) {
    (void)state;
    const size_t fields[] = {
        offsetof(pix_clip_config, embed_dim),      offsetof(pix_clip_config, image_size),
        offsetof(pix_clip_config, vision_width),   offsetof(pix_clip_config, vision_layers),
        offsetof(pix_clip_config, vision_heads),   offsetof(pix_clip_config, patch_size),
        offsetof(pix_clip_config, context_length), offsetof(pix_clip_config, vocab_size),
        offsetof(pix_clip_config, text_width),     offsetof(pix_clip_config, text_layers),
        offsetof(pix_clip_config, text_heads),     offsetof(pix_clip_config, vision_mlp_width),
        offsetof(pix_clip_config, text_mlp_width)};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        pix_clip_config config = vit_b_32();
        int32_t *field = (int32_t *)((char *)&config + fields[i]);
        *field += 1;
        if (pix_clip_architecture(&config))
            fail_msg("field %zu does not matter", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vit_is_known_by_its_sizes),
        cmocka_unit_test(a_resnet_is_known_by_its_sizes),
        cmocka_unit_test(any_other_size_is_another_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
