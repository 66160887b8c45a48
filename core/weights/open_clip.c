#include "core/weights/open_clip.h"

#include <inttypes.h>
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
    {"vision_cfg", "global_average_pool", NULL},
    {"text_cfg", "hf_model_name", NULL},
    {"text_cfg", "hf_tokenizer_name", NULL},
    {"text_cfg", "tokenizer_kwargs", NULL},
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

/* A side; a square may also be written as both. */
static pix_status read_side(const pix_json_part *part, const char *key, int64_t absent,
                            int64_t *out, pix_error *error) {
    const json_t *value = pix_json_get(part->settings, key), *first = json_array_get(value, 0);
    *out = json_integer_value(first);
    if (*out > 0 && json_array_size(value) == 2 && json_equal(first, json_array_get(value, 1)))
        return PIX_OK;
    return pix_json_read_integer(part, key, absent, 1, out, error);
}

/* With the defaults of CLIPVisionCfg; a ModifiedResNet has a list of layers and no patches. */
static pix_status read_vision(const pix_json_part *part, pix_checkpoint_hints *hints,
                              pix_error *error) {
    pix_checkpoint_sizes *sizes = &hints->sizes;
    int64_t head, width;
    bool vit = !json_is_array(pix_json_get(part->settings, "layers"));
    pix_status status;
    if ((status = pix_json_read_integer(part, "width", 768, 1, &sizes->vision_width, error)) ||
        (status = pix_json_read_integer(part, "head_width", 64, 1, &head, error)) ||
        (status = read_side(part, "image_size", 224, &sizes->image_size, error)) ||
        (vit &&
         ((status = pix_json_read_integer(part, "layers", 12, 1, &sizes->vision_layers, error)) ||
          (status = read_side(part, "patch_size", 16, &sizes->patch_size, error)))))
        return status;
    /* A ModifiedResNet pools 32 times its width. */
    width = vit ? sizes->vision_width : sizes->vision_width * 32;
    hints->vision_heads = width / head;
    return width % head == 0 ? PIX_OK
                             : pix_fail(error, PIX_EFORMAT,
                                        "head_width of %s does not divide its "
                                        "width",
                                        part->name);
}

/* With the defaults of CLIPTextCfg. */
static pix_status read_text(const pix_json_part *part, pix_checkpoint_hints *hints,
                            pix_error *error) {
    const struct {
        const char *key;
        int64_t absent, *out;
    } numbers[] = {
        {"heads", 8, &hints->text_heads},
        {"width", 512, &hints->sizes.text_width},
        {"layers", 12, &hints->sizes.text_layers},
        {"context_length", 77, &hints->sizes.context_length},
        {"vocab_size", 49408, &hints->sizes.vocab_size},
    };
    pix_status status = PIX_OK;
    for (size_t i = 0; !status && i < sizeof numbers / sizeof *numbers; i++)
        status = pix_json_read_integer(part, numbers[i].key, numbers[i].absent, 1, numbers[i].out,
                                       error);
    return status;
}

/* What our towers have one of. */
static pix_status read_eps(const json_t *vision, const json_t *text, double *out,
                           pix_error *error) {
    const pix_json_part norms[] = {
        {"norm_kwargs of vision_cfg", pix_json_get(vision, "norm_kwargs")},
        {"norm_kwargs of text_cfg", pix_json_get(text, "norm_kwargs")}};
    double other;
    pix_status status = pix_json_read_positive(&norms[0], "eps", 1e-5, out, error);
    if (!status)
        status = pix_json_read_positive(&norms[1], "eps", 1e-5, &other, error);
    if (!status && *out != other)
        status = pix_fail(error, PIX_EUNSUPPORTED, "eps of %s (%g) and %s (%g) differ",
                          norms[0].name, *out, norms[1].name, other);
    return status;
}

/* Pictures may be prepared in another size than the model was made for. */
static pix_status check_size(const json_t *root, int64_t image_size, pix_error *error) {
    const pix_json_part part = {"preprocess_cfg", part_of(root, "preprocess_cfg")};
    int64_t size;
    pix_status status = read_side(&part, "size", image_size, &size, error);
    if (!status && size != image_size)
        status = pix_fail(error, PIX_EUNSUPPORTED,
                          "size of preprocess_cfg is %" PRId64 ", but image_size of vision_cfg "
                          "is %" PRId64,
                          size, image_size);
    return status;
}

static pix_status read_root(const json_t *root, pix_checkpoint_hints *hints, pix_error *error) {
    const pix_json_part model = {"model_cfg", part_of(root, "model_cfg")},
                        vision = {"vision_cfg", part_of(root, "vision_cfg")},
                        text = {"text_cfg", part_of(root, "text_cfg")};
    if (!json_is_object(vision.settings) || !json_is_object(text.settings))
        return pix_fail(error, PIX_EFORMAT, "no model_cfg with vision_cfg and text_cfg");
    hints->exact_gelu = !json_is_true(json_object_get(model.settings, "quick_gelu"));
    pix_status status;
    if ((status = check_settings(root, error)) || (status = check_pictures(root, error)) ||
        (status =
             pix_json_read_integer(&model, "embed_dim", 0, 1, &hints->sizes.embed_dim, error)) ||
        (status = read_vision(&vision, hints, error)) ||
        (status = read_text(&text, hints, error)) ||
        (status = read_eps(vision.settings, text.settings, &hints->layer_norm_eps, error)))
        return status;
    return check_size(root, hints->sizes.image_size, error);
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
