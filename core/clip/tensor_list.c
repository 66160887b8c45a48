#include "core/clip/tensor_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/panels.h"

enum {
    TENSORS_OF_TEXT = 5,
    TENSORS_OF_VIT = 9,
    TENSORS_PER_BLOCK = 12 + 13, /* in float32 and in int8 */
    TENSORS_OF_POOL = 9,
    TENSORS_PER_CONV = 5, /* and its BatchNorm */
    CONVS_OF_STEM = 3,
    CONVS_PER_BOTTLENECK = 4,
};

struct list {
    bool folded; /* of a .pixm, */
    bool int8;   /* and of those for int8 */
    pix_clip_tensor *tensors;
    size_t count;
};

/* What the names of those for int8 begin with. */
static const char int8_mark[] = "int8.";

int pix_clip_name_order(const char *a, const char *b) {
    size_t length = strlen(int8_mark);
    bool a_last = strncmp(a, int8_mark, length) == 0, b_last = strncmp(b, int8_mark, length) == 0;
    return a_last != b_last ? (a_last ? 1 : -1) : strcmp(a, b);
}

size_t pix_clip_tensor_elements(const pix_clip_tensor *tensor) {
    size_t elements = 1;
    for (int i = 0; i < tensor->rank; i++)
        elements *= (size_t)tensor->shape[i];
    return elements;
}

const char *pix_clip_tensor_source(const pix_clip_tensor *tensor) {
    return tensor->int8 ? tensor->name + strlen(int8_mark) : tensor->name;
}

int pix_clip_tensor_out(const pix_clip_tensor *tensor) {
    return (int)(tensor->transposed ? tensor->shape[1] : tensor->shape[0] / tensor->packed);
}

int pix_clip_tensor_in(const pix_clip_tensor *tensor) {
    size_t rows = (size_t)pix_clip_tensor_out(tensor) * (size_t)tensor->packed;
    return (int)(pix_clip_tensor_elements(tensor) / rows);
}

size_t pix_clip_tensor_bytes(const pix_clip_tensor *tensor) {
    if (!tensor->packed)
        return pix_clip_tensor_elements(tensor) * sizeof(float);
    int out = pix_clip_tensor_out(tensor), in = pix_clip_tensor_in(tensor);
    size_t part = tensor->int8 ? pix_panels_int8_size(out, in) : pix_panels_f32_size(out, in);
    return (size_t)tensor->packed * part;
}

static pix_clip_tensor *add(struct list *list, const char *prefix, const char *name, int rank,
                            const int64_t *shape) {
    pix_clip_tensor *tensor = &list->tensors[list->count++];
    *tensor = (pix_clip_tensor){.rank = rank, .int8 = list->int8};
    (void)snprintf(tensor->name, sizeof tensor->name, "%s%s%s", list->int8 ? int8_mark : "", prefix,
                   name);
    memcpy(tensor->shape, shape, (size_t)rank * sizeof *shape);
    return tensor;
}

static pix_clip_tensor *add_vector(struct list *list, const char *prefix, const char *name,
                                   int64_t size) {
    return add(list, prefix, name, 1, &size);
}

static void add_matrix(struct list *list, const char *prefix, const char *name, int64_t rows,
                       int64_t columns) {
    add(list, prefix, name, 2, (int64_t[]){rows, columns});
}

/* What rows are multiplied by. */
static pix_clip_tensor *add_linear(struct list *list, const char *prefix, const char *name,
                                   int64_t out, int64_t in) {
    pix_clip_tensor *tensor = add(list, prefix, name, 2, (int64_t[]){out, in});
    tensor->packed = list->folded;
    return tensor;
}

/* [in, out], to multiply by from the right. */
static void add_projection(struct list *list, const char *name, int64_t in, int64_t out) {
    add_linear(list, "", name, in, out)->transposed = true;
}

