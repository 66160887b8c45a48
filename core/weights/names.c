#include "core/weights/names.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"

/* CLIPModel of transformers, whose `pre_layrnorm` is spelt so.  "Linear" weights are [out, in],
 * while OpenAI's two projections are matrices to multiply by from the right, [in, out]. */
static const struct {
    const char *theirs, *ours;
    bool transposed;
} single[] = {
    {"logit_scale", "logit_scale", false},
    {"visual_projection.weight", "visual.proj", true},
    {"text_projection.weight", "text_projection", true},
    {"vision_model.embeddings.class_embedding", "visual.class_embedding", false},
    {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight", false},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding", false},
    {"vision_model.pre_layrnorm.weight", "visual.ln_pre.weight", false},
    {"vision_model.pre_layrnorm.bias", "visual.ln_pre.bias", false},
    {"vision_model.post_layernorm.weight", "visual.ln_post.weight", false},
    {"vision_model.post_layernorm.bias", "visual.ln_post.bias", false},
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight", false},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding", false},
    {"text_model.final_layer_norm.weight", "ln_final.weight", false},
    {"text_model.final_layer_norm.bias", "ln_final.bias", false},
};

/* Inside a layer, each with .weight and .bias.  q stands for all three of q, k and v. */
static const struct {
    const char *theirs, *ours;
} layered[] = {
    {"self_attn.q_proj.weight", "attn.in_proj_weight"},
    {"self_attn.q_proj.bias", "attn.in_proj_bias"},
    {"self_attn.out_proj.weight", "attn.out_proj.weight"},
    {"self_attn.out_proj.bias", "attn.out_proj.bias"},
    {"layer_norm1.weight", "ln_1.weight"},
    {"layer_norm1.bias", "ln_1.bias"},
    {"layer_norm2.weight", "ln_2.weight"},
    {"layer_norm2.bias", "ln_2.bias"},
    {"mlp.fc1.weight", "mlp.c_fc.weight"},
    {"mlp.fc1.bias", "mlp.c_fc.bias"},
    {"mlp.fc2.weight", "mlp.c_proj.weight"},
    {"mlp.fc2.bias", "mlp.c_proj.bias"},
};

static const struct {
    const char *theirs, *ours;
} towers[] = {
    {"vision_model.encoder.layers.", "visual.transformer.resblocks."},
    {"text_model.encoder.layers.", "transformer.resblocks."},
};

static bool begins(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* What stands before a tensor that every model has: how long, or -1 when this is not that one. */
static int length_before(const char *name) {
    static const char *const landmarks[] = {"visual.conv1.weight",
                                            "vision_model.embeddings.patch_embedding.weight"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof landmarks / sizeof *landmarks; i++) {
        size_t size = strlen(landmarks[i]);
        if (length >= size && strcmp(name + length - size, landmarks[i]) == 0 &&
            (length == size || name[length - size - 1] == '.'))
            return (int)(length - size);
    }
    return -1;
}

static pix_status find_prefix(const pix_tensors *tensors, const char **name, int *length,
                              pix_error *error) {
    *length = 0;
    *name = NULL;
    for (size_t i = 0; i < tensors->count; i++) {
        const char *other = tensors->items[i].info.name;
        int before = length_before(other);
        if (before < 0)
            continue;
        if (*name)
            return pix_fail(error, PIX_EFORMAT, "holds two models: there are both %s and %s", *name,
                            other);
        *name = other;
        *length = before;
    }
    return PIX_OK;
}

static void strip(pix_tensors *tensors, const char *prefix, size_t length) {
    for (size_t i = 0; i < tensors->count; i++) {
        char *name = (char *)tensors->items[i].info.name;
        if (strncmp(name, prefix, length) == 0)
            memmove(name, name + length, strlen(name + length) + 1);
    }
}

pix_status pix_names_strip(pix_tensors *tensors, pix_error *error) {
    char prefix[256];
    const char *landmark;
    int length;
    pix_status status = find_prefix(tensors, &landmark, &length, error);
    if (status)
        return status;
    if (length > 0 && length < (int)sizeof prefix) {
        memcpy(prefix, landmark, (size_t)length);
        strip(tensors, prefix, (size_t)length);
        status = pix_tensors_sort(tensors, error);
    }
    if (!status && pix_tensors_find(tensors, "text.token_embedding.weight")) {
        strip(tensors, "text.", strlen("text."));
        status = pix_tensors_sort(tensors, error);
    }
    return status;
}

bool pix_names_are_hugging_face(const pix_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++)
        if (begins(tensors->items[i].info.name, "vision_model.") ||
            begins(tensors->items[i].info.name, "text_model."))
            return true;
    return false;
}

