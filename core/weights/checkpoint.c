#include "core/weights/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/weights/convert.h"
#include "core/weights/folder.h"
#include "core/weights/hf_config.h"
#include "core/weights/hf_preprocessor.h"
#include "core/weights/names.h"
#include "core/weights/open_clip.h"
#include "core/weights/safetensors.h"
#include "core/weights/shards.h"
#include "core/weights/sniff.h"
#include "core/weights/tensors.h"
#include "core/weights/torch_archive.h"
#include "core/weights/torch_legacy.h"
#include "core/weights/zip.h"

/* In all files of an index together; the largest model of all has a few thousand. */
enum { MAX_TENSORS = 1 << 18 };

/* A file with tensors. */
typedef struct part {
    char *path;
    pix_mapping mapping;
} part;

struct pix_checkpoint {
    const char *format;
    char *path;   /* of the file with the weights, or their index */
    char *others; /* other weights in the folder, or NULL */
    part *parts;  /* in byte order of their names */
    size_t part_count;
    pix_tensors tensors; /* sorted; their data lies in the parts */
    pix_torch_facts facts;
    pix_checkpoint_hints hints;
    bool gelu_known;
    char gelu_source[192];
};

/* `status`, and in an error the path before the cause. */
static pix_status at_path(pix_status status, const char *path, pix_error *error) {
    if (status)
        (void)pix_error_prefix(error, "%s", path);
    return status;
}

/* `path` itself, what a folder holds, or the index of a part that is there. */
static pix_status find_weights(pix_checkpoint *checkpoint, const char *path, pix_error *error) {
    struct stat info;
    char *index = NULL;
    bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode))
        return pix_folder_weights(path, &checkpoint->path, &checkpoint->others, error);
    pix_status status = there ? pix_shards_index_of(path, &index, error) : PIX_OK;
    if (!status && index && access(index, F_OK) != 0)
        status = pix_fail(error, PIX_ENOTFOUND, "%s is one part of several, and there is no %s",
                          path, index);
    if (status) {
        free(index);
        return status;
    }
    checkpoint->path = index ? index : strdup(path);
    return checkpoint->path ? PIX_OK : pix_fail_memory(error);
}

/* Fills a table with whatever names a file has. */
static pix_status read_part(pix_checkpoint *checkpoint, const pix_mapping *mapping,
                            pix_tensors *tensors, pix_error *error) {
    const uint8_t *data = mapping->data;
    size_t size = mapping->size;
    pix_torch_facts facts = {0};
    pix_status status;
    if (pix_zip_looks_like(data, size)) {
        status = pix_torch_archive_read(data, size, tensors, &facts, error);
        checkpoint->format = facts.module ? "TorchScript archive" : "PyTorch state dict";
    } else if (pix_torch_legacy_looks_like(data, size)) {
        status = pix_torch_legacy_read(data, size, tensors, &facts, error);
        checkpoint->format = "PyTorch state dict as before 1.6";
    } else if (pix_safetensors_looks_like(data, size)) {
        status = pix_safetensors_read(data, size, tensors, error);
        checkpoint->format = "safetensors";
    } else
        status = pix_sniff_refuse(data, size, error);
    facts.others += checkpoint->facts.others;
    checkpoint->facts = facts;
    if (!status && tensors->count == 0)
        status = pix_fail(error, PIX_EFORMAT, "holds no tensors");
    return status ? status : pix_tensors_sort(tensors, error);
}

/* The one part that is the file itself, whose mapping is taken. */
static pix_status take_single(pix_checkpoint *checkpoint, pix_mapping *mapping, pix_error *error) {
    checkpoint->parts = calloc(1, sizeof *checkpoint->parts);
    char *path = strdup(checkpoint->path);
    if (!checkpoint->parts || !path) {
        free(path);
        return pix_fail_memory(error);
    }
    checkpoint->parts[0] = (part){path, *mapping};
    checkpoint->part_count = 1;
    *mapping = (pix_mapping){0};
    pix_status status =
        read_part(checkpoint, &checkpoint->parts[0].mapping, &checkpoint->tensors, error);
    return at_path(status, path, error);
}

static pix_status open_parts(pix_checkpoint *checkpoint, const pix_shards *shards,
                             pix_tensors *tables, pix_error *error) {
    checkpoint->parts = calloc(shards->count, sizeof *checkpoint->parts);
    if (!checkpoint->parts)
        return pix_fail_memory(error);
    size_t tensors = 0;
    for (size_t i = 0; i < shards->count; i++) {
        part *p = &checkpoint->parts[i];
        checkpoint->part_count++;
        p->path = pix_path_beside(checkpoint->path, shards->names[i]);
        pix_status status =
            p->path ? pix_mapping_open(&p->mapping, p->path, error) : pix_fail_memory(error);
        if (status)
            return at_path(status, checkpoint->path, error);
        if ((status = read_part(checkpoint, &p->mapping, &tables[i], error)))
            return at_path(status, p->path, error);
        tensors += tables[i].count;
        if (tensors > MAX_TENSORS)
            return at_path(
                pix_fail(error, PIX_ELIMIT, "its files hold more than %d tensors", MAX_TENSORS),
                checkpoint->path, error);
    }
    return PIX_OK;
}

