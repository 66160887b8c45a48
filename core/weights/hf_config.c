#include "core/weights/hf_config.h"

#include <stdio.h>
#include <string.h>

#include "core/weights/json_file.h"

/* As CLIPConfig of transformers reads a tower's part: a "_dict", which old files have, counts alone
 * and the settings it leaves out have their defaults, whatever its twin says. */
static pix_status find_tower(const json_t *root, const char *name, const char *dict,
                             pix_json_part *out, pix_error *error) {
    *out = (pix_json_part){.name = dict, .settings = pix_json_get(root, dict)};
    if (!out->settings)
        *out = (pix_json_part){.name = name, .settings = pix_json_get(root, name)};
    if (out->settings && !json_is_object(out->settings))
        return pix_fail(error, PIX_EFORMAT, "%s is not an object", out->name);
    if (!out->settings && !pix_json_get(root, "model_type"))
        return pix_fail(error, PIX_EUNSUPPORTED, "no %s: not the config of a CLIP model", name);
    return PIX_OK;
}

/* Activations are called as in transformers' ACT2FN, where two names are the exact GELU. */
static pix_status read_activation(const pix_json_part *p, bool *exact, pix_error *error) {
    const json_t *value = pix_json_get(p->settings, "hidden_act");
    const char *name = value ? json_string_value(value) : "quick_gelu";
    if (!name)
        return pix_json_fail_value(p, "hidden_act", value, "a text", error);
    *exact = strcmp(name, "gelu") == 0 || strcmp(name, "gelu_python") == 0;
    if (*exact || strcmp(name, "quick_gelu") == 0)
        return PIX_OK;
    return pix_fail(error, PIX_EUNSUPPORTED,
                    "hidden_act \"%.64s\" of %s is neither \"quick_gelu\" nor \"gelu\"", name,
                    p->name);
}

/* With the defaults of CLIPConfig, CLIPVisionConfig and CLIPTextConfig. */
typedef struct setting {
    const char *key;
    int64_t absent;
    size_t offset; /* in pix_checkpoint_hints, of an int64_t */
} setting;

#define SETTING(key, absent, field)                                                                \
    { key, absent, offsetof(pix_checkpoint_hints, field) }
static const setting model_settings[] = {SETTING("projection_dim", 512, sizes.embed_dim)};
static const setting vision_settings[] = {
    SETTING("num_attention_heads", 12, vision_heads),
    SETTING("hidden_size", 768, sizes.vision_width),
    SETTING("num_hidden_layers", 12, sizes.vision_layers),
    SETTING("intermediate_size", 3072, sizes.vision_mlp_width),
    SETTING("image_size", 224, sizes.image_size),
    SETTING("patch_size", 32, sizes.patch_size),
};
static const setting text_settings[] = {
    SETTING("num_attention_heads", 8, text_heads),
    SETTING("hidden_size", 512, sizes.text_width),
    SETTING("num_hidden_layers", 12, sizes.text_layers),
    SETTING("intermediate_size", 2048, sizes.text_mlp_width),
    SETTING("max_position_embeddings", 77, sizes.context_length),
    SETTING("vocab_size", 49408, sizes.vocab_size),
};
#undef SETTING

static pix_status read_settings(const pix_json_part *p, const setting *settings, size_t count,
                                pix_checkpoint_hints *hints, pix_error *error) {
    pix_status status = PIX_OK;
    for (; !status && count > 0; settings++, count--) {
        int64_t value;
        status = pix_json_read_integer(p, settings->key, settings->absent, 1, &value, error);
        if (!status)
            memcpy((char *)hints + settings->offset, &value, sizeof value);
    }
    return status;
}

/* transformers 4.31 made 49407 the default, which a small vocabulary does not have; before, every
 * config said 2, which still means the highest id. */
static pix_status read_end_token(const pix_json_part *text, pix_checkpoint_hints *hints,
                                 pix_error *error) {
    int64_t absent = hints->sizes.vocab_size > 49407 ? 49407 : -1;
    pix_status status =
        pix_json_read_integer(text, "eos_token_id", absent, 0, &hints->end_token, error);
    if (!status && hints->end_token == 2)
        hints->end_token = -1;
    return status;
}

