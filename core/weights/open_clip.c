#include "core/weights/open_clip.h"

#include <string.h>

#include "core/weights/json_file.h"
#include "core/weights/pictures.h"

/* Settings of open_clip's CLIPVisionCfg, CLIPTextCfg and PreprocessCfg that make another network or
 * other pictures of it, unless they have this value (NULL: false or null). */
static const struct {
    const char *part, *key, *usual;
} settings[] = {
    {"model_cfg", "multimodal_cfg", NULL},
    {"vision_cfg", "timm_model_name", NULL},
    {"vision_cfg", "attentional_pool", NULL},
    {"vision_cfg", "pool_type", "tok"},
    {"vision_cfg", "no_ln_pre", NULL},
    {"vision_cfg", "ls_init_value", NULL},
    {"vision_cfg", "act_kwargs", NULL},
    {"vision_cfg", "pos_embed_type", "learnable"},
    {"text_cfg", "hf_model_name", NULL},
    {"text_cfg", "pool_type", "argmax"},
    {"text_cfg", "embed_cls", NULL},
    {"text_cfg", "no_causal_mask", NULL},
    {"text_cfg", "ls_init_value", NULL},
    {"text_cfg", "act_kwargs", NULL},
    {"text_cfg", "proj_type", "linear"},
    {"text_cfg", "proj_bias", NULL},
    {"preprocess_cfg", "interpolation", "bicubic"},
    {"preprocess_cfg", "resize_mode", "shortest"},
};

static const json_t *part_of(const json_t *root, const char *part) {
    const json_t *model = json_object_get(root, "model_cfg");
    if (strcmp(part, "model_cfg") == 0)
        return model;
    return json_object_get(strcmp(part, "preprocess_cfg") == 0 ? root : model, part);
}

static pix_status check_settings(const json_t *root, pix_error *error) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const json_t *value = json_object_get(part_of(root, settings[i].part), settings[i].key);
        const char *text = json_string_value(value), *usual = settings[i].usual;
        bool empty = json_is_object(value) && json_object_size(value) == 0;
        if (!value || json_is_null(value) || json_is_false(value) || empty ||
            (text && usual && strcmp(text, usual) == 0))
            continue;
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "%s of %s is%s%.64s: no model or pictures as in OpenAI's CLIP",
                        settings[i].key, settings[i].part, text ? " " : " set", text ? text : "");
    }
    return PIX_OK;
}

/* Their names for two of the settings. */
static pix_status check_pictures(const json_t *root, pix_error *error) {
    static const char *const keys[][2] = {{"mean", "image_mean"}, {"std", "image_std"}};
    json_t *ours = pix_pictures_settings(1);
    pix_status status = ours ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; !status && i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(part_of(root, "preprocess_cfg"), keys[i][0]);
        const json_t *usual = json_object_get(ours, keys[i][1]);
        if (value && !pix_pictures_fit(value, usual))
            status =
                pix_fail(error, PIX_EUNSUPPORTED, "%s of preprocess_cfg is %s, but pixgrep has %s",
                         keys[i][0], pix_json_show(value).text, pix_json_show(usual).text);
    }
    json_decref(ours);
    return status;
}

static pix_status read_integer(const json_t *part, const char *key, int64_t absent, int64_t *out,
                               pix_error *error) {
    const json_t *value = json_object_get(part, key);
    *out = value ? json_integer_value(value) : absent;
    if (*out < 1 || *out > 65536)
        return pix_fail(error, PIX_EFORMAT, "%s is not a number that can be", key);
    return PIX_OK;
}

static double eps_of(const json_t *part) {
    const json_t *value = json_object_get(json_object_get(part, "norm_kwargs"), "eps");
    return value ? json_number_value(value) : 1e-5;
}

static pix_status read_root(const json_t *root, pix_checkpoint_hints *hints, pix_error *error) {
    const json_t *model = part_of(root, "model_cfg"), *vision = part_of(root, "vision_cfg"),
                 *text = part_of(root, "text_cfg");
    if (!json_is_object(vision) || !json_is_object(text))
        return pix_fail(error, PIX_EFORMAT, "no model_cfg with vision_cfg and text_cfg");
    int64_t width, head;
    pix_status status;
    if ((status = check_settings(root, error)) || (status = check_pictures(root, error)) ||
        (status = read_integer(vision, "width", 768, &width, error)) ||
        (status = read_integer(vision, "head_width", 64, &head, error)) ||
        (status = read_integer(text, "heads", 8, &hints->text_heads, error)))
        return status;
    /* A ModifiedResNet pools 32 times its width. */
    if (json_is_array(json_object_get(vision, "layers")))
        width *= 32;
    hints->vision_heads = width / head;
    hints->exact_gelu = !json_is_true(json_object_get(model, "quick_gelu"));
    hints->layer_norm_eps = eps_of(vision);
    if (width % head != 0)
        return pix_fail(error, PIX_EFORMAT, "head_width of vision_cfg does not divide its width");
    if (!(hints->layer_norm_eps > 0) || hints->layer_norm_eps != eps_of(text))
        return pix_fail(error, PIX_EUNSUPPORTED, "norm_kwargs of vision_cfg and text_cfg differ");
    return PIX_OK;
}

pix_status pix_open_clip_config_read(const char *path, pix_checkpoint_hints *hints,
                                     pix_error *error) {
    json_t *root;
    pix_status status = pix_json_file_read(path, &root, error);
    if (status)
        return status;
    status = read_root(root, hints, error);
    if (status)
        (void)pix_error_prefix(error, "%s", path);
    json_decref(root);
    return status;
}
