/* config.h - the sizes of a CLIP model, inferred from the shapes of its tensors. */
#ifndef PIX_CLIP_CONFIG_H
#define PIX_CLIP_CONFIG_H

#include "core/weights/checkpoint.h"

typedef enum pix_vision_kind { PIX_VISION_VIT = 0, PIX_VISION_RESNET = 1 } pix_vision_kind;

typedef struct pix_clip_config {
    int32_t embed_dim;
    int32_t image_size; /* pixels, square */
    pix_vision_kind vision_kind;
    int32_t vision_width, vision_layers, vision_heads, patch_size; /* ViT */
    int32_t resnet_layers[4];                                      /* ModifiedResNet */
    int32_t context_length, vocab_size, text_width, text_layers, text_heads;
    int32_t vision_mlp_width, text_mlp_width;
    int32_t end_token; /* -1: the highest id */
    int32_t exact_gelu;
    float layer_norm_eps;
    float logit_scale; /* exp() already taken */
} pix_clip_config;

/* Fails with what is missing or does not fit when the tensors are not a CLIP model's.  A ViT is
 * checked in full; of a ModifiedResNet's vision tower only the sizes are read. */
pix_status pix_clip_config_infer(pix_checkpoint *checkpoint, pix_clip_config *config,
                                 pix_error *error);

/* Fails when a size is out of bounds or does not divide as it must: for sizes read from a file. */
pix_status pix_clip_config_check(const pix_clip_config *config, pix_error *error);

/* Tokens of one picture in a ViT: its patches and the class token. */
int32_t pix_clip_vision_tokens(const pix_clip_config *config);

enum { PIX_CLIP_NAME_MAX = 64, PIX_CLIP_RANK_MAX = 4 };

typedef struct pix_clip_tensor {
    char name[PIX_CLIP_NAME_MAX];
    int32_t rank;
    int64_t shape[PIX_CLIP_RANK_MAX];
} pix_clip_tensor;

size_t pix_clip_tensor_elements(const pix_clip_tensor *tensor);

/* Every tensor the towers of a ViT model of checked sizes read, in name order (so the text tower
 * comes first), as a heap array. */
pix_status pix_clip_tensors(const pix_clip_config *config, pix_clip_tensor **out, size_t *count,
                            pix_error *error);

#endif
