#include "core/weights/folder.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/name_list.h"
#include "core/weights/shards.h"

enum { KNOWN = 4 };
static const char *const hugging_face[KNOWN] = {"model.safetensors", "model.safetensors.index.json",
                                                "pytorch_model.bin",
                                                "pytorch_model.bin.index.json"};
static const char *const open_clip[KNOWN] = {
    "open_clip_model.safetensors", "open_clip_model.safetensors.index.json",
    "open_clip_pytorch_model.bin", "open_clip_pytorch_model.bin.index.json"};
static const char *const endings[] = {".pt", ".pth", ".ckpt", ".safetensors", ".bin"};

/* A file of weights by its name; what trainers leave beside one is not. */
static bool may_be_weights(const char *name) {
    size_t length = strlen(name);
    if (name[0] == '.' || strcmp(name, "training_args.bin") == 0 ||
        strncmp(name, "optimizer", 9) == 0 || strncmp(name, "scheduler", 9) == 0)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(endings[i]);
        if (length > size && strcmp(name + length - size, endings[i]) == 0)
            return true;
    }
    return false;
}

static size_t add_known(const pix_name_list *list, const char *const known[KNOWN],
                        const char **found) {
    size_t count = 0;
    for (size_t i = 0; i < KNOWN; i++)
        if (pix_name_list_find(list, known[i]))
            found[count++] = known[i];
    return count;
}

/* The published names that are there, best first. */
static size_t find_known(const pix_name_list *list, const char *found[2 * KNOWN]) {
    bool theirs = !pix_name_list_find(list, "config.json") &&
                  pix_name_list_find(list, "open_clip_config.json");
    size_t count = add_known(list, theirs ? open_clip : hugging_face, found);
    return count + add_known(list, theirs ? hugging_face : open_clip, found + count);
}

static pix_status join(const char *const *found, size_t count, char **out, pix_error *error) {
    pix_bytes text = {0};
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && pix_bytes_append_text(&text, ", ")) ||
            pix_bytes_append_text(&text, found[i])) {
            pix_bytes_free(&text);
            return pix_fail_memory(error);
        }
    *out = text.data;
    return PIX_OK;
}

/* What a file of weights is given by: the index when it is a part, else itself. */
static pix_status find_whole(const char *folder, const pix_name_list *list, const char *name,
                             const char **out, pix_error *error) {
    char *index;
    pix_status status = pix_shards_index_of(name, &index, error);
    *out = index ? pix_name_list_find(list, index) : name;
    if (!status && !*out)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: has %s, one part of several, but no %s",
                          folder, name, index);
    free(index);
    return status;
}

/* Without a published name: the one file, or index, that may be weights. */
static pix_status find_only(const char *folder, const pix_name_list *list, const char **out,
                            pix_error *error) {
    enum { MOST = 4 };
    const char *found[MOST];
    size_t count = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; !status && i < list->count && count < MOST; i++) {
        if (!may_be_weights(list->data[i]))
            continue;
        status = find_whole(folder, list, list->data[i], &found[count], error);
        if (count == 0 || found[count] != found[count - 1]) /* an index's parts are neighbours */
            count++;
    }
    if (status)
        return status;
    if (count == 0)
        return pix_fail(error, PIX_ENOTFOUND,
                        "%s: a folder without model.safetensors, pytorch_model.bin or another file "
                        "of weights",
                        folder);
    *out = found[0];
    if (count == 1)
        return PIX_OK;
    char *text;
    status = join(found, count < MOST ? count : MOST - 1, &text, error);
    if (!status)
        status =
            pix_fail(error, PIX_EINVALID, "%s: several files may be the weights (%s%s): name one",
                     folder, text, count < MOST ? "" : ", ...");
    free(text);
    return status;
}

pix_status pix_folder_weights(const char *folder, char **path, char **others, pix_error *error) {
    pix_name_list list = {0};
    const char *found[2 * KNOWN] = {NULL};
    size_t count = 0;
    *path = *others = NULL;
    pix_status status = pix_name_list_read(&list, folder, error);
    pix_name_list_sort(&list);
    if (!status && (count = find_known(&list, found)) == 0)
        status = find_only(folder, &list, &found[0], error);
    if (!status && !(*path = pix_path_join(folder, found[0])))
        status = pix_fail_memory(error);
    if (!status && count > 1)
        status = join(found + 1, count - 1, others, error);
    if (status) {
        free(*path);
        *path = NULL;
    }
    pix_name_list_free(&list);
    return status;
}