static pix_status take_shards(pix_checkpoint *checkpoint, const pix_mapping *index,
                              pix_error *error) {
    pix_shards shards;
    pix_status status = pix_shards_read(index->data, index->size, &shards, error);
    if (status)
        return at_path(status, checkpoint->path, error);
    pix_tensors *tables = calloc(shards.count, sizeof *tables);
    status = tables ? open_parts(checkpoint, &shards, tables, error) : pix_fail_memory(error);
    if (!status)
        status = at_path(pix_shards_check(&shards, tables, error), checkpoint->path, error);
    for (size_t i = 0; tables && i < shards.count; i++) {
        if (!status)
            status = pix_tensors_move(&checkpoint->tensors, &tables[i], error);
        pix_tensors_free(&tables[i]);
    }
    free(tables);
    pix_shards_free(&shards);
    return status ? status : pix_tensors_sort(&checkpoint->tensors, error);
}

static pix_status read_tensors(pix_checkpoint *checkpoint, pix_error *error) {
    pix_mapping mapping;
    pix_status status = pix_mapping_open(&mapping, checkpoint->path, error);
    if (status)
        return status;
    if (pix_shards_looks_like(mapping.data, mapping.size))
        status = take_shards(checkpoint, &mapping, error);
    else
        status = take_single(checkpoint, &mapping, error);
    pix_mapping_close(&mapping);
    return status;
}

static pix_status check_pictures(const pix_checkpoint *checkpoint, const char *name,
                                 pix_error *error) {
    char *path = pix_path_beside(checkpoint->path, name);
    pix_status status = path ? PIX_OK : pix_fail_memory(error);
    if (path && access(path, F_OK) == 0)
        status = pix_hf_preprocessor_check(path, checkpoint->hints.sizes.image_size, error);
    free(path);
    return status;
}

/* Hugging Face's names say nothing without the config beside them. */
static pix_status read_config(pix_checkpoint *checkpoint, pix_error *error) {
    char *config = pix_path_beside(checkpoint->path, "config.json");
    pix_status status;
    if (!config)
        status = pix_fail_memory(error);
    else if (access(config, F_OK) != 0)
        status =
            pix_fail(error, PIX_ENOTFOUND,
                     "%s: missing; the model's number of heads and activation stand there", config);
    else
        status = pix_hf_config_read(config, &checkpoint->hints, error);
    free(config);
    if (!status)
        status = check_pictures(checkpoint, "preprocessor_config.json", error);
    if (!status)
        status = check_pictures(checkpoint, "processor_config.json", error);
    checkpoint->gelu_known = true;
    (void)snprintf(checkpoint->gelu_source, sizeof checkpoint->gelu_source, "config.json");
    return status;
}

/* Models of open_clip's are trained with the exact GELU unless their name says otherwise. */
static void judge_name(pix_checkpoint *checkpoint) {
    const char *name = checkpoint->facts.name;
    bool quick = strcasestr(name, "quickgelu") != NULL;
    if (!quick && !strstr(name, "ViT-") && !strstr(name, "RN50") && !strstr(name, "RN101"))
        return;
    checkpoint->hints.exact_gelu = !quick;
    (void)snprintf(checkpoint->gelu_source, sizeof checkpoint->gelu_source,
                   "by the name \"%s\" in the file", name);
}

/* OpenAI's names are open_clip's too, whose models differ in the activation.  OpenAI alone
 * published modules, but anybody can make one: a config beside it counts first. */
static pix_status read_open_clip_config(pix_checkpoint *checkpoint, pix_error *error) {
    static const char name[] = "open_clip_config.json";
    char *path = pix_path_beside(checkpoint->path, name);
    if (!path)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    if (access(path, F_OK) == 0) {
        status = pix_open_clip_config_read(path, &checkpoint->hints, error);
        checkpoint->gelu_known = true;
        (void)snprintf(checkpoint->gelu_source, sizeof checkpoint->gelu_source, "%s", name);
    } else if (checkpoint->facts.module)
        checkpoint->gelu_known = true;
    else
        judge_name(checkpoint);
    free(path);
    return status;
}

/* Buffers of transformers' that hold no weights and are left out when names change. */
static size_t count_position_ids(const pix_tensors *tensors) {
    size_t count = 0;
    for (size_t i = 0; i < tensors->count; i++)
        count += strstr(tensors->items[i].info.name, ".embeddings.position_ids") != NULL;
    return count;
}

