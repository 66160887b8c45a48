#include "core/clip/vit.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/layers.h"

pix_status pix_vit_init(pix_vit *vit, const pix_model *model, pix_precision precision,
                        const pix_compute *compute, pix_error *error) {
    const pix_clip_config *c = pix_model_config(model);
    size_t width = (size_t)c->vision_width;
    *vit = (pix_vit){
        .image_size = c->image_size,
        .patch_size = c->patch_size,
        .grid = c->image_size / c->patch_size,
        .tokens = pix_clip_vision_tokens(c),
        .embed_dim = c->embed_dim,
        .transformer = {.width = c->vision_width,
                        .heads = c->vision_heads,
                        .mlp_width = c->vision_mlp_width,
                        .exact_gelu = c->exact_gelu,
                        .eps = c->layer_norm_eps,
                        .precision = precision,
                        .compute = compute},
    };
    int patch = 3 * c->patch_size * c->patch_size;
    const pix_linear_place conv1 = {precision, precision == PIX_INT8 ? "int8.visual." : "visual.",
                                    "conv1.weight", NULL};
    const pix_linear_place proj = {PIX_FP32, "visual.", "proj", NULL};
    pix_linear_init(&vit->conv1, 1, model, &conv1, c->vision_width, patch);
    vit->class_embedding = pix_model_tensor(model, "visual.class_embedding", width);
    vit->positional_embedding =
        pix_model_tensor(model, "visual.positional_embedding", (size_t)vit->tokens * width);
    vit->ln_pre_weight = pix_model_tensor(model, "visual.ln_pre.weight", width);
    vit->ln_pre_bias = pix_model_tensor(model, "visual.ln_pre.bias", width);
    vit->ln_post_weight = pix_model_tensor(model, "visual.ln_post.weight", width);
    vit->ln_post_bias = pix_model_tensor(model, "visual.ln_post.bias", width);
    pix_linear_init(&vit->proj, 1, model, &proj, c->embed_dim, c->vision_width);
    return pix_transformer_init(&vit->transformer, model, "visual.transformer.", c->vision_layers,
                                error);
}

void pix_vit_free(pix_vit *vit) {
    pix_transformer_free(&vit->transformer);
    *vit = (pix_vit){0};
}

static size_t patch_elements(const pix_vit *vit) {
    return 3 * (size_t)vit->patch_size * (size_t)vit->patch_size;
}

bool pix_vit_measure(const pix_vit *vit, size_t count, pix_scratch_sizes *sizes) {
    size_t patches;
    if (!pix_size_multiply(count, (size_t)vit->tokens, &patches) ||
        !pix_size_multiply(patches, patch_elements(vit), &patches))
        return false;
    if (sizes->hidden < patches)
        sizes->hidden = patches;
    size_t rows = count * (size_t)vit->tokens;
    return pix_transformer_measure(&vit->transformer, rows, (size_t)vit->tokens, sizes) &&
           pix_transformer_measure_codes(&vit->transformer, rows, (int)patch_elements(vit), sizes);
}

/* Where picture `index` goes, its class token's row cleared; returns its first patch. */
static float *begin_picture(const pix_vit *vit, pix_scratch *scratch, int index) {
    size_t elements = patch_elements(vit);
    float *out = scratch->hidden + (size_t)index * (size_t)vit->tokens * elements;
    memset(out, 0, elements * sizeof *out);
    return out + elements;
}

void pix_vit_cut_bytes(const pix_vit *vit, pix_scratch *scratch, int index, const uint8_t *rgb,
                       const float values[3][256]) {
    size_t size = (size_t)vit->image_size, patch = (size_t)vit->patch_size;
    float *out = begin_picture(vit, scratch, index);
    for (size_t top = 0; top < size; top += patch)
        for (size_t left = 0; left < size; left += patch)
            for (size_t channel = 0; channel < 3; channel++)
                for (size_t y = top; y < top + patch; y++) {
                    const uint8_t *in = rgb + (y * size + left) * 3 + channel;
                    for (size_t x = 0; x < patch; x++)
                        *out++ = values[channel][in[3 * x]];
                }
}

void pix_vit_cut_floats(const pix_vit *vit, pix_scratch *scratch, int index, const float *pixels) {
    size_t size = (size_t)vit->image_size, patch = (size_t)vit->patch_size;
    float *out = begin_picture(vit, scratch, index);
    for (size_t top = 0; top < size; top += patch)
        for (size_t left = 0; left < size; left += patch)
            for (size_t channel = 0; channel < 3; channel++)
                for (size_t y = top; y < top + patch; y++, out += patch)
                    memcpy(out, pixels + (channel * size + y) * size + left, patch * sizeof *out);
}

void pix_vit_embed(const pix_vit *vit, pix_scratch *scratch, int count) {
    int rows = count * vit->tokens;
    size_t width = (size_t)vit->transformer.width, one = (size_t)vit->tokens * width;
    /* The class token's row of patches is zero, so its product is too: one product serves all. */
    pix_activations patches =
        pix_transformer_read(&vit->transformer, scratch, rows, scratch->hidden,
                             (int)patch_elements(vit), patch_elements(vit));
    pix_linear_run(&vit->conv1, vit->transformer.compute, rows, &patches, (pix_epilogue){0},
                   scratch->x, width);
    for (int i = 0; i < count; i++) {
        float *x = scratch->x + (size_t)i * one;
        pix_bias_add(x, 1, width, vit->class_embedding);
        pix_bias_add(x, 1, one, vit->positional_embedding);
    }
    const pix_layer_norm ln_pre = {width, vit->ln_pre_weight, vit->ln_pre_bias,
                                   vit->transformer.eps};
    pix_layer_norm_run(&ln_pre, vit->transformer.compute, rows, scratch->x, scratch->x, NULL);
}

void pix_vit_encode(const pix_vit *vit, pix_scratch *scratch, int count, float *features) {
    size_t width = (size_t)vit->transformer.width;
    pix_pass pass = {.rows = count * vit->tokens, .tokens = vit->tokens, .results = count};
    pix_vit_embed(vit, scratch, count);
    pix_transformer_run(&vit->transformer, scratch, &pass);
    const pix_layer_norm ln_post = {width, vit->ln_post_weight, vit->ln_post_bias,
                                    vit->transformer.eps};
    pix_layer_norm_run(&ln_post, vit->transformer.compute, count, scratch->x, scratch->x, NULL);
    const pix_activations classes = {.x = scratch->x, .stride = width};
    pix_linear_run(&vit->proj, vit->transformer.compute, count, &classes, (pix_epilogue){0},
                   features, (size_t)vit->embed_dim);
}
