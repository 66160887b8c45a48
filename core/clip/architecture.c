#include "core/clip/architecture.h"

#include <stddef.h>
#include <string.h>

/* clip.py and model.py of OpenAI's: a patch size means a ViT.  In all, the text tower has 12 layers
 * and 77 places for 49,408 tokens, heads have 64 channels and the MLP is four times as wide. */
static const struct {
    const char *name;
    int32_t image_size, embed_dim, vision_width, patch_size, vision_layers, resnet_layers[4];
    int32_t text_width;
} architectures[] = {
    {"RN50", 224, 1024, 64, 0, 0, {3, 4, 6, 3}, 512},
    {"RN101", 224, 512, 64, 0, 0, {3, 4, 23, 3}, 512},
    {"RN50x4", 288, 640, 80, 0, 0, {4, 6, 10, 6}, 640},
    {"RN50x16", 384, 768, 96, 0, 0, {6, 8, 18, 8}, 768},
    {"RN50x64", 448, 1024, 128, 0, 0, {3, 15, 36, 10}, 1024},
    {"ViT-B/32", 224, 512, 768, 32, 12, {0}, 512},
    {"ViT-B/16", 224, 512, 768, 16, 12, {0}, 512},
    {"ViT-L/14", 224, 768, 1024, 14, 24, {0}, 768},
    {"ViT-L/14@336px", 336, 768, 1024, 14, 24, {0}, 768},
};

const char *pix_clip_architecture(const pix_clip_config *c) {
    bool vit = c->vision_kind == PIX_VISION_VIT;
    int32_t channels = vit ? c->vision_width : 32 * c->vision_width;
    if (c->context_length != 77 || c->vocab_size != 49408 || c->text_layers != 12 ||
        c->text_mlp_width != 4 * c->text_width || c->text_heads != c->text_width / 64 ||
        c->vision_heads != channels / 64 || (vit && c->vision_mlp_width != 4 * c->vision_width))
        return NULL;
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (architectures[i].image_size == c->image_size &&
            architectures[i].embed_dim == c->embed_dim &&
            architectures[i].vision_width == c->vision_width &&
            architectures[i].patch_size == c->patch_size &&
            architectures[i].vision_layers == c->vision_layers &&
            architectures[i].text_width == c->text_width &&
            memcmp(architectures[i].resnet_layers, c->resnet_layers, sizeof c->resnet_layers) == 0)
            return architectures[i].name;
    return NULL;
}
