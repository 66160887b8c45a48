#include "core/clip/library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/name_list.h"
#include "core/weights/shards.h"

static const char extension[] = ".pixm";
static const char bundled_folder[] = "share/pixgrep/models";
static const char stand_in[] = "tiny";
static const char stand_in_notice[] =
    "using the bundled model tiny (knows drawings and simple cut-out pictures; for photographs: "
    "pixgrep-fetch-model ViT-B/32)";

enum { NAME_MAX_BYTES = 127 }; /* what a .pixm's header has room for */

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._@+-", c));
}

static bool is_name(const char *name, size_t length) {
    if (length == 0 || length > NAME_MAX_BYTES || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_name_byte(name[i]))
            return false;
    return true;
}

pix_status pix_library_check_name(const char *name, pix_error *error) {
    if (is_name(name, strlen(name)))
        return PIX_OK;
    return pix_fail(error, PIX_EINVALID,
                    "'%s' is not a model's name: letters, digits and . _ @ + - , not beginning "
                    "with . or -",
                    name);
}

/* Heap path of `name` in the person's folder. */
static pix_status own_path(const char *name, char **path, pix_error *error) {
    *path = NULL;
    char *folder = pix_place_data("models");
    if (!folder)
        return pix_fail(error, PIX_ENOTFOUND,
                        "no place for models: neither XDG_DATA_HOME nor HOME is set");
    *path = pix_path_join(folder, name);
    free(folder);
    return *path ? PIX_OK : pix_fail_memory(error);
}

pix_status pix_library_path(const char *name, char **path, pix_error *error) {
    *path = NULL;
    char file[NAME_MAX_BYTES + sizeof extension];
    pix_status status = pix_library_check_name(name, error);
    if (status)
        return status;
    (void)snprintf(file, sizeof file, "%s%s", name, extension);
    return own_path(file, path, error);
}

/* Heap path of a bundled model's file; NULL when there is none. */
static char *bundled_path(const char *name) {
    char file[sizeof bundled_folder + NAME_MAX_BYTES + 1 + sizeof extension];
    (void)snprintf(file, sizeof file, "%s/%s%s", bundled_folder, name, extension);
    char *path = pix_place_installed(file);
    if (path && access(path, F_OK) != 0) {
        free(path);
        path = NULL;
    }
    return path;
}

/* A stretch of a path. */
typedef struct part {
    const char *start;
    size_t length;
} part;

