#include "core/clip/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/tensor_list.h"

/* A ModifiedResNet halves a picture's side five times and attends to the pixels left; its last
 * stage has 32 times the stem's channels. */
enum { RESNET_CELL = 32, RESNET_GROWTH = 32 };

/* Of CLIP's vocabulary, which is cut there for OpenAI's models and open_clip's; none has more. */
enum { PUBLISHED_TOKENS = 49408 };

int32_t pix_clip_vision_tokens(const pix_clip_config *config) {
    bool vit = config->vision_kind == PIX_VISION_VIT;
    int32_t grid = config->image_size / (vit ? config->patch_size : RESNET_CELL);
    return grid * grid + 1;
}

int32_t pix_clip_token_count(const pix_clip_config *config) {
    if (config->end_token >= 0) /* the vocabulary's last */
        return config->end_token + 1;
    return config->vocab_size < PUBLISHED_TOKENS ? config->vocab_size : PUBLISHED_TOKENS;
}

/* Bounds: several times the largest CLIP ever published, small enough that no product of two
 * overflows 32 bits where the towers multiply them. */
static const struct bound {
    const char *name;
    size_t offset;
    int32_t low, high;
} bounds[] = {
#define BOUND(field, low, high)                                                                    \
    { #field, offsetof(pix_clip_config, field), low, high }
    BOUND(embed_dim, 1, 16384),     BOUND(image_size, 1, 4096),    BOUND(vision_heads, 1, 1024),
    BOUND(context_length, 1, 4096), BOUND(vocab_size, 1, 1 << 22), BOUND(text_width, 1, 16384),
    BOUND(text_layers, 1, 256),     BOUND(text_heads, 1, 1024),    BOUND(text_mlp_width, 1, 65536),
    BOUND(exact_gelu, 0, 1),
};
static const struct bound vit_bounds[] = {
    BOUND(vision_width, 1, 16384),
    BOUND(vision_layers, 1, 256),
    BOUND(patch_size, 1, 1024),
    BOUND(vision_mlp_width, 1, 65536),
};
static const struct bound resnet_bounds[] = {
    BOUND(vision_width, 2, 1024),    BOUND(resnet_layers[0], 1, 256),
    BOUND(resnet_layers[1], 1, 256), BOUND(resnet_layers[2], 1, 256),
    BOUND(resnet_layers[3], 1, 256),
#undef BOUND
};

static pix_status check_bounds(const pix_clip_config *config, const struct bound *bound,
                               size_t count, pix_error *error) {
    for (; count > 0; bound++, count--) {
        int32_t value;
        memcpy(&value, (const char *)config + bound->offset, sizeof value);
        if (value < bound->low || value > bound->high)
            return pix_fail(error, PIX_ELIMIT, "%s is %" PRId32 ", outside %" PRId32 "..%" PRId32,
                            bound->name, value, bound->low, bound->high);
    }
    return PIX_OK;
}

static pix_status check_vit(const pix_clip_config *c, pix_error *error) {
    pix_status status = check_bounds(c, vit_bounds, sizeof vit_bounds / sizeof *vit_bounds, error);
    if (status)
        return status;
    if (c->image_size % c->patch_size != 0)
        return pix_fail(error, PIX_EFORMAT, "image_size %d is not a multiple of patch_size %d",
                        (int)c->image_size, (int)c->patch_size);
    if (c->vision_width % c->vision_heads != 0)
        return pix_fail(error, PIX_EFORMAT, "%d heads do not divide vision_width %d",
                        (int)c->vision_heads, (int)c->vision_width);
    return PIX_OK;
}

static pix_status check_resnet(const pix_clip_config *c, pix_error *error) {
    pix_status status =
        check_bounds(c, resnet_bounds, sizeof resnet_bounds / sizeof *resnet_bounds, error);
    if (status)
        return status;
    if (c->image_size % RESNET_CELL != 0)
        return pix_fail(error, PIX_EFORMAT, "image_size %d is not a multiple of %d",
                        (int)c->image_size, RESNET_CELL);
    if (c->vision_width * RESNET_GROWTH % c->vision_heads != 0)
        return pix_fail(error, PIX_EFORMAT, "%d heads do not divide %d x vision_width %d",
                        (int)c->vision_heads, RESNET_GROWTH, (int)c->vision_width);
    return PIX_OK;
}

pix_status pix_clip_config_check(const pix_clip_config *c, pix_error *error) {
    if (c->vision_kind != PIX_VISION_VIT && c->vision_kind != PIX_VISION_RESNET)
        return pix_fail(error, PIX_EFORMAT, "vision_kind is %d", (int)c->vision_kind);
    pix_status status = check_bounds(c, bounds, sizeof bounds / sizeof *bounds, error);
    if (!status)
        status = c->vision_kind == PIX_VISION_VIT ? check_vit(c, error) : check_resnet(c, error);
    if (status)
        return status;
    if (c->text_width % c->text_heads != 0)
        return pix_fail(error, PIX_EFORMAT, "%d heads do not divide text_width %d",
                        (int)c->text_heads, (int)c->text_width);
    if (c->end_token < -1 || c->end_token >= c->vocab_size)
        return pix_fail(error, PIX_EFORMAT, "end_token %d is not among %d tokens",
                        (int)c->end_token, (int)c->vocab_size);
    if (!(c->layer_norm_eps > 0 && c->layer_norm_eps < 1))
        return pix_fail(error, PIX_EFORMAT, "layer_norm_eps is %g", (double)c->layer_norm_eps);
    if (!(c->logit_scale > 0 && isfinite(c->logit_scale)))
        return pix_fail(error, PIX_EFORMAT, "logit_scale is %g", (double)c->logit_scale);
    return PIX_OK;
}

/* Inference. */

/* "[768, 3, 32, 32]" */
static const char *shape_text(char *text, size_t size, int rank, const int64_t *shape) {
    size_t length = 0;
    for (int i = 0; i < rank && length < size; i++)
        length +=
            (size_t)snprintf(text + length, size - length, "%s%" PRId64, i ? ", " : "[", shape[i]);
    if (length < size)
        (void)snprintf(text + length, size - length, rank ? "]" : "[]");
    return text;
}

/* The tensor of that name and rank, every extent at least 1 and within int32. */
static pix_status find(const pix_checkpoint *checkpoint, const char *name, int rank,
                       const pix_tensor_info **out, pix_error *error) {
    *out = NULL;
    const pix_tensor_info *info = pix_checkpoint_find(checkpoint, name);
    if (!info)
        return pix_fail(error, PIX_EFORMAT, "not a CLIP model: it has no tensor %s", name);
    bool fits = info->rank == rank;
    for (int i = 0; i < info->rank; i++)
        fits = fits && info->shape[i] > 0 && info->shape[i] <= INT32_MAX;
    char text[128];
    if (!fits)
        return pix_fail(error, PIX_EFORMAT,
                        "not a CLIP model: tensor %s has shape %s, expected "
                        "%d dimension%s",
                        name, shape_text(text, sizeof text, info->rank, info->shape), rank,
                        rank == 1 ? "" : "s");
    *out = info;
    return PIX_OK;
}

/* Extent `axis` of the tensor of that name and rank. */
static pix_status extent(const pix_checkpoint *checkpoint, const char *name, int rank, int axis,
                         int32_t *out, pix_error *error) {
    const pix_tensor_info *info;
    pix_status status = find(checkpoint, name, rank, &info, error);
    if (!status)
        *out = (int32_t)info->shape[axis];
    return status;
}

static bool has_any(const pix_checkpoint *checkpoint, const char *prefix) {
    for (size_t i = 0; i < pix_checkpoint_count(checkpoint); i++)
        if (strncmp(pix_checkpoint_info(checkpoint, i)->name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/* One more than the highest N of the tensors named PREFIX N ".". */
static int32_t count_numbered(const pix_checkpoint *checkpoint, const char *prefix) {
    long highest = -1;
    size_t length = strlen(prefix);
    for (size_t i = 0; i < pix_checkpoint_count(checkpoint); i++) {
        const char *name = pix_checkpoint_info(checkpoint, i)->name;
        if (strncmp(name, prefix, length) != 0)
            continue;
        char *end;
        long number = strtol(name + length, &end, 10);
        if (end > name + length && *end == '.' && number > highest)
            highest = number;
    }
    return highest < 1000000 ? (int32_t)highest + 1 : 1000000;
}

/* The side of a grid of `cells` and one more; 0 when it is not a square. */
static int32_t grid_side(int32_t cells_and_one) {
    int32_t side = (int32_t)lround(sqrt((double)(cells_and_one - 1)));
    return (int64_t)side * side == cells_and_one - 1 ? side : 0;
}

static pix_status no_square(const char *name, int32_t rows, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT,
                    "tensor %s has %d rows, expected a square number of cells and one more", name,
                    (int)rows);
}

/* A file with one tower is not rare, nor one without the projections that end in the space of both:
 * all that is missing is said at once. */
static pix_status find_parts(const pix_checkpoint *checkpoint, bool resnet, pix_error *error) {
    const struct {
        const char *what, *tensor;
    } parts[] = {
        {"text tower", "token_embedding.weight"},
        {"text projection", "text_projection"},
        {"vision tower", "visual.conv1.weight"},
        {"vision projection", resnet ? "visual.attnpool.c_proj.weight" : "visual.proj"},
    };
    char missing[256] = "";
    size_t length = 0, found = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (pix_checkpoint_find(checkpoint, parts[i].tensor))
            found++;
        else
            length +=
                (size_t)snprintf(missing + length, sizeof missing - length, "%sno %s (tensor %s)",
                                 length ? ", " : "", parts[i].what, parts[i].tensor);
    if (length == 0)
        return PIX_OK;
    return pix_fail(error, PIX_EFORMAT, "not a %sCLIP model: it has %s", found ? "whole " : "",
                    missing);
}

static pix_status infer_text(const pix_checkpoint *p, pix_clip_config *c, pix_error *error) {
    pix_status status;
    if ((status = extent(p, "token_embedding.weight", 2, 0, &c->vocab_size, error)) ||
        (status = extent(p, "positional_embedding", 2, 0, &c->context_length, error)) ||
        (status = extent(p, "ln_final.weight", 1, 0, &c->text_width, error)) ||
        (status = extent(p, "text_projection", 2, 1, &c->embed_dim, error)) ||
        (status =
             extent(p, "transformer.resblocks.0.mlp.c_fc.weight", 2, 0, &c->text_mlp_width, error)))
        return status;
    c->text_layers = count_numbered(p, "transformer.resblocks.");
    return PIX_OK;
}

static pix_status infer_vit(const pix_checkpoint *p, pix_clip_config *c, pix_error *error) {
    static const char positions[] = "visual.positional_embedding";
    pix_status status;
    int32_t tokens;
    if ((status = extent(p, "visual.conv1.weight", 4, 0, &c->vision_width, error)) ||
        (status = extent(p, "visual.conv1.weight", 4, 3, &c->patch_size, error)) ||
        (status = extent(p, positions, 2, 0, &tokens, error)) ||
        (status = extent(p, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0,
                         &c->vision_mlp_width, error)))
        return status;
    int32_t grid = grid_side(tokens);
    if (grid == 0)
        return no_square(positions, tokens, error);
    int64_t size = (int64_t)grid * c->patch_size;
    c->image_size = size <= INT32_MAX ? (int32_t)size : INT32_MAX;
    c->vision_layers = count_numbered(p, "visual.transformer.resblocks.");
    return PIX_OK;
}

static pix_status infer_resnet(const pix_checkpoint *p, pix_clip_config *c, pix_error *error) {
    static const char positions[] = "visual.attnpool.positional_embedding";
    pix_status status;
    int32_t tokens;
    if ((status = extent(p, "visual.layer1.0.conv1.weight", 4, 0, &c->vision_width, error)) ||
        (status = extent(p, positions, 2, 0, &tokens, error)))
        return status;
    for (int i = 0; i < 4; i++) {
        char prefix[32];
        (void)snprintf(prefix, sizeof prefix, "visual.layer%d.", i + 1);
        c->resnet_layers[i] = count_numbered(p, prefix);
        if (c->resnet_layers[i] == 0)
            return pix_fail(error, PIX_EFORMAT,
                            "not a CLIP model: it has no tensor %s0.conv1.weight", prefix);
    }
    int32_t grid = grid_side(tokens);
    if (grid == 0)
        return no_square(positions, tokens, error);
    c->image_size = grid <= INT32_MAX / RESNET_CELL ? grid * RESNET_CELL : INT32_MAX;
    return PIX_OK;
}

/* Heads are width / 64 in every model of OpenAI's (model.py); a config file may say otherwise. */
static int32_t heads(int64_t hint, int32_t width) {
    if (hint > 0)
        return hint <= INT32_MAX ? (int32_t)hint : INT32_MAX;
    return width >= 64 ? width / 64 : 1;
}

static pix_status apply_hints(pix_checkpoint *checkpoint, pix_clip_config *c, pix_error *error) {
    const pix_checkpoint_hints *hint = pix_checkpoint_hint(checkpoint);
    /* Those of a ModifiedResNet pool the channels of its last stage. */
    int32_t channels = c->vision_width;
    if (c->vision_kind == PIX_VISION_RESNET && channels <= INT32_MAX / RESNET_GROWTH)
        channels *= RESNET_GROWTH;
    c->vision_heads = heads(hint->vision_heads, channels);
    c->text_heads = heads(hint->text_heads, c->text_width);
    c->exact_gelu = hint->exact_gelu;
    c->layer_norm_eps = (float)hint->layer_norm_eps;
    if (hint->end_token < -1 || hint->end_token >= c->vocab_size)
        return pix_fail(error, PIX_EFORMAT,
                        "the config's end token %" PRId64 " is not among the model's %d tokens",
                        hint->end_token, (int)c->vocab_size);
    /* The last token is the highest: one way to say it, so that one model has one fingerprint. */
    c->end_token = -1;
    if (hint->end_token != pix_clip_token_count(c) - 1)
        c->end_token = (int32_t)hint->end_token;
    return PIX_OK;
}

/* A config file beside other weights than its own says sizes that are not theirs; then what only it
 * can say is wrong too. */
static pix_status compare_sizes(const pix_checkpoint *checkpoint, const pix_clip_config *config,
                                pix_error *error) {
    const pix_checkpoint_sizes *said = &pix_checkpoint_hint(checkpoint)->sizes;
    const struct {
        const char *what;
        int64_t said;
        int32_t shown;
    } sizes[] = {
        {"size of an embedding", said->embed_dim, config->embed_dim},
        {"width of the vision tower", said->vision_width, config->vision_width},
        {"number of layers of the vision tower", said->vision_layers, config->vision_layers},
        {"MLP width of the vision tower", said->vision_mlp_width, config->vision_mlp_width},
        {"patch size", said->patch_size, config->patch_size},
        {"image size", said->image_size, config->image_size},
        {"width of the text tower", said->text_width, config->text_width},
        {"number of layers of the text tower", said->text_layers, config->text_layers},
        {"MLP width of the text tower", said->text_mlp_width, config->text_mlp_width},
        {"context length", said->context_length, config->context_length},
        {"vocabulary size", said->vocab_size, config->vocab_size},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].said != 0 && sizes[i].said != sizes[i].shown)
            return pix_fail(error, PIX_EFORMAT,
                            "the %s is %" PRId64 " by the config beside it or by default, but "
                            "%" PRId32 " by the tensors",
                            sizes[i].what, sizes[i].said, sizes[i].shown);
    return PIX_OK;
}

static pix_status read_logit_scale(pix_checkpoint *checkpoint, pix_clip_config *c,
                                   pix_error *error) {
    const pix_tensor_info *info = pix_checkpoint_find(checkpoint, "logit_scale");
    if (!info)
        return pix_fail(error, PIX_EFORMAT, "not a CLIP model: it has no tensor logit_scale");
    char text[128];
    if (info->rank > 1 || (info->rank == 1 && info->shape[0] != 1))
        return pix_fail(error, PIX_EFORMAT, "tensor logit_scale has shape %s, expected []",
                        shape_text(text, sizeof text, info->rank, info->shape));
    float value;
    pix_status status = pix_checkpoint_read(checkpoint, info, &value, error);
    c->logit_scale = status ? 0 : (float)exp((double)value);
    return status;
}

static pix_status check_shapes(const pix_checkpoint *checkpoint, const pix_clip_config *config,
                               pix_error *error) {
    pix_clip_tensor *tensors;
    size_t count;
    pix_status status = pix_clip_checkpoint_tensors(config, &tensors, &count, error);
    for (size_t i = 0; !status && i < count; i++) {
        const pix_clip_tensor *want = &tensors[i];
        const pix_tensor_info *have = pix_checkpoint_find(checkpoint, want->name);
        char have_text[128], want_text[128];
        if (!have)
            status =
                pix_fail(error, PIX_EFORMAT, "not a CLIP model: it has no tensor %s", want->name);
        else if (have->rank != want->rank ||
                 memcmp(have->shape, want->shape, (size_t)want->rank * sizeof *want->shape) != 0)
            status = pix_fail(error, PIX_EFORMAT, "tensor %s has shape %s, expected %s", want->name,
                              shape_text(have_text, sizeof have_text, have->rank, have->shape),
                              shape_text(want_text, sizeof want_text, want->rank, want->shape));
    }
    free(tensors);
    return status;
}

pix_status pix_clip_config_infer(pix_checkpoint *checkpoint, pix_clip_config *config,
                                 pix_error *error) {
    *config = (pix_clip_config){0};
    bool resnet = has_any(checkpoint, "visual.attnpool.") || has_any(checkpoint, "visual.layer");
    config->vision_kind = resnet ? PIX_VISION_RESNET : PIX_VISION_VIT;
    pix_status status = find_parts(checkpoint, resnet, error);
    if (!status)
        status = infer_text(checkpoint, config, error);
    if (!status)
        status =
            resnet ? infer_resnet(checkpoint, config, error) : infer_vit(checkpoint, config, error);
    if (!status)
        status = compare_sizes(checkpoint, config, error);
    if (!status)
        status = apply_hints(checkpoint, config, error);
    if (!status)
        status = read_logit_scale(checkpoint, config, error);
    if (!status)
        status = pix_clip_config_check(config, error);
    if (!status)
        status = check_shapes(checkpoint, config, error);
    return status;
}