static pix_status transpose(pix_tensor *tensor, const char *name, pix_error *error) {
    pix_tensor_part *part = &tensor->parts[0];
    if (tensor->info.rank != 2)
        return pix_fail(error, PIX_EFORMAT, "tensor %s has %d dimensions instead of 2", name,
                        tensor->info.rank);
    int64_t rows = tensor->info.shape[0], step = part->stride[0];
    tensor->info.shape[0] = part->rows = tensor->info.shape[1];
    tensor->info.shape[1] = rows;
    part->stride[0] = part->stride[1];
    part->stride[1] = step;
    return PIX_OK;
}

/* Appends the k or v tensor that belongs to the q tensor `name`. */
static pix_status join(const pix_tensors *from, const char *name, char letter, pix_tensor *tensor,
                       pix_error *error) {
    char sibling[256];
    (void)snprintf(sibling, sizeof sibling, "%s", name);
    char *q = strstr(sibling, ".q_proj.");
    if (q)
        q[1] = letter;
    const pix_tensor *other = q ? pix_tensors_find(from, sibling) : NULL;
    if (!other)
        return pix_fail(error, PIX_EFORMAT, "tensor %s has no %c_proj beside it", name, letter);
    /* Rows are compared with the first part's: the joined shape has grown already. */
    bool same = other->info.rank == tensor->info.rank && other->info.rank > 0 &&
                other->parts[0].rows == tensor->parts[0].rows;
    for (int i = 1; i < other->info.rank && same; i++)
        same = other->info.shape[i] == tensor->info.shape[i];
    if (!same)
        return pix_fail(error, PIX_EFORMAT, "tensors %s and %s differ in shape", name, sibling);
    tensor->info.shape[0] += other->parts[0].rows;
    tensor->parts[tensor->part_count++] = other->parts[0];
    return PIX_OK;
}

/* "vision_model.encoder.layers.11.mlp.fc1.bias": its tower, layer number and the rest. */
static const char *split_layer(const char *name, const char **tower, int *digits,
                               const char **number) {
    for (size_t i = 0; i < sizeof towers / sizeof *towers; i++) {
        if (!begins(name, towers[i].theirs))
            continue;
        *tower = towers[i].ours;
        *number = name + strlen(towers[i].theirs);
        *digits = (int)strspn(*number, "0123456789");
        const char *rest = *number + *digits;
        return *digits > 0 && *digits < 6 && *rest == '.' ? rest + 1 : NULL;
    }
    return NULL;
}

static bool is_key_or_value(const char *rest) {
    return begins(rest, "self_attn.k_proj.") || begins(rest, "self_attn.v_proj.");
}

static pix_status rename_layered(const pix_tensors *from, const pix_tensor *tensor, pix_tensors *to,
                                 bool *found, pix_error *error) {
    const char *tower, *number, *name = tensor->info.name;
    int digits;
    const char *rest = split_layer(name, &tower, &digits, &number);
    *found = rest && is_key_or_value(rest); /* comes along with its q */
    for (size_t i = 0; rest && i < sizeof layered / sizeof *layered; i++) {
        if (strcmp(rest, layered[i].theirs) != 0)
            continue;
        char renamed[256];
        (void)snprintf(renamed, sizeof renamed, "%s%.*s.%s", tower, digits, number,
                       layered[i].ours);
        pix_tensor copy = *tensor;
        pix_status status = PIX_OK;
        if (begins(rest, "self_attn.q_proj.")) {
            status = join(from, name, 'k', &copy, error);
            if (!status)
                status = join(from, name, 'v', &copy, error);
        }
        *found = true;
        return status ? status : pix_tensors_add(to, renamed, &copy, error);
    }
    return PIX_OK;
}

static pix_status rename_one(const pix_tensors *from, const pix_tensor *tensor, pix_tensors *to,
                             pix_error *error) {
    const char *name = tensor->info.name;
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) {
        if (strcmp(name, single[i].theirs) != 0)
            continue;
        pix_tensor copy = *tensor;
        pix_status status = single[i].transposed ? transpose(&copy, name, error) : PIX_OK;
        return status ? status : pix_tensors_add(to, single[i].ours, &copy, error);
    }
    bool found;
    pix_status status = rename_layered(from, tensor, to, &found, error);
    if (status || found || strstr(name, ".embeddings.position_ids"))
        return status;
    if (begins(name, "vision_model.") || begins(name, "text_model."))
        return pix_fail(error, PIX_EUNSUPPORTED, "tensor %s is not a part of a CLIP model", name);
    return pix_tensors_add(to, name, tensor, error);
}

pix_status pix_names_from_hugging_face(pix_tensors *tensors, pix_error *error) {
    pix_tensors renamed = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < tensors->count && !status; i++)
        status = rename_one(tensors, &tensors->items[i], &renamed, error);
    if (!status)
        status = pix_tensors_sort(&renamed, error);
    if (status) {
        pix_tensors_free(&renamed);
        return status;
    }
    pix_tensors_free(tensors);
    *tensors = renamed;
    return PIX_OK;
}
