/* small_models.h - the smallest CLIP models there can be, one of each vision tower. */
#ifndef PIX_TESTS_SMALL_MODELS_H
#define PIX_TESTS_SMALL_MODELS_H

#include "core/clip/config.h"

/* 520 tokens: the bytes and six merges. */
static const char small_merges[] = "a b\nt h\ni n\ne r</w>\no n</w>\nt o</w>\n";

#define SMALL_TEXT_TOWER                                                                           \
    .embed_dim = 2, .context_length = 3, .vocab_size = 520, .text_width = 2, .text_layers = 1,     \
    .text_heads = 1, .text_mlp_width = 8, .end_token = -1, .layer_norm_eps = 1e-5f,                \
    .logit_scale = 1

static const pix_clip_config small_vit = {
    SMALL_TEXT_TOWER,  .image_size = 4,      .vision_kind = PIX_VISION_VIT,
    .vision_width = 2, .vision_layers = 1,   .vision_heads = 1,
    .patch_size = 2,   .vision_mlp_width = 8};

static const pix_clip_config small_resnet = {
    SMALL_TEXT_TOWER,  .image_size = 32,  .vision_kind = PIX_VISION_RESNET,
    .vision_width = 2, .vision_heads = 1, .resnet_layers = {1, 1, 1, 1}};

#undef SMALL_TEXT_TOWER
#endif
