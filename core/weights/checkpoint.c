#include "core/weights/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/files.h"
#include "core/weights/convert.h"
#include "core/weights/hf_config.h"
#include "core/weights/names.h"
#include "core/weights/safetensors.h"
#include "core/weights/sniff.h"
#include "core/weights/tensors.h"
#include "core/weights/torch_archive.h"
#include "core/weights/zip.h"

struct pix_checkpoint {
    const char *format;
    char *path; /* of the file with the weights */
    pix_mapping mapping;
    pix_tensors tensors; /* sorted; their data lies in the mapping */
    pix_checkpoint_hints hints;
};

/* `path` itself, or the weights inside when it is a folder. */
static pix_status find_weights(const char *path, char **out, pix_error *error) {
    struct stat info;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    *out = folder ? pix_path_join(path, "model.safetensors") : strdup(path);
    if (!*out)
        return pix_fail_memory(error);
    if (folder && stat(*out, &info) != 0)
        return pix_fail(error, PIX_ENOTFOUND, "%s: a folder without model.safetensors", path);
    return PIX_OK;
}

/* The file called `name` in the folder of `path`; NULL when memory is out. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(name);
    char *folder = strndup(path, (size_t)(slash - path) + 1);
    char *result = folder ? pix_path_join(folder, name) : NULL;
    free(folder);
    return result;
}

static pix_status read_config(pix_checkpoint *checkpoint, pix_error *error) {
    char *path = beside(checkpoint->path, "config.json");
    if (!path)
        return pix_fail_memory(error);
    struct stat info;
    pix_status status;
    if (stat(path, &info) != 0)
        status =
            pix_fail(error, PIX_ENOTFOUND,
                     "%s: missing; the model's number of heads and activation stand there", path);
    else
        status = pix_hf_config_read(path, &checkpoint->hints, error);
    free(path);
    return status;
}

/* Fills the table with whatever names the file has. */
static pix_status read_tensors(pix_checkpoint *checkpoint, pix_error *error) {
    const uint8_t *data = checkpoint->mapping.data;
    size_t size = checkpoint->mapping.size;
    pix_status status;
    if (pix_zip_looks_like(data, size))
        status =
            pix_torch_archive_read(data, size, &checkpoint->tensors, &checkpoint->format, error);
    else if (pix_safetensors_looks_like(data, size)) {
        checkpoint->format = "safetensors";
        status = pix_safetensors_read(data, size, &checkpoint->tensors, error);
    } else
        status = pix_sniff_refuse(data, size, error);
    if (!status && checkpoint->tensors.count == 0)
        status = pix_fail(error, PIX_EFORMAT, "holds no tensors");
    return status ? status : pix_tensors_sort(&checkpoint->tensors, error);
}

pix_status pix_checkpoint_open(const char *path, pix_checkpoint **out, pix_error *error) {
    *out = NULL;
    pix_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return pix_fail_memory(error);
    checkpoint->hints = (pix_checkpoint_hints){.end_token = -1, .layer_norm_eps = 1e-5};
    pix_status status = find_weights(path, &checkpoint->path, error);
    if (!status)
        status = pix_mapping_open(&checkpoint->mapping, checkpoint->path, error);
    if (status)
        goto fail;
    status = read_tensors(checkpoint, error);
    bool hugging_face = !status && pix_names_are_hugging_face(&checkpoint->tensors);
    if (hugging_face)
        status = pix_names_from_hugging_face(&checkpoint->tensors, error);
    if (status) {
        (void)pix_error_prefix(error, "%s", checkpoint->path);
        goto fail;
    }
    if (hugging_face && (status = read_config(checkpoint, error)))
        goto fail;
    *out = checkpoint;
    return PIX_OK;
fail:
    pix_checkpoint_close(checkpoint);
    return status;
}

void pix_checkpoint_close(pix_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    pix_tensors_free(&checkpoint->tensors);
    pix_mapping_close(&checkpoint->mapping);
    free(checkpoint->path);
    free(checkpoint);
}

const char *pix_checkpoint_format(const pix_checkpoint *checkpoint) {
    return checkpoint->format;
}

const char *pix_checkpoint_path(const pix_checkpoint *checkpoint) {
    return checkpoint->path;
}

const pix_checkpoint_hints *pix_checkpoint_hint(const pix_checkpoint *checkpoint) {
    return &checkpoint->hints;
}

pix_status pix_checkpoint_sha256(pix_checkpoint *checkpoint, uint8_t digest[PIX_SHA256_BYTES],
                                 pix_error *error) {
    (void)error;
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, checkpoint->mapping.data, checkpoint->mapping.size);
    pix_sha256_finish(&hash, digest);
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
