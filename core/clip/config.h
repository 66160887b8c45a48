/* config.h - the sizes of a CLIP model, inferred from the shapes of its tensors. */
#ifndef PIX_CLIP_CONFIG_H
#define PIX_CLIP_CONFIG_H

#include "core/weights/checkpoint.h"

typedef enum pix_vision_kind { PIX_VISION_VIT = 0, PIX_VISION_RESNET = 1 } pix_vision_kind;

typedef struct pix_clip_config {
    int32_t embed_dim;
    int32_t image_size; /* pixels, square */
    pix_vision_kind vision_kind;
    int32_t vision_width;  /* of a ModifiedResNet: channels after the stem */
    int32_t vision_layers; /* of a ViT, else 0 */
    int32_t vision_heads;
    int32_t patch_size;       /* of a ViT, else 0 */
    int32_t resnet_layers[4]; /* of a ModifiedResNet, else 0: blocks in each stage */
    int32_t context_length, vocab_size, text_width, text_layers, text_heads;
    int32_t vision_mlp_width, text_mlp_width;
    int32_t end_token; /* -1: the highest id in the text */
    int32_t exact_gelu;
    float layer_norm_eps;
    float logit_scale; /* exp() already taken */
} pix_clip_config;

/* Fails with what is missing or does not fit when the tensors are not a CLIP model's: afterwards
 * each one of pix_clip_checkpoint_tensors is there in its shape. */
pix_status pix_clip_config_infer(pix_checkpoint *checkpoint, pix_clip_config *config,
                                 pix_error *error);

/* Fails when a size is out of bounds or does not divide as it must: for sizes read from a file. */
pix_status pix_clip_config_check(const pix_clip_config *config, pix_error *error);

/* Tokens of one picture: the patches of a ViT and its class token, or the cells that a
 * ModifiedResNet pools and their mean. */
int32_t pix_clip_vision_tokens(const pix_clip_config *config);

/* How many tokens the vocabulary has.  There may be more rows of the embedding, which no text uses:
 * people add tokens to a model, or round their number up. */
int32_t pix_clip_token_count(const pix_clip_config *config);

#endif
