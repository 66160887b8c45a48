#include "indexer/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "indexer/spelling.h"

static void target_free(pix_target *target) {
    free(target->root);
    free(target->folder);
    free(target->identity_before);
    pix_paths_free(&target->parts);
    for (size_t i = 0; i < target->inner_count; i++) {
        free(target->inner[i].path);
        free(target->inner[i].identity);
    }
    free(target->inner);
}

void pix_targets_free(pix_targets *targets) {
    for (size_t i = 0; i < targets->count; i++)
        target_free(&targets->items[i]);
    free(targets->items);
    *targets = (pix_targets){0};
}

/* Takes ".." parts, and what they undo, out of an absolute path: the links that could make them
 * mean something else are gone with the folder. */
static void drop_parents(char *path) {
    char *out = path;
    for (const char *in = path; *in;) {
        in += strspn(in, "/");
        size_t size = strcspn(in, "/");
        if (size == 2 && in[0] == '.' && in[1] == '.') {
            while (out > path && *--out != '/')
                ;
        } else if (size > 0) {
            *out++ = '/';
            memmove(out, in, size);
            out += size;
        }
        in += size;
    }
    if (out == path)
        *out++ = '/';
    *out = '\0';
}

char *pix_folder_path_as_named(const char *name, pix_error *error) {
    char *path = pix_path_absolute(name);
    if (path)
        drop_parents(path);
    else
        (void)pix_fail_errno(error, "%s: cannot find the current folder", name);
    return path;
}

char *pix_folder_path(const char *name, bool *exists, pix_error *error) {
    char *real = realpath(name, NULL);
    *exists = real != NULL;
    if (real) {
        char *path = pix_spelling_correct(real);
        free(real);
        if (!path)
            (void)pix_fail_memory(error);
        return path;
    }
    int cause = errno;
    char *path = pix_folder_path_as_named(name, error);
    errno = cause;
    return path;
}

typedef struct root_list {
    pix_target *items;
    size_t count, capacity;
} root_list;

static pix_status add_root(void *context, const pix_root *root) {
    root_list *list = context;
    pix_target *items =
        pix_array_reserve(list->items, &list->capacity, list->count, 1, sizeof *items);
    if (!items)
        return PIX_ENOMEM;
    list->items = items;
    pix_target *item = &list->items[list->count];
    *item = (pix_target){.known = true,
                         .id = root->id,
                         .photos = root->photos,
                         .root = strdup(root->path),
                         .folder = strdup(root->path),
                         .identity_before = strdup(root->identity),
                         .mount_before = root->is_mount};
    list->count++;
    return item->root && item->folder && item->identity_before ? PIX_OK : PIX_ENOMEM;
}

/* Looks at the target's root and folder on the disk. */
static pix_status inspect(pix_target *target, pix_error *error) {
    struct stat info;
    pix_status status = PIX_OK;
    pix_error reason = {0};
    int fd = -1;
    if (stat(target->folder, &info))
        status = pix_fail_errno(&reason, "cannot be reached");
    else if (!S_ISDIR(info.st_mode))
        status = pix_fail(&reason, PIX_EINVALID, "not a folder");
    /* Opening, unlike looking, has a drive mounted that is mounted when it is needed (autofs). */
    else if ((fd = open(target->folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)) < 0)
        status = pix_fail_errno(&reason, "cannot be read");
    if (fd >= 0)
        close(fd);
    /* Of one that is there it can be told, unless memory or descriptors are out. */
    bool reached = !status;
    if (reached)
        status = pix_root_identify(target->root, NULL, &target->identity, &reason);
    if (status && reached && status != PIX_ENOTFOUND)
        return pix_fail(error, status, "%s: which file system it is on cannot be told: %s",
                        target->folder, reason.text);
    if (status && !target->known)
        return pix_fail(error, status, "%s: %s", target->folder, reason.text);
    if (status)
        (void)snprintf(target->away, sizeof target->away, "%s", reason.text);
    else if (target->known)
        target->elsewhere = !target->identity.untold &&
                            (strcmp(target->identity.text, target->identity_before) != 0 ||
                             target->identity.is_mount != target->mount_before);
    return PIX_OK;
}

/* What a walk is going to tell of the known root's file system; heap memory.  Of one that is away
 * only the file system is known, not which part of it was mounted. */
