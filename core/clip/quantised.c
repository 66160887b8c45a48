#include "core/clip/quantised.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/fold.h"
#include "core/clip/smooth.h"

/* Where each tensor of a block goes, by the end of its name. */
static const struct part {
    const char *name;
    size_t field;
} parts[] = {
#define PART(name, field)                                                                          \
    { name, offsetof(pix_block_weights, field) }
    PART("ln_1.weight", ln_1_weight),         PART("ln_1.bias", ln_1_bias),
    PART("attn.in_proj_weight", in_weight),   PART("attn.in_proj_bias", in_bias),
    PART("attn.out_proj.weight", out_weight), PART("attn.out_proj.bias", out_bias),
    PART("ln_2.weight", ln_2_weight),         PART("ln_2.bias", ln_2_bias),
    PART("mlp.c_fc.weight", fc_weight),       PART("mlp.c_fc.bias", fc_bias),
    PART("mlp.c_proj.weight", proj_weight),   PART("mlp.c_proj.bias", proj_bias),
    PART("mlp.scale", hidden_scale),
#undef PART
};
enum { PARTS = sizeof parts / sizeof *parts };

struct pix_quantised {
    pix_checkpoint *checkpoint;
    const pix_clip_tensor *tensors;
    size_t count;
    pix_tower_ranges ranges;
    char prefix[PIX_CLIP_NAME_MAX]; /* of the block in memory; "" for none */
    pix_block_weights block;
};

pix_status pix_quantised_open(pix_checkpoint *checkpoint, const pix_clip_tensor *tensors,
                              size_t count, const pix_tower_ranges *ranges, pix_quantised **out,
                              pix_error *error) {
    pix_quantised *q = *out = calloc(1, sizeof *q);
    if (!q)
        return pix_fail_memory(error);
    q->checkpoint = checkpoint;
    q->tensors = tensors;
    q->count = count;
    q->ranges = *ranges;
    return PIX_OK;
}

static float **field(pix_block_weights *block, size_t part) {
    return (float **)(void *)((char *)block + parts[part].field);
}

/* Where the block keeps the tensor whose name ends so, which is one of its parts'. */
static float **place(pix_block_weights *block, const char *name) {
    size_t part = 0;
    while (part + 1 < PARTS && strcmp(parts[part].name, name) != 0)
        part++;
    return field(block, part);
}

static void forget(pix_quantised *q) {
    for (size_t part = 0; part < PARTS; part++)
        free(*field(&q->block, part));
    q->block = (pix_block_weights){0};
    q->prefix[0] = '\0';
}

void pix_quantised_close(pix_quantised *q) {
    if (!q)
        return;
    forget(q);
    free(q);
}

static const char blocks_mark[] = "resblocks.";

/* How much of a name is its block's, "int8.transformer.resblocks.7."; 0 when it is of none. */
static size_t prefix_length(const char *name) {
    const char *number = strstr(name, blocks_mark);
    const char *dot = number ? strchr(number + strlen(blocks_mark), '.') : NULL;
    return dot ? (size_t)(dot + 1 - name) : 0;
}

/* One tensor into its place in the block; that of scales, which no checkpoint has, is all ones. */
static pix_status load_tensor(pix_quantised *q, const pix_clip_tensor *tensor, const char *name,
                              pix_error *error) {
    size_t elements = pix_clip_tensor_elements(tensor);
    float **values = place(&q->block, name);
    *values = calloc(elements, sizeof **values);
    if (!*values)
        return pix_fail_memory(error);
    if (values == &q->block.fc_weight) {
        q->block.mlp_width = (int)tensor->shape[0];
        q->block.width = (int)tensor->shape[1];
    }
    if (values != &q->block.hidden_scale)
        return pix_fold_read(q->checkpoint, tensor, *values, error);
    for (size_t i = 0; i < elements; i++)
        (*values)[i] = 1;
    return PIX_OK;
}

static pix_status smooth(const pix_quantised *q, const char *prefix, pix_error *error) {
    const pix_ranges *ranges = strstr(prefix, "visual.") ? q->ranges.vision : q->ranges.text;
    const char *number = strstr(prefix, blocks_mark) + strlen(blocks_mark);
    return pix_block_smooth(&q->block, ranges, atoi(number), error);
}

static pix_status load_block(pix_quantised *q, const char *prefix, size_t length,
                             pix_error *error) {
    pix_status status = PIX_OK;
    forget(q);
    for (size_t i = 0; i < q->count && !status; i++)
        if (strncmp(q->tensors[i].name, prefix, length) == 0)
            status = load_tensor(q, &q->tensors[i], q->tensors[i].name + length, error);
    if (!status)
        status = smooth(q, prefix, error);
    if (!status)
        (void)snprintf(q->prefix, sizeof q->prefix, "%.*s", (int)length, prefix);
    return status;
}

pix_status pix_quantised_read(pix_quantised *q, const pix_clip_tensor *tensor, float *out,
                              pix_error *error) {
    size_t length = prefix_length(tensor->name);
    if (length == 0)
        return pix_fold_read(q->checkpoint, tensor, out, error);
    if (strlen(q->prefix) != length || strncmp(q->prefix, tensor->name, length) != 0) {
        pix_status status = load_block(q, tensor->name, length, error);
        if (status)
            return status;
    }
    memcpy(out, *place(&q->block, tensor->name + length),
           pix_clip_tensor_elements(tensor) * sizeof *out);
    return PIX_OK;
}