/* The last component of path[0..length), without slashes. */
static part last_component(const char *path, size_t length) {
    while (length > 0 && path[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return (part){path + start, length - start};
}

/* Without a file's ending and, of weights in several files, "-00001-of-00002"; `name` ends in NUL.
 */
static part without_ending(part name) {
    static const char *const endings[] = {".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pixm"};
    static const char index[] = ".index.json";
    size_t last = sizeof index - 1;
    if (name.length > last && memcmp(name.start + name.length - last, index, last) == 0)
        name.length -= last;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(endings[i]);
        if (name.length <= size || memcmp(name.start + name.length - size, endings[i], size) != 0)
            continue;
        const char *ending, *number = pix_shards_number(name.start, &ending);
        name.length -= size;
        if (number && ending == name.start + name.length)
            name.length = (size_t)(number - name.start);
        break;
    }
    return name;
}

/* What publishers call the file of every model; there the folder's name says more. */
static bool is_generic(part name) {
    static const char *const names[] = {"model", "pytorch_model", "open_clip_model",
                                        "open_clip_pytorch_model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (name.length == strlen(names[i]) && memcmp(name.start, names[i], name.length) == 0)
            return true;
    return false;
}

/* The name out of an absolute path. */
static char *name_from(const char *path) {
    part name = without_ending(last_component(path, strlen(path)));
    part folder = last_component(path, (size_t)(name.start - path));
    if (is_generic(name) && folder.length > 0)
        name = folder;
    while (name.length > 0 && (name.start[0] == '.' || name.start[0] == '-')) {
        name.start++;
        name.length--;
    }
    if (name.length == 0)
        return strdup("model");
    char *result = strndup(name.start, name.length < NAME_MAX_BYTES ? name.length : NAME_MAX_BYTES);
    for (char *c = result; c && *c; c++)
        if (!is_name_byte(*c))
            *c = '_';
    return result;
}

char *pix_library_name_for(const char *source) {
    char *path = pix_path_absolute(source);
    char *name = path ? name_from(path) : NULL;
    free(path);
    return name;
}

pix_status pix_library_current(char **name, pix_error *error) {
    *name = NULL;
    char *path;
    pix_status status = own_path("current", &path, error);
    if (status)
        return status;
    pix_bytes text = {0};
    status = pix_file_read(path, 4096, &text, error);
    if (status == PIX_ENOTFOUND)
        status = PIX_OK;
    else if (!status) {
        const char *line = text.data ? text.data : "";
        size_t length = strcspn(line, "\n");
        if (length != text.size - (length < text.size) || !is_name(line, length))
            status = pix_fail(error, PIX_EFORMAT,
                              "%s: not a model's name; run: pixgrepd model use NAME", path);
        else if (!(*name = strndup(line, length)))
            status = pix_fail_memory(error);
    }
    pix_bytes_free(&text);
    free(path);
    return status;
}

static pix_status open_named(const char *name, pix_model **out, pix_error *error) {
    *out = NULL;
    char *path;
    pix_status status = pix_library_path(name, &path, error);
    if (status && status != PIX_ENOTFOUND)
        return status;
    if (!path || access(path, F_OK) != 0) {
        char *bundled = bundled_path(name);
        if (bundled) {
            free(path);
            path = bundled;
        }
    }
    if (!path) /* without HOME there are only the bundled ones */
        return status;
    status = pix_model_open(path, out, error);
    if (status == PIX_ENOTFOUND)
        status = pix_fail(error, PIX_ENOTFOUND,
                          "no model is called %s; pixgrepd model list shows "
                          "those there are",
                          name);
    free(path);
    return status;
}

/* Adds the models in a folder; one that does not exist has none.  Takes `folder`. */
static pix_status add_folder(pix_name_list *list, char *folder, pix_error *error) {
    if (!folder)
        return PIX_OK;
    pix_name_list files = {0};
    pix_status status = pix_name_list_read(&files, folder, error);
    for (size_t i = 0; !status && i < files.count; i++) {
        const char *name = files.data[i];
        size_t length = strlen(name), ending = sizeof extension - 1;
        if (length > ending && is_name(name, length - ending) &&
            strcmp(name + length - ending, extension) == 0)
            status = pix_name_list_add(list, name, length - ending, error);
    }
    pix_name_list_free(&files);
    free(folder);
    return status == PIX_ENOTFOUND ? PIX_OK : status;
}

/* The first of the models that the person has imported, in heap memory; *name = NULL without any.
 */
static pix_status first_own(char **name, pix_error *error) {
    *name = NULL;
    pix_name_list own = {0};
    pix_status status = add_folder(&own, pix_place_data("models"), error);
    if (!status && own.count > 0) {
        pix_name_list_sort(&own);
        *name = strdup(own.data[0]);
        status = *name ? PIX_OK : pix_fail_memory(error);
    }
    pix_name_list_free(&own);
    return status;
}

pix_status pix_library_in_use(char **name, pix_error *error) {
    pix_status status = pix_library_current(name, error);
    if (*name || (status && status != PIX_ENOTFOUND))
        return status;
    char *own, *bundled = bundled_path(stand_in);
    status = first_own(&own, error);
    if (!status && !own && bundled && !(*name = strdup(stand_in)))
        status = pix_fail_memory(error);
    free(bundled);
    free(own);
    return status;
}

/* There is no model to use: says how to get one, or to choose one of those there are. */
static pix_status fail_unchosen(pix_error *error) {
    char *own;
    pix_status status = first_own(&own, error);
    if (!status && own)
        status =
            pix_fail(error, PIX_ENOTFOUND,
                     "no model has been chosen; run: pixgrepd model use NAME (there is %s)", own);
    else if (!status)
        status = pix_fail(error, PIX_ENOTFOUND,
                          "no model has been imported; run: pixgrepd model import FILE (CLIP "
                          "weights such as ViT-B-32.pt, or a Hugging Face folder), or: "
                          "pixgrep-fetch-model ViT-B/32");
    free(own);
    return status;
}

pix_status pix_library_open(const char *name, pix_model **out, pix_error *error) {
    *out = NULL;
    if (name)
        return strchr(name, '/') ? pix_model_open(name, out, error) : open_named(name, out, error);
    char *used;
    pix_status status = pix_library_in_use(&used, error);
    if (!status && !used)
        status = fail_unchosen(error);
    else if (!status && (status = open_named(used, out, error)) == PIX_ENOTFOUND)
        status = pix_fail(error, PIX_ENOTFOUND,
                          "the model in use, %s, is gone; run: pixgrepd model use NAME", used);
    free(used);
    return status;
}

bool pix_library_is_bundled(const pix_model *model) {
    const char *path = pix_model_path(model);
    char *folder = pix_place_installed(bundled_folder);
    size_t length = folder ? strlen(folder) : 0;
    bool inside = folder && strncmp(path, folder, length) == 0 && path[length] == '/';
    free(folder);
    return inside;
}

bool pix_library_stands_in(const char *name, const pix_model *model) {
    if (name || !pix_library_is_bundled(model))
        return false;
    char *current;
    pix_status status = pix_library_current(&current, NULL);
    bool chosen = !status && current;
    free(current);
    return !chosen;
}

const char *pix_library_notice(const char *name, const pix_model *model) {
    return pix_library_stands_in(name, model) ? stand_in_notice : NULL;
}

static pix_status write_current(const char *name, pix_error *error) {
    char *path;
    pix_atomic_file *file = NULL;
    pix_status status = own_path("current", &path, error);
    if (status)
        return status;
    char *slash = strrchr(path, '/');
    *slash = '\0';
    status = pix_folder_make(path, error);
    *slash = '/';
    if (!status)
        status = pix_atomic_file_open(path, &file, error);
    if (!status && fprintf(pix_atomic_file_stream(file), "%s\n", name) < 0)
        status = pix_fail_errno(error, "cannot write %s", path);
    if (!status)
        status = pix_atomic_file_commit(file, error);
    pix_atomic_file_close(file);
    free(path);
    return status;
}

pix_status pix_library_use(const char *name, pix_error *error) {
    pix_model *model;
    pix_status status = open_named(name, &model, error);
    pix_model_close(model);
    return status ? status : write_current(name, error);
}

pix_status pix_library_keep(const char *name, pix_error *error) {
    char *current;
    pix_status status = pix_library_current(&current, error);
    if (!status && !current)
        status = pix_library_use(name, error);
    free(current);
    return status;
}

void pix_library_tidy(void) {
    char *folder = pix_place_data("models");
    if (folder) {
        pix_remains_drop(folder, "", ".pixm.tmp");
        pix_remains_drop(folder, "current", ".tmp");
    }
    free(folder);
}

static pix_status remove_current(pix_error *error) {
    char *path;
    pix_status status = own_path("current", &path, error);
    if (!status && unlink(path) && errno != ENOENT)
        status = pix_fail_errno(error, "cannot remove %s", path);
    free(path);
    return status;
}

pix_status pix_library_remove(const char *name, pix_error *error) {
    char *path, *current = NULL;
    pix_status status = pix_library_path(name, &path, error);
    if (status)
        return status;
    if (access(path, F_OK) != 0) {
        char *bundled = bundled_path(name);
        status = bundled ? pix_fail(error, PIX_EUNSUPPORTED,
                                    "%s is bundled with pixgrep and cannot be removed", name)
                         : pix_fail(error, PIX_ENOTFOUND, "no model is called %s", name);
        free(bundled);
    }
    if (!status)
        status = pix_library_current(&current, error);
    /* First the choice, then the file: stopped in between, nothing names a file that is gone. */
    if (!status && current && strcmp(current, name) == 0)
        status = remove_current(error);
    if (!status && unlink(path))
        status = pix_fail_errno(error, "cannot remove %s", path);
    free(current);
    free(path);
    return status;
}

pix_status pix_library_list(pix_status (*each)(void *context, const char *name), void *context,
                            pix_error *error) {
    pix_name_list list = {0};
    pix_status status = add_folder(&list, pix_place_data("models"), error);
    if (!status)
        status = add_folder(&list, pix_place_installed(bundled_folder), error);
    pix_name_list_sort(&list);
    for (size_t i = 0; !status && i < list.count; i++)
        if (i == 0 || strcmp(list.data[i], list.data[i - 1]) != 0)
            status = each(context, list.data[i]);
    pix_name_list_free(&list);
    return status;
}
