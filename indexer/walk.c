#include "indexer/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "indexer/inode_set.h"
#include "indexer/paths.h"

/* Each level holds one descriptor; far below the usual limit of 1,024, which others need as well.
 */
enum { DEPTH_LIMIT = 400 };

/* One folder being walked: its descriptor and the names in it, sorted. */
typedef struct walk_level {
    int fd;
    size_t path_size; /* of the folder's path in walk->path */
    char *bytes;      /* the names, each after a byte holding its d_type and before a NUL */
    size_t *names;    /* offsets into bytes */
    size_t count, next;
} walk_level;

struct pix_walk {
    const pix_walk_options *options;
    size_t root_size; /* what to cut off a path to make it relative: the root and its slash */
    const char *const *parts;
    size_t part_count, part_next;
    pix_bytes path; /* of the entry at hand */
    walk_level *levels;
    size_t depth, capacity;
    pix_inode_set entered; /* folders, kept only when links are followed */
    pix_paths links;       /* symbolic links to folders: walked after everything real */
    size_t link_next;
    char reason[160];
};

bool pix_walk_is_photo_name(const char *name) {
    static const char *const extensions[] = {
        "jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "gif", "tif", "tiff", "bmp", "heic",
        "heif", "hif", "avif", "jxl", "jp2", "j2k", "pnm", "ppm", "pgm", "pbm",
        /* raw files of cameras */
        "dng", "3fr", "arw", "cr2", "cr3", "crw", "dcr", "erf", "iiq", "kdc", "mef", "mos", "mrw",
        "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"};
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name)
        return false;
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (strcasecmp(dot + 1, extensions[i]) == 0)
            return true;
    return false;
}

static void level_close(walk_level *level) {
    if (level->fd >= 0)
        close(level->fd);
    free(level->bytes);
    free(level->names);
}

void pix_walk_close(pix_walk *walk) {
    if (!walk)
        return;
    while (walk->depth > 0)
        level_close(&walk->levels[--walk->depth]);
    pix_paths_free(&walk->links);
    free(walk->levels);
    pix_inode_set_free(&walk->entered);
    pix_bytes_free(&walk->path);
    free(walk);
}

/* qsort_r's order of offsets: the bytes of the names they lead to. */
static int by_name(const void *a, const void *b, void *bytes) {
    return strcmp((const char *)bytes + *(const size_t *)a,
                  (const char *)bytes + *(const size_t *)b);
}

/* Lists the folder into level->bytes and level->names; sets *listed to 0 or to the errno that cut
 * the list short, and *nomedia when the folder asks to be left alone. */
static pix_status list_names(walk_level *level, int *listed, bool *nomedia) {
    *listed = 0;
    *nomedia = false;
    int copy = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream) {
        *listed = errno;
        if (copy >= 0)
            close(copy);
        return PIX_OK;
    }
    pix_bytes bytes = {0};
    size_t capacity = 0;
    pix_status status = PIX_OK;
    while (!status) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry) {
            *listed = errno;
            break;
        }
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (strcmp(name, ".nomedia") == 0)
            *nomedia = true;
        char type = (char)entry->d_type;
        size_t *names = pix_array_reserve(level->names, &capacity, level->count, 1, sizeof *names);
        if (!names) {
            status = PIX_ENOMEM;
            break;
        }
        level->names = names;
        level->names[level->count++] = bytes.size + 1;
        if (pix_bytes_append(&bytes, &type, 1) || pix_bytes_append(&bytes, name, strlen(name) + 1))
            status = PIX_ENOMEM;
    }
    closedir(stream);
    level->bytes = bytes.data;
    if (!status && level->count > 1)
        qsort_r(level->names, level->count, sizeof *level->names, by_name, bytes.data);
    return status;
}

static pix_status trouble(pix_walk *walk, pix_walk_entry *entry, const char *reason) {
    *entry =
        (pix_walk_entry){.kind = PIX_WALK_TROUBLE, .path = walk->path.data, .reason = walk->reason};
    (void)snprintf(walk->reason, sizeof walk->reason, "%s", reason);
    return PIX_OK;
}

static pix_status trouble_errno(pix_walk *walk, pix_walk_entry *entry, int cause) {
    char buffer[128];
    return trouble(walk, entry, strerror_r(cause, buffer, sizeof buffer));
}

/* Makes the folder `fd`, whose path is walk->path, the innermost level.  Takes `fd`.  An entry of
 * kind PIX_WALK_END says that there is nothing to report. */