/* What our towers have one of. */
static pix_status read_common(const pix_json_part *vision, const pix_json_part *text,
                              pix_checkpoint_hints *hints, pix_error *error) {
    bool exact = false;
    double eps = 0;
    pix_status status = read_activation(vision, &hints->exact_gelu, error);
    if (!status)
        status = read_activation(text, &exact, error);
    if (!status)
        status =
            pix_json_read_positive(vision, "layer_norm_eps", 1e-5, &hints->layer_norm_eps, error);
    if (!status)
        status = pix_json_read_positive(text, "layer_norm_eps", 1e-5, &eps, error);
    if (status)
        return status;
    if (exact != hints->exact_gelu)
        return pix_fail(error, PIX_EUNSUPPORTED, "hidden_act of %s and %s differ", vision->name,
                        text->name);
    if (eps != hints->layer_norm_eps)
        return pix_fail(error, PIX_EUNSUPPORTED, "layer_norm_eps of %s (%g) and %s (%g) differ",
                        vision->name, hints->layer_norm_eps, text->name, eps);
    return PIX_OK;
}

static pix_status read_root(const json_t *root, pix_checkpoint_hints *hints, pix_error *error) {
    pix_json_part model = {.name = "the model", .settings = root}, vision, text;
    pix_status status = find_tower(root, "vision_config", "vision_config_dict", &vision, error);
    if (!status)
        status = find_tower(root, "text_config", "text_config_dict", &text, error);
    if (!status)
        status = read_common(&vision, &text, hints, error);
#define SETTINGS(settings) settings, sizeof(settings) / sizeof *(settings)
    if (!status)
        status = read_settings(&model, SETTINGS(model_settings), hints, error);
    if (!status)
        status = read_settings(&vision, SETTINGS(vision_settings), hints, error);
    if (!status)
        status = read_settings(&text, SETTINGS(text_settings), hints, error);
#undef SETTINGS
    return status ? status : read_end_token(&text, hints, error);
}

/* The classes of single towers that end where their hidden states do are CLIPTextModel and
 * CLIPVisionModel; others have a projection, as far as a config can say. */
static bool lacks_projection(const json_t *root) {
    const char *class =
        json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    return class && (strcmp(class, "CLIPTextModel") == 0 || strcmp(class, "CLIPVisionModel") == 0);
}

static pix_status fail_one_tower(const json_t *root, const char *type, const char *ours,
                                 const char *other, pix_error *error) {
    char projection[64] = "";
    bool lacks = lacks_projection(root);
    if (lacks)
        (void)snprintf(projection, sizeof projection, "the projection of the %s tower and ", ours);
    return pix_fail(error, PIX_EUNSUPPORTED,
                    "only the %s tower of a CLIP model (model_type \"%s\"): %sthe whole %s tower "
                    "%s missing",
                    ours, type, projection, other, lacks ? "are" : "is");
}

static pix_status check_type(const json_t *root, pix_error *error) {
    const json_t *value = pix_json_get(root, "model_type");
    const char *type = json_string_value(value);
    if (!value || (type && strcmp(type, "clip") == 0))
        return PIX_OK;
    if (!type)
        return pix_fail(error, PIX_EFORMAT, "model_type is not a text");
    if (strcmp(type, "clip_text_model") == 0)
        return fail_one_tower(root, type, "text", "vision", error);
    if (strcmp(type, "clip_vision_model") == 0)
        return fail_one_tower(root, type, "vision", "text", error);
    return pix_fail(error, PIX_EUNSUPPORTED, "model_type is \"%.64s\", not \"clip\"", type);
}

pix_status pix_hf_config_read(const char *path, pix_checkpoint_hints *hints, pix_error *error) {
    json_t *root;
    pix_status status = pix_json_file_read(path, &root, error);
    if (status)
        return status;
    status = check_type(root, error);
    if (!status)
        status = read_root(root, hints, error);
    if (status)
        (void)pix_error_prefix(error, "%s", path);
    json_decref(root);
    return status;
}