static void add_blocks(struct list *list, const char *transformer, int layers, int64_t width,
                       int64_t mlp_width) {
    for (int layer = 0; layer < layers; layer++) {
        char block[36];
        (void)snprintf(block, sizeof block, "%sresblocks.%d.", transformer, layer);
        add_vector(list, block, "ln_1.weight", width);
        add_vector(list, block, "ln_1.bias", width);
        add_linear(list, block, "attn.in_proj_weight", 3 * width, width)->packed *= 3; /* q, k, v */
        add_vector(list, block, "attn.in_proj_bias", 3 * width);
        add_linear(list, block, "attn.out_proj.weight", width, width);
        add_vector(list, block, "attn.out_proj.bias", width);
        add_vector(list, block, "ln_2.weight", width);
        add_vector(list, block, "ln_2.bias", width);
        add_linear(list, block, "mlp.c_fc.weight", mlp_width, width);
        add_vector(list, block, "mlp.c_fc.bias", mlp_width);
        if (list->int8)
            add_vector(list, block, "mlp.scale", mlp_width);
        add_linear(list, block, "mlp.c_proj.weight", width, mlp_width);
        add_vector(list, block, "mlp.c_proj.bias", width);
    }
}

static void add_text_blocks(struct list *list, const pix_clip_config *c) {
    add_blocks(list, "transformer.", c->text_layers, c->text_width, c->text_mlp_width);
}

static void add_text_tower(struct list *list, const pix_clip_config *c) {
    add_matrix(list, "", "token_embedding.weight", c->vocab_size, c->text_width);
    add_matrix(list, "", "positional_embedding", c->context_length, c->text_width);
    add_text_blocks(list, c);
    add_vector(list, "", "ln_final.weight", c->text_width);
    add_vector(list, "", "ln_final.bias", c->text_width);
    add_projection(list, "text_projection", c->text_width, c->embed_dim);
}

/* Patches and blocks. */
static void add_vit_products(struct list *list, const pix_clip_config *c) {
    const int64_t patches[] = {c->vision_width, 3, c->patch_size, c->patch_size};
    add(list, "", "visual.conv1.weight", 4, patches)->packed = list->folded;
    add_blocks(list, "visual.transformer.", c->vision_layers, c->vision_width, c->vision_mlp_width);
}

static void add_vit(struct list *list, const pix_clip_config *c) {
    add_vit_products(list, c);
    add_vector(list, "", "visual.class_embedding", c->vision_width);
    add_matrix(list, "", "visual.positional_embedding", pix_clip_vision_tokens(c), c->vision_width);
    add_vector(list, "", "visual.ln_pre.weight", c->vision_width);
    add_vector(list, "", "visual.ln_pre.bias", c->vision_width);
    add_vector(list, "", "visual.ln_post.weight", c->vision_width);
    add_vector(list, "", "visual.ln_post.bias", c->vision_width);
    add_projection(list, "visual.proj", c->vision_width, c->embed_dim);
}

/* A convolution and the BatchNorm after it, or what becomes of both. */
static void add_conv(struct list *list, const char *prefix, const char *conv, const char *norm,
                     int64_t out, int64_t in, int64_t kernel) {
    char name[32];
    (void)snprintf(name, sizeof name, "%s.weight", conv);
    if (list->folded) {
        pix_clip_tensor *weight = add(list, prefix, name, 4, (int64_t[]){out, kernel, kernel, in});
        weight->packed = 1;
        (void)snprintf(weight->norm, sizeof weight->norm, "%s%s", prefix, norm);
        (void)snprintf(name, sizeof name, "%s.bias", conv);
        pix_clip_tensor *bias = add_vector(list, prefix, name, out);
        memcpy(bias->norm, weight->norm, sizeof bias->norm);
        return;
    }
    add(list, prefix, name, 4, (int64_t[]){out, in, kernel, kernel});
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)snprintf(name, sizeof name, "%s.%s", norm, parts[i]);
        add_vector(list, prefix, name, out);
    }
}