static pix_status enter(pix_walk *walk, int fd, pix_walk_entry *entry) {
    walk_level new = {.fd = fd, .path_size = walk->path.size};
    entry->kind = PIX_WALK_END;
    if (walk->options->follow) {
        struct stat info;
        bool added = false;
        pix_status status = PIX_OK;
        if (fstat(fd, &info))
            status = trouble_errno(walk, entry, errno);
        else
            status = pix_inode_set_add(&walk->entered, info.st_dev, info.st_ino, &added);
        if (!added) {
            close(fd);
            return status;
        }
    }
    walk_level *levels =
        pix_array_reserve(walk->levels, &walk->capacity, walk->depth, 1, sizeof *levels);
    if (!levels) {
        close(fd);
        return PIX_ENOMEM;
    }
    walk->levels = levels;
    if (walk->options->entering)
        walk->options->entering(walk->options->context, walk->path.data);
    int listed;
    bool nomedia;
    if (list_names(&new, &listed, &nomedia)) {
        level_close(&new);
        return PIX_ENOMEM;
    }
    if (nomedia) {
        level_close(&new);
        return PIX_OK;
    }
    walk->levels[walk->depth++] = new;
    return listed ? trouble_errno(walk, entry, listed) : PIX_OK;
}

static bool matches(const pix_walk *walk, const char *name) {
    const char *path = walk->path.data;
    const char *relative = path + walk->root_size;
    for (size_t i = 0; i < walk->options->exclude_count; i++) {
        const char *pattern = walk->options->excludes[i];
        if (fnmatch(pattern, name, FNM_PATHNAME) == 0 ||
            fnmatch(pattern, relative, FNM_PATHNAME) == 0 ||
            (pattern[0] == '/' && fnmatch(pattern, path, FNM_PATHNAME) == 0))
            return true;
    }
    return false;
}

/* Opens the folder `name` in `parent` and enters it. */
static pix_status descend(pix_walk *walk, int parent, const char *name, pix_walk_entry *entry) {
    if (walk->depth == DEPTH_LIMIT)
        return trouble(walk, entry, "nested too deep (400 folders)");
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return PIX_OK; /* gone, or replaced, since it was listed */
    if (fd < 0)
        return trouble_errno(walk, entry, errno);
    return enter(walk, fd, entry);
}

