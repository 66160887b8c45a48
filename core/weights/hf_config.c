#include "core/weights/hf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/weights/json_file.h"

/* An object of the file with CLIP's settings. */
typedef struct part {
    const char *name;
    const json_t *settings; /* NULL: every one has its default */
} part;

/* NULL also when it is null. */
static const json_t *get(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* A setting that is not what it must be: "eos_token_id of text_config is [1], expected ...". */
static pix_status fail_value(const part *p, const char *key, const json_t *value,
                             const char *expected, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "%s of %s is %s, expected %s", key, p->name,
                    pix_json_show(value).text, expected);
}

/* As CLIPConfig of transformers reads a tower's part: a "_dict", which old files have, counts alone
 * and the settings it leaves out have their defaults, whatever its twin says. */
static pix_status find_tower(const json_t *root, const char *name, const char *dict, part *out,
                             pix_error *error) {
    *out = (part){.name = dict, .settings = get(root, dict)};
    if (!out->settings)
        *out = (part){.name = name, .settings = get(root, name)};
    if (out->settings && !json_is_object(out->settings))
        return pix_fail(error, PIX_EFORMAT, "%s is not an object", out->name);
    if (!out->settings && !get(root, "model_type"))
        return pix_fail(error, PIX_EUNSUPPORTED, "no %s: not the config of a CLIP model", name);
    return PIX_OK;
}

/* Activations are called as in transformers' ACT2FN, where two names are the exact GELU. */
static pix_status read_activation(const part *p, bool *exact, pix_error *error) {
    const json_t *value = get(p->settings, "hidden_act");
    const char *name = value ? json_string_value(value) : "quick_gelu";
    if (!name)
        return fail_value(p, "hidden_act", value, "a text", error);
    *exact = strcmp(name, "gelu") == 0 || strcmp(name, "gelu_python") == 0;
    if (*exact || strcmp(name, "quick_gelu") == 0)
        return PIX_OK;
    return pix_fail(error, PIX_EUNSUPPORTED,
                    "hidden_act \"%.64s\" of %s is neither \"quick_gelu\" nor \"gelu\"", name,
                    p->name);
}

static pix_status read_eps(const part *p, double *out, pix_error *error) {
    const json_t *value = get(p->settings, "layer_norm_eps");
    *out = value ? json_number_value(value) : 1e-5;
    return isfinite(*out) && *out > 0
               ? PIX_OK
               : fail_value(p, "layer_norm_eps", value, "a positive number", error);
}

static pix_status read_integer(const part *p, const char *key, int64_t absent, int64_t low,
                               int64_t *out, pix_error *error) {
    const json_t *value = get(p->settings, key);
    *out = value ? json_integer_value(value) : absent;
    if (value && (!json_is_integer(value) || *out < low || *out > INT32_MAX))
        return fail_value(p, key, value, low ? "a positive whole number" : "a whole number", error);
    return PIX_OK;
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

static pix_status read_settings(const part *p, const setting *settings, size_t count,
                                pix_checkpoint_hints *hints, pix_error *error) {
    pix_status status = PIX_OK;
    for (; !status && count > 0; settings++, count--) {
        int64_t value;
        status = read_integer(p, settings->key, settings->absent, 1, &value, error);
        if (!status)
            memcpy((char *)hints + settings->offset, &value, sizeof value);
    }
    return status;
}

/* transformers 4.31 made 49407 the default, which a small vocabulary does not have; before, every
 * config said 2, which still means the highest id. */
static pix_status read_end_token(const part *text, pix_checkpoint_hints *hints, pix_error *error) {
    int64_t absent = hints->sizes.vocab_size > 49407 ? 49407 : -1;
    pix_status status = read_integer(text, "eos_token_id", absent, 0, &hints->end_token, error);
    if (!status && hints->end_token == 2)
        hints->end_token = -1;
    return status;
}

/* What our towers have one of. */
static pix_status read_common(const part *vision, const part *text, pix_checkpoint_hints *hints,
                              pix_error *error) {
    bool exact = false;
    double eps = 0;
    pix_status status = read_activation(vision, &hints->exact_gelu, error);
    if (!status)
        status = read_activation(text, &exact, error);
    if (!status)
        status = read_eps(vision, &hints->layer_norm_eps, error);
    if (!status)
        status = read_eps(text, &eps, error);
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
    part model = {.name = "the model", .settings = root}, vision, text;
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
    const json_t *value = get(root, "model_type");
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
