#include "core/weights/folder.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/weights/shards.h"

static const char *const hugging_face[] = {"model.safetensors", "model.safetensors.index.json",
                                           "pytorch_model.bin", "pytorch_model.bin.index.json"};
static const char *const open_clip[] = {"open_clip_model.safetensors",
                                        "open_clip_pytorch_model.bin"};
static const char *const endings[] = {".pt", ".pth", ".ckpt", ".safetensors", ".bin"};

/* The names in a folder, sorted. */
typedef struct names {
    char **data;
    size_t count, capacity;
} names;

static void names_free(names *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->data[i]);
    free((void *)list->data);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static pix_status list_names(const char *folder, names *list, pix_error *error) {
    DIR *stream = opendir(folder);
    pix_status status = PIX_OK;
    if (!stream)
        return pix_fail_errno(error, "%s", folder);
    for (struct dirent *entry; !status && (entry = readdir(stream));) {
        char **data = pix_array_reserve(list->data, &list->capacity, list->count, 1, sizeof *data);
        if (data)
            list->data = data;
        char *name = data ? strdup(entry->d_name) : NULL;
        if (name)
            list->data[list->count++] = name;
        else
            status = pix_fail_memory(error);
    }
    (void)closedir(stream);
    if (list->count > 0)
        qsort((void *)list->data, list->count, sizeof *list->data, by_text);
    return status;
}

static bool has(const names *list, const char *name) {
    return list->count > 0 &&
           bsearch(&name, list->data, list->count, sizeof *list->data, by_text) != NULL;
}

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

/* The published names that are there, best first. */
static size_t find_known(const names *list, const char *found[6]) {
    bool theirs = has(list, "config.json") || !has(list, "open_clip_config.json");
    size_t count = 0;
    for (int turn = 0; turn < 2; turn++) {
        bool now = (turn == 0) == theirs;
        const char *const *known = now ? hugging_face : open_clip;
        size_t known_count =
            now ? sizeof hugging_face / sizeof *hugging_face : sizeof open_clip / sizeof *open_clip;
        for (size_t i = 0; i < known_count; i++)
            if (has(list, known[i]))
                found[count++] = known[i];
    }
    return count;
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

/* Without a published name: the one file that may be weights. */
static pix_status find_only(const char *folder, const names *list, const char **out,
                            pix_error *error) {
    const char *found[4];
    size_t count = 0;
    for (size_t i = 0; i < list->count && count < 4; i++)
        if (may_be_weights(list->data[i]))
            found[count++] = list->data[i];
    if (count == 0)
        return pix_fail(error, PIX_ENOTFOUND,
                        "%s: a folder without model.safetensors, pytorch_model.bin or another file "
                        "of weights",
                        folder);
    char *text, *index;
    pix_status status = pix_shards_index_of(found[0], &index, error);
    if (!status && index)
        status = pix_fail(error, PIX_ENOTFOUND, "%s: has %s, one part of several, but no %s",
                          folder, found[0], index);
    free(index);
    if (status || count == 1) {
        *out = found[0];
        return status;
    }
    status = join(found, count < 4 ? count : 3, &text, error);
    if (!status)
        status =
            pix_fail(error, PIX_EINVALID, "%s: several files may be the weights (%s%s): name one",
                     folder, text, count < 4 ? "" : ", ...");
    free(text);
    return status;
}

pix_status pix_folder_weights(const char *folder, char **path, char **others, pix_error *error) {
    names list = {0};
    const char *found[6] = {NULL};
    size_t count = 0;
    *path = *others = NULL;
    pix_status status = list_names(folder, &list, error);
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
    names_free(&list);
    return status;
}