/* Looks at one name of the innermost level; an entry of kind PIX_WALK_END: nothing to report. */
static pix_status look(pix_walk *walk, int fd, const char *name, unsigned char type,
                       pix_walk_entry *entry) {
    entry->kind = PIX_WALK_END;
    bool photo = pix_walk_is_photo_name(name);
    if ((name[0] == '.' && !walk->options->hidden) || (type == DT_REG && !photo) ||
        (type == DT_LNK && !walk->options->follow) || matches(walk, name))
        return PIX_OK;
    struct stat info = {.st_mode = S_IFDIR};
    if (type != DT_DIR && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? PIX_OK : trouble_errno(walk, entry, errno);
    bool link = S_ISLNK(info.st_mode);
    if (link && !walk->options->follow)
        return PIX_OK;
    if (link && fstatat(fd, name, &info, 0))
        return errno == ENOENT || errno == ELOOP ? PIX_OK : trouble_errno(walk, entry, errno);
    bool folder = S_ISDIR(info.st_mode);
    if (!folder && !(photo && S_ISREG(info.st_mode)))
        return PIX_OK;
    if (walk->path.size >= PATH_MAX)
        return trouble(walk, entry, "path too long");
    if (folder)
        return link ? pix_paths_add(&walk->links, walk->path.data) : descend(walk, fd, name, entry);
    *entry = (pix_walk_entry){
        .kind = PIX_WALK_PHOTO,
        .path = walk->path.data,
        .mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
        .size_bytes = info.st_size,
    };
    return PIX_OK;
}

/* Enters the folder behind the next remembered link. */
static pix_status follow_link(pix_walk *walk, pix_walk_entry *entry) {
    pix_bytes_clear(&walk->path);
    if (pix_bytes_append_text(&walk->path, walk->links.items[walk->link_next++]))
        return PIX_ENOMEM;
    int fd = open(walk->path.data, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return enter(walk, fd, entry);
    return errno == ENOENT || errno == ENOTDIR ? PIX_OK : trouble_errno(walk, entry, errno);
}

static pix_status set_path(pix_walk *walk, const char *path, size_t size) {
    pix_bytes_clear(&walk->path);
    return pix_bytes_append(&walk->path, path, size);
}

/* Whether a walk of the root would not come to the folder that `part` is in. */
static pix_status is_cut_off(pix_walk *walk, const char *part, bool *cut) {
    const char *name = part + walk->root_size, *slash = name - 1;
    for (*cut = false; slash && !*cut; slash = strchr(name, '/')) {
        if (set_path(walk, part, (size_t)(slash - part) + 1) ||
            pix_bytes_append_text(&walk->path, ".nomedia"))
            return PIX_ENOMEM;
        struct stat info;
        *cut = lstat(walk->path.data, &info) == 0;
        walk->path.size = (size_t)(slash - part);
        walk->path.data[walk->path.size] = '\0';
        if (slash > name)
            *cut |= (name[0] == '.' && !walk->options->hidden) ||
                    matches(walk, walk->path.data + (name - part));
        name = slash + 1;
    }
    return PIX_OK;
}

/* Looks at the next part. */
static pix_status next_part(pix_walk *walk, pix_walk_entry *entry) {
    const char *part = walk->parts[walk->part_next++];
    size_t size = strlen(part);
    if (size < walk->root_size) { /* the root */
        int fd = open(part, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        if (set_path(walk, part, size))
            return PIX_ENOMEM;
        return fd < 0 ? trouble_errno(walk, entry, errno) : enter(walk, fd, entry);
    }
    bool cut;
    if (is_cut_off(walk, part, &cut))
        return PIX_ENOMEM;
    const char *name = strrchr(part, '/') + 1;
    if (cut || set_path(walk, part, (size_t)(name - part)))
        return cut ? PIX_OK : PIX_ENOMEM;
    int fd = open(walk->path.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int cause = errno;
    pix_status status = set_path(walk, part, size);
    if (!status && fd >= 0)
        status = look(walk, fd, name, DT_UNKNOWN, entry);
    else if (!status && cause != ENOENT && cause != ENOTDIR)
        status = trouble_errno(walk, entry, cause);
    if (fd >= 0)
        close(fd);
    return status;
}

static pix_status step(pix_walk *walk, pix_walk_entry *entry) {
    entry->kind = PIX_WALK_END;
    if (walk->depth == 0)
        return walk->part_next < walk->part_count ? next_part(walk, entry)
                                                  : follow_link(walk, entry);
    walk_level *top = &walk->levels[walk->depth - 1];
    if (top->next == top->count) {
        level_close(top);
        walk->depth--;
        return PIX_OK;
    }
    const char *name = top->bytes + top->names[top->next++];
    walk->path.size = top->path_size;
    if (walk->path.data[walk->path.size - 1] != '/' && pix_bytes_append(&walk->path, "/", 1))
        return PIX_ENOMEM;
    if (pix_bytes_append_text(&walk->path, name))
        return PIX_ENOMEM;
    return look(walk, top->fd, name, (unsigned char)name[-1], entry);
}

pix_status pix_walk_next(pix_walk *walk, pix_walk_entry *entry, pix_error *error) {
    *entry = (pix_walk_entry){.kind = PIX_WALK_END};
    while (entry->kind == PIX_WALK_END && (walk->depth > 0 || walk->part_next < walk->part_count ||
                                           walk->link_next < walk->links.count))
        if (step(walk, entry))
            return pix_fail_memory(error);
    return PIX_OK;
}

static pix_walk *walk_new(const char *root, const pix_walk_options *options) {
    pix_walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return NULL;
    walk->options = options;
    size_t root_size = strlen(root);
    walk->root_size = root[root_size - 1] == '/' ? root_size : root_size + 1;
    return walk;
}

pix_status pix_walk_open_parts(const char *root, const char *const *parts, size_t count,
                               const pix_walk_options *options, pix_walk **out, pix_error *error) {
    *out = walk_new(root, options);
    if (!*out)
        return pix_fail_memory(error);
    (*out)->parts = parts;
    (*out)->part_count = count;
    return PIX_OK;
}

pix_status pix_walk_open(const char *root, const char *folder, const pix_walk_options *options,
                         pix_walk **out, pix_error *error) {
    *out = NULL;
    pix_walk *walk = walk_new(root, options);
    if (!walk)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        status = pix_fail_errno(error, "%s", folder);
        goto fail;
    }
    pix_walk_entry entry;
    if (pix_bytes_append_text(&walk->path, folder) || enter(walk, fd, &entry)) {
        status = pix_fail_memory(error);
        goto fail;
    }
    if (entry.kind == PIX_WALK_TROUBLE) {
        status = pix_fail(error, PIX_EIO, "%s: %s", folder, entry.reason);
        goto fail;
    }
    *out = walk;
    return PIX_OK;
fail:
    pix_walk_close(walk);
    return status;
}