static char *mount_text(const pix_target *known) {
    pix_bytes text = {0};
    bool there =
        !known->away[0] && !known->elsewhere && !pix_mount_identify(known->root, &text, NULL);
    char *result = strdup(there ? text.data : known->identity_before);
    pix_bytes_free(&text);
    return result;
}

/* A new root takes over the known ones inside it.  What was on drives stays known for that, and
 * what cannot be seen now is taken for such. */
static pix_status absorb(pix_target *target, root_list *roots, pix_error *error) {
    if (roots->count > 0 && !(target->inner = calloc(roots->count, sizeof *target->inner)))
        return pix_fail_memory(error);
    for (size_t i = 0; i < roots->count; i++) {
        pix_target *known = &roots->items[i];
        if (!pix_path_is_within(known->root, target->root))
            continue;
        target->photos += known->photos;
        pix_status status = inspect(known, error);
        if (status)
            return status;
        if (!known->away[0] && !known->elsewhere && !known->mount_before)
            continue;
        pix_inner_root *inner = &target->inner[target->inner_count++];
        *inner = (pix_inner_root){strdup(known->root), mount_text(known)};
        if (!inner->path || !inner->identity)
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

static const pix_target *root_around(const root_list *roots, const char *folder) {
    for (size_t i = 0; i < roots->count; i++)
        if (pix_path_is_within(folder, roots->items[i].root))
            return &roots->items[i];
    return NULL;
}

/* The known root that is `folder`, or a folder above it, under another name: a file system may take
 * capitals and accents as it likes, and a folder may be mounted twice. */
static const pix_target *root_by_another_name(const root_list *roots, const char *folder) {
    char *above = strdup(folder);
    const pix_target *found = NULL;
    while (above && above[0] && !found) {
        struct stat wanted, info;
        bool there = stat(above, &wanted) == 0;
        for (size_t i = 0; i < roots->count && there && !found; i++)
            if (stat(roots->items[i].root, &info) == 0 && info.st_dev == wanted.st_dev &&
                info.st_ino == wanted.st_ino)
                found = &roots->items[i];
        *strrchr(above, '/') = '\0';
    }
    free(above);
    return found;
}

/* Makes *target of a name on the command line: part of a known root, or a new one. */
static pix_status from_name(const char *name, root_list *roots, pix_target *target,
                            pix_error *error) {
    bool exists;
    *target = (pix_target){.named = true, .folder = pix_folder_path(name, &exists, error)};
    int cause = errno;
    if (!target->folder)
        return error->status;
    const pix_target *root = root_around(roots, target->folder);
    if (!root && exists && (root = root_by_another_name(roots, target->folder))) {
        free(target->folder); /* its own names for what is in it are not those of the index */
        target->folder = strdup(root->root);
    }
    if (root) {
        target->known = true;
        target->id = root->id;
        target->photos = root->photos;
        target->mount_before = root->mount_before;
        target->identity_before = strdup(root->identity_before);
        target->root = strdup(root->root);
        if (!target->root || !target->identity_before || !target->folder)
            return pix_fail_memory(error);
    }
    if (!target->known && !exists) {
        errno = cause;
        return pix_fail_errno(error, "%s", name);
    }
    if (!target->root && !(target->root = strdup(target->folder)))
        return pix_fail_memory(error);
    pix_status status = inspect(target, error);
    return status || target->known ? status : absorb(target, roots, error);
}

static int by_folder(const void *a, const void *b) {
    return strcmp(((const pix_target *)a)->folder, ((const pix_target *)b)->folder);
}

/* Drops targets that another one contains. */
static void merge_nested(pix_targets *targets) {
    qsort(targets->items, targets->count, sizeof *targets->items, by_folder);
    size_t kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        bool nested = false;
        for (size_t k = 0; k < kept && !nested; k++)
            nested = pix_path_is_within(targets->items[i].folder, targets->items[k].folder);
        if (nested)
            target_free(&targets->items[i]);
        else
            targets->items[kept++] = targets->items[i];
    }
    targets->count = kept;
}

pix_status pix_targets_choose(pix_store *store, const char *const *names, size_t name_count,
                              pix_targets *out, pix_error *error) {
    *out = (pix_targets){0};
    root_list roots = {0};
    pix_targets chosen = {0};
    pix_status status = pix_store_roots(store, add_root, &roots, error);
    if (status == PIX_ENOMEM)
        status = pix_fail_memory(error);
    if (!status && name_count == 0) {
        chosen = (pix_targets){.items = roots.items, .count = roots.count};
        roots = (root_list){0};
        if (chosen.count == 0)
            status = pix_fail(error, PIX_ENOTFOUND,
                              "no folder is known yet; name one: pixgrepd index DIR");
        for (size_t i = 0; i < chosen.count && !status; i++)
            status = inspect(&chosen.items[i], error);
    } else if (!status && !(chosen.items = calloc(name_count, sizeof *chosen.items))) {
        status = pix_fail_memory(error);
    }
    for (size_t i = 0; i < name_count && !status; i++)
        status = from_name(names[i], &roots, &chosen.items[chosen.count++], error);
    if (!status)
        merge_nested(&chosen);
    pix_targets known = {.items = roots.items, .count = roots.count};
    pix_targets_free(&known);
    if (status)
        pix_targets_free(&chosen);
    else
        *out = chosen;
    return status;
}

/* Adds the path to the target's parts, or the folder it was in to `folders`, where it may have been
 * known by another name. */
static pix_status add_part(pix_target *target, const char *path, pix_spelling *spelling,
                           pix_paths *folders) {
    bool lost;
    if (pix_spelling_is_lost(spelling, path, &lost))
        return PIX_ENOMEM;
    if (!lost)
        return pix_paths_add(&target->parts, path);
    char *folder = strdup(path);
    if (!folder)
        return PIX_ENOMEM;
    char *slash = strrchr(folder, '/');
    slash[slash == folder ? 1 : 0] = '\0';
    pix_status status = PIX_OK;
    if (folders->count == 0 || strcmp(folders->items[folders->count - 1], folder) != 0)
        status = pix_paths_add(folders, folder);
    free(folder);
    return status;
}

static bool is_within_any(const char *path, const pix_paths *folders, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (pix_path_is_within(path, folders->items[i]))
            return true;
    return false;
}

/* Has `folders`, sorted, take the place of the parts in them. */
static pix_status add_folders(pix_target *target, pix_paths *folders) {
    pix_paths parts = {0};
    pix_status status = PIX_OK;
    pix_paths_sort(folders); /* what one is in comes before it */
    for (size_t i = 0; i < target->parts.count && !status; i++)
        if (!is_within_any(target->parts.items[i], folders, folders->count))
            status = pix_paths_add(&parts, target->parts.items[i]);
    for (size_t i = 0; i < folders->count && !status; i++)
        if (!is_within_any(folders->items[i], folders, i))
            status = pix_paths_add(&parts, folders->items[i]);
    pix_paths_sort(&parts);
    pix_paths_free(&target->parts);
    target->parts = parts;
    return status;
}

/* Gives the target its parts; *whole when all of it is to be walked. */
static pix_status narrow(pix_target *target, const pix_paths *paths, bool *whole) {
    pix_spelling spelling = {0};
    pix_paths folders = {0};
    pix_status status = PIX_OK;
    *whole = false;
    for (size_t k = 0; k < paths->count && !status; k++) {
        *whole |= strcmp(paths->items[k], target->root) == 0;
        if (!*whole && pix_path_is_within(paths->items[k], target->root))
            status = add_part(target, paths->items[k], &spelling, &folders);
    }
    if (!status && folders.count > 0)
        status = add_folders(target, &folders);
    *whole |= target->parts.count > 0 && strcmp(target->parts.items[0], target->root) == 0;
    if (*whole)
        pix_paths_free(&target->parts);
    pix_spelling_free(&spelling);
    pix_paths_free(&folders);
    return status;
}

pix_status pix_targets_narrow(pix_targets *targets, const pix_paths *paths, pix_error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        bool whole;
        if (narrow(&targets->items[i], paths, &whole))
            return pix_fail_memory(error);
        if (whole || targets->items[i].parts.count > 0) {
            pix_target keep = targets->items[i];
            targets->items[i] = targets->items[kept];
            targets->items[kept++] = keep;
        }
    }
    while (targets->count > kept)
        target_free(&targets->items[--targets->count]);
    return PIX_OK;
}