/* The config says first what kind of model it is: of another kind, a name would only look odd. */
static pix_status rename_hugging_face(pix_checkpoint *checkpoint, pix_error *error) {
    pix_status status = read_config(checkpoint, error);
    if (status)
        return status;
    checkpoint->facts.others += count_position_ids(&checkpoint->tensors);
    return at_path(pix_names_from_hugging_face(&checkpoint->tensors, error), checkpoint->path,
                   error);
}

static pix_status rename_tensors(pix_checkpoint *checkpoint, pix_error *error) {
    pix_tensors *tensors = &checkpoint->tensors;
    pix_status status = pix_names_strip(tensors, error);
    if (status)
        return at_path(status, checkpoint->path, error);
    return pix_names_are_hugging_face(tensors) ? rename_hugging_face(checkpoint, error)
                                               : read_open_clip_config(checkpoint, error);
}

pix_status pix_checkpoint_open(const char *path, pix_checkpoint **out, pix_error *error) {
    *out = NULL;
    pix_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return pix_fail_memory(error);
    checkpoint->hints = (pix_checkpoint_hints){.end_token = -1, .layer_norm_eps = 1e-5};
    pix_status status = find_weights(checkpoint, path, error);
    if (!status)
        status = read_tensors(checkpoint, error);
    if (!status)
        status = rename_tensors(checkpoint, error);
    if (status) {
        pix_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return PIX_OK;
}

void pix_checkpoint_close(pix_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    pix_tensors_free(&checkpoint->tensors);
    for (size_t i = 0; i < checkpoint->part_count; i++) {
        pix_mapping_close(&checkpoint->parts[i].mapping);
        free(checkpoint->parts[i].path);
    }
    free(checkpoint->parts);
    free(checkpoint->others);
    free(checkpoint->path);
    free(checkpoint);
}

const char *pix_checkpoint_format(const pix_checkpoint *checkpoint) {
    return checkpoint->format;
}

const char *pix_checkpoint_path(const pix_checkpoint *checkpoint) {
    return checkpoint->path;
}

size_t pix_checkpoint_files(const pix_checkpoint *checkpoint) {
    return checkpoint->part_count;
}

const char *pix_checkpoint_others(const pix_checkpoint *checkpoint) {
    return checkpoint->others;
}

size_t pix_checkpoint_left_out(const pix_checkpoint *checkpoint) {
    return checkpoint->facts.others;
}

const pix_checkpoint_hints *pix_checkpoint_hint(const pix_checkpoint *checkpoint) {
    return &checkpoint->hints;
}

bool pix_checkpoint_gelu_known(const pix_checkpoint *checkpoint, const char **source) {
    *source = checkpoint->gelu_source;
    return checkpoint->gelu_known;
}

void pix_checkpoint_set_gelu(pix_checkpoint *checkpoint, bool exact) {
    checkpoint->hints.exact_gelu = exact;
    checkpoint->gelu_known = true;
    (void)snprintf(checkpoint->gelu_source, sizeof checkpoint->gelu_source, "as chosen");
}

pix_status pix_checkpoint_sha256(const pix_checkpoint *checkpoint, uint8_t digest[PIX_SHA256_BYTES],
                                 pix_bytes *list, pix_error *error) {
    size_t start = list->size;
    for (size_t i = 0; i < checkpoint->part_count; i++) {
        const part *p = &checkpoint->parts[i];
        const char *slash = strrchr(p->path, '/'), *name = slash ? slash + 1 : p->path;
        char hex[PIX_SHA256_HEX];
        pix_sha256_of(p->mapping.data, p->mapping.size, digest);
        pix_hex(digest, PIX_SHA256_BYTES, hex);
        if (pix_bytes_append_text(list, hex) || pix_bytes_append_text(list, "  ") ||
            pix_bytes_append(list, name, strlen(name) + 1))
            return pix_fail_memory(error);
    }
    if (checkpoint->part_count > 1)
        pix_sha256_of(list->data + start, list->size - start, digest);
    return PIX_OK;
}

size_t pix_checkpoint_count(const pix_checkpoint *checkpoint) {
    return checkpoint->tensors.count;
}

const pix_tensor_info *pix_checkpoint_info(const pix_checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors.items[index].info;
}

const pix_tensor_info *pix_checkpoint_find(const pix_checkpoint *checkpoint, const char *name) {
    const pix_tensor *tensor = pix_tensors_find(&checkpoint->tensors, name);
    return tensor ? &tensor->info : NULL;
}

pix_status pix_checkpoint_read(pix_checkpoint *checkpoint, const pix_tensor_info *info, float *out,
                               pix_error *error) {
    const pix_tensor *tensor = (const pix_tensor *)info;
    for (int i = 0; i < tensor->part_count; i++)
        if (!pix_dtype_converts(tensor->parts[i].dtype))
            return pix_fail(error, PIX_EUNSUPPORTED, "%s: tensor %s is of type %s",
                            checkpoint->path, info->name, pix_dtype_name(tensor->parts[i].dtype));
    pix_tensor_convert(tensor, out);
    return PIX_OK;
}