static void add_attention_pool(struct list *list, const pix_clip_config *c, int64_t width) {
    static const char pool[] = "visual.attnpool.";
    add_matrix(list, pool, "positional_embedding", pix_clip_vision_tokens(c), width);
    add_linear(list, pool, "q_proj.weight", width, width);
    add_vector(list, pool, "q_proj.bias", width);
    /* Of keys and values a head's rows are a part; queries are multiplied by the former. */
    pix_clip_tensor *k = add_linear(list, pool, "k_proj.weight", width, width);
    k->packed *= c->vision_heads;
    k->transposed = true;
    add_vector(list, pool, "k_proj.bias", width);
    add_linear(list, pool, "v_proj.weight", width, width)->packed *= c->vision_heads;
    add_vector(list, pool, "v_proj.bias", width);
    add_linear(list, pool, "c_proj.weight", c->embed_dim, width);
    add_vector(list, pool, "c_proj.bias", c->embed_dim);
}

/* All but the first convolution, which reads pixels. */
static void add_convs(struct list *list, const pix_clip_config *c) {
    int64_t width = c->vision_width, in = width;
    add_conv(list, "visual.", "conv2", "bn2", width / 2, width / 2, 3);
    add_conv(list, "visual.", "conv3", "bn3", width, width / 2, 3);
    for (int stage = 0; stage < 4; stage++) {
        int64_t inner = width << stage;
        for (int i = 0; i < c->resnet_layers[stage]; i++, in = 4 * inner) {
            char block[44];
            (void)snprintf(block, sizeof block, "visual.layer%d.%d.", stage + 1, i);
            add_conv(list, block, "conv1", "bn1", inner, in, 1);
            add_conv(list, block, "conv2", "bn2", inner, inner, 3);
            add_conv(list, block, "conv3", "bn3", 4 * inner, inner, 1);
            if (i == 0)
                add_conv(list, block, "downsample.0", "downsample.1", 4 * inner, in, 1);
        }
    }
}

static void add_resnet(struct list *list, const pix_clip_config *c) {
    add_conv(list, "visual.", "conv1", "bn1", c->vision_width / 2, 3, 3);
    add_convs(list, c);
    add_attention_pool(list, c, 32 * (int64_t)c->vision_width);
}

static void add_int8(struct list *list, const pix_clip_config *c) {
    list->int8 = true;
    add_text_blocks(list, c);
    if (c->vision_kind == PIX_VISION_VIT)
        add_vit_products(list, c);
    else
        add_convs(list, c);
}

static int by_name(const void *a, const void *b) {
    return pix_clip_name_order(((const pix_clip_tensor *)a)->name,
                               ((const pix_clip_tensor *)b)->name);
}

static size_t most(const pix_clip_config *c) {
    size_t count = TENSORS_OF_TEXT + TENSORS_PER_BLOCK * (size_t)c->text_layers;
    if (c->vision_kind == PIX_VISION_VIT)
        return count + TENSORS_OF_VIT + TENSORS_PER_BLOCK * (size_t)c->vision_layers;
    size_t convs = CONVS_OF_STEM;
    for (int stage = 0; stage < 4; stage++)
        convs += CONVS_PER_BOTTLENECK * (size_t)c->resnet_layers[stage];
    return count + TENSORS_OF_POOL + TENSORS_PER_CONV * convs;
}

static pix_status make(const pix_clip_config *config, bool folded, pix_clip_tensor **out,
                       size_t *count, pix_error *error) {
    *out = NULL;
    *count = 0;
    struct list list = {.folded = folded, .tensors = calloc(most(config), sizeof *list.tensors)};
    if (!list.tensors)
        return pix_fail_memory(error);
    add_text_tower(&list, config);
    if (config->vision_kind == PIX_VISION_VIT)
        add_vit(&list, config);
    else
        add_resnet(&list, config);
    if (folded)
        add_int8(&list, config);
    qsort(list.tensors, list.count, sizeof *list.tensors, by_name);
    *out = list.tensors;
    *count = list.count;
    return PIX_OK;
}

pix_status pix_clip_tensors(const pix_clip_config *config, pix_clip_tensor **out, size_t *count,
                            pix_error *error) {
    return make(config, true, out, count, error);
}

pix_status pix_clip_checkpoint_tensors(const pix_clip_config *config, pix_clip_tensor **out,
                                       size_t *count, pix_error *error) {
    return make(config, false, out, count, error);
}
