#include "core/weights/hf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/base/files.h"

/* A tower's part of the file.  Some files say it twice, and the newer "_dict" wins, as in
 * transformers. */
typedef struct tower {
    const char *name;
    const json_t *config, *override;
} tower;

static const json_t *get(const tower *t, const char *key) {
    const json_t *value = json_object_get(t->override, key);
    if (!value)
        value = json_object_get(t->config, key);
    return json_is_null(value) ? NULL : value;
}

static pix_status find_tower(const json_t *root, const char *name, tower *out, pix_error *error) {
    char override[32];
    (void)snprintf(override, sizeof override, "%s_dict", name);
    *out = (tower){.name = name,
                   .config = json_object_get(root, name),
                   .override = json_object_get(root, override)};
    if (json_is_object(out->config) || json_is_object(out->override))
        return PIX_OK;
    return pix_fail(error, PIX_EUNSUPPORTED, "no %s: not the config of a CLIP model", name);
}

static pix_status read_activation(const tower *t, bool *exact, pix_error *error) {
    const json_t *value = get(t, "hidden_act");
    const char *name = value ? json_string_value(value) : "quick_gelu";
    if (!name)
        return pix_fail(error, PIX_EFORMAT, "hidden_act of %s is not a text", t->name);
    *exact = strcmp(name, "gelu") == 0;
    if (*exact || strcmp(name, "quick_gelu") == 0)
        return PIX_OK;
    return pix_fail(error, PIX_EUNSUPPORTED, "hidden_act \"%.64s\" of %s", name, t->name);
}

static pix_status read_integer(const tower *t, const char *key, int64_t absent, int64_t low,
                               int64_t *out, pix_error *error) {
    const json_t *value = get(t, key);
    *out = value ? json_integer_value(value) : absent;
    if (value && (!json_is_integer(value) || *out < low || *out > INT32_MAX))
        return pix_fail(error, PIX_EFORMAT, "%s of %s is not a number that can be", key, t->name);
    return PIX_OK;
}

static pix_status read_eps(const tower *t, double *out, pix_error *error) {
    const json_t *value = get(t, "layer_norm_eps");
    *out = value ? json_number_value(value) : 1e-5;
    if (!isfinite(*out) || *out <= 0)
        return pix_fail(error, PIX_EFORMAT, "layer_norm_eps of %s is not a positive number",
                        t->name);
    return PIX_OK;
}

static pix_status read_root(const json_t *root, pix_checkpoint_hints *hints, pix_error *error) {
    tower vision, text;
    bool exact = false;
    double eps = 0;
    pix_status status = find_tower(root, "vision_config", &vision, error);
    if (!status)
        status = find_tower(root, "text_config", &text, error);
    if (!status)
        status = read_activation(&vision, &hints->exact_gelu, error);
    if (!status)
        status = read_activation(&text, &exact, error);
    if (!status && exact != hints->exact_gelu)
        status =
            pix_fail(error, PIX_EUNSUPPORTED, "hidden_act of vision_config and text_config differ");
    if (!status)
        status = read_eps(&vision, &hints->layer_norm_eps, error);
    if (!status)
        status = read_eps(&text, &eps, error);
    if (!status && eps != hints->layer_norm_eps)
        status = pix_fail(error, PIX_EUNSUPPORTED,
                          "layer_norm_eps of vision_config and text_config differ");
    /* The defaults of CLIPVisionConfig and CLIPTextConfig. */
    if (!status)
        status = read_integer(&vision, "num_attention_heads", 12, 1, &hints->vision_heads, error);
    if (!status)
        status = read_integer(&text, "num_attention_heads", 8, 1, &hints->text_heads, error);
    if (!status)
        status = read_integer(&text, "eos_token_id", -1, 0, &hints->end_token, error);
    /* Configs before transformers 4.31 said 2 and meant the highest id. */
    if (!status && hints->end_token == 2)
        hints->end_token = -1;
    return status;
}

pix_status pix_hf_config_read(const char *path, pix_checkpoint_hints *hints, pix_error *error) {
    pix_bytes text = {0};
    json_error_t json_error;
    pix_status status = pix_file_read(path, 1 << 20, &text, error);
    if (status) {
        pix_bytes_free(&text);
        return status;
    }
    json_t *root =
        json_loadb(text.data ? text.data : "", text.size, JSON_REJECT_DUPLICATES, &json_error);
    pix_bytes_free(&text);
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!json_is_object(root))
        status = pix_fail(error, PIX_EFORMAT, "not a JSON object");
    else if (type && strcmp(type, "clip") != 0)
        status = pix_fail(error, PIX_EUNSUPPORTED, "model_type is not \"clip\"");
    else
        status = read_root(root, hints, error);
    json_decref(root);
    if (status)
        (void)pix_error_prefix(error, "%s", path);
    return status;
}
