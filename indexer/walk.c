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
#include "indexer/root_identity.h"
#include "indexer/spelling.h"

/* Each level holds one descriptor; far below the usual limit of 1,024, which others need as well.
 */
enum { DEPTH_LIMIT = 400 };

/* One folder being walked: its descriptor and the names in it, sorted. */
typedef struct walk_level {
    int fd;
    uint64_t mount;
    size_t path_size; /* of the folder's path in walk->path */
    char *bytes;      /* the names, each after a byte holding its d_type and before a NUL */
    size_t *names;    /* offsets into bytes */
    size_t count, next;
} walk_level;

struct pix_walk {
    const pix_walk_options *options;
    const char *root;
    size_t root_size; /* what to cut off a path to make it relative: the root and its slash */
    const char *const *parts;
    size_t part_count, part_next;
    pix_bytes path; /* of the entry at hand */
    walk_level *levels;
    size_t depth, capacity;
    pix_inode_set entered; /* folders, kept only when links are followed */
    pix_paths links;       /* symbolic links to folders: walked after everything real */
    size_t link_next;
    uint64_t root_mount, outer_mount; /* of the root, and of what the outermost level is in */
    pix_paths mounts;                 /* that were yielded, and their identities, by turns */
    pix_bytes identity;               /* of the last of them */
    char *folder;                     /* that was opened, until the mounts above it are yielded */
    pix_bytes above;                  /* the folder that the last part was in, with its slash */
    bool cut_off;                     /* the walk leaves that out */
    pix_spelling spelling;
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
    pix_paths_free(&walk->mounts);
    pix_bytes_free(&walk->identity);
    free(walk->folder);
    pix_bytes_free(&walk->above);
    pix_spelling_free(&walk->spelling);
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
    (void)snprintf(walk->reason, sizeof walk->reason, "%.*s", (int)sizeof walk->reason - 1, reason);
    return PIX_OK;
}

static pix_status trouble_errno(pix_walk *walk, pix_walk_entry *entry, int cause) {
    char buffer[128];
    pix_status status = trouble(walk, entry, strerror_r(cause, buffer, sizeof buffer));
    entry->passing = cause != EACCES && cause != EPERM && cause != ENAMETOOLONG && cause != ELOOP;
    return status;
}

/* Makes *entry the mount at walk->path, unless it was yielded before. */
static pix_status meet_mount(pix_walk *walk, pix_walk_entry *entry) {
    for (size_t i = 0; i < walk->mounts.count; i += 2)
        if (strcmp(walk->mounts.items[i], walk->path.data) == 0)
            return PIX_OK;
    pix_error reason;
    pix_status status = pix_mount_identify(walk->path.data, &walk->identity, &reason);
    if (status == PIX_ENOTFOUND) /* it went away again */
        return PIX_OK;
    if (status)
        return status == PIX_ENOMEM ? status : trouble(walk, entry, reason.text);
    if (pix_paths_add(&walk->mounts, walk->path.data) ||
        pix_paths_add(&walk->mounts, walk->identity.data))
        return PIX_ENOMEM;
    *entry = (pix_walk_entry){
        .kind = PIX_WALK_MOUNT, .path = walk->path.data, .identity = walk->identity.data};
    return PIX_OK;
}

/* Makes the folder `fd`, whose path is walk->path, the innermost level.  Takes `fd`.  An entry of
 * kind PIX_WALK_END says that there is nothing to report. */
static pix_status enter(pix_walk *walk, int fd, pix_walk_entry *entry) {
    uint64_t around = walk->depth > 0 ? walk->levels[walk->depth - 1].mount : walk->outer_mount;
    walk_level new = {.fd = fd, .mount = pix_mount_number(fd, ""), .path_size = walk->path.size};
    entry->kind = PIX_WALK_END;
    if (walk->options->follow) {
        struct stat info;
        bool added = false;
        pix_status status = PIX_OK;
        if (fstat(fd, &info)) {
            status = trouble_errno(walk, entry, errno);
            close(fd);
            return status;
        }
        status = pix_inode_set_add(&walk->entered, info.st_dev, info.st_ino, &added);
        if (!added) {
            close(fd);
            return status || new.mount == around ? status : meet_mount(walk, entry);
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
    if (nomedia)
        level_close(&new);
    else
        walk->levels[walk->depth++] = new;
    if (listed && !nomedia)
        return trouble_errno(walk, entry, listed);
    return new.mount == around ? PIX_OK : meet_mount(walk, entry);
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
    walk->outer_mount = walk->root_mount;
    if (fd >= 0)
        return enter(walk, fd, entry);
    return errno == ENOENT || errno == ENOTDIR ? PIX_OK : trouble_errno(walk, entry, errno);
}

static pix_status set_path(pix_walk *walk, const char *path, size_t size) {
    pix_bytes_clear(&walk->path);
    return pix_bytes_append(&walk->path, path, size);
}

/* Whether the walk's options leave out what is at walk->path, `name`, for its name. */
static bool is_left_out(const pix_walk *walk, const char *name) {
    return (name[0] == '.' && !walk->options->hidden) || matches(walk, name);
}

/* Whether it is a link that is not followed. */
static bool is_idle_link(const pix_walk *walk) {
    struct stat info;
    return !walk->options->follow && lstat(walk->path.data, &info) == 0 && S_ISLNK(info.st_mode);
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
            *cut |= is_left_out(walk, walk->path.data + (name - part)) || is_idle_link(walk);
        name = slash + 1;
    }
    return PIX_OK;
}

/* Makes *entry the first mount that was not yielded yet among the folders that the first `size`
 * bytes of `path` lead through, below the root. */
static pix_status meet_mounts_above(pix_walk *walk, const char *path, size_t size,
                                    pix_walk_entry *entry) {
    walk->outer_mount = walk->root_mount;
    for (size_t at = walk->root_size, end; at < size; at = end + 1) {
        end = at + strcspn(path + at, "/");
        if (set_path(walk, path, end))
            return PIX_ENOMEM;
        uint64_t mount = pix_mount_number(AT_FDCWD, walk->path.data);
        if (mount == walk->outer_mount)
            continue;
        walk->outer_mount = mount;
        if (meet_mount(walk, entry))
            return PIX_ENOMEM;
        if (entry->kind == PIX_WALK_MOUNT)
            return PIX_OK;
    }
    return PIX_OK;
}

/* Looks at the folder that `part` is in, of size `size` with its slash: whether the walk leaves it
 * out, or what it is mounted on. */
static pix_status look_above(pix_walk *walk, const char *part, size_t size, pix_walk_entry *entry) {
    if (walk->above.size == size && memcmp(walk->above.data, part, size) == 0)
        return PIX_OK;
    pix_bytes_clear(&walk->above);
    bool right = false;
    if (is_cut_off(walk, part, &walk->cut_off) ||
        (size > walk->root_size && set_path(walk, part, size - 1)) ||
        (size > walk->root_size && !walk->cut_off &&
         pix_spelling_is_right(&walk->spelling, walk->path.data, walk->root, &right)))
        return PIX_ENOMEM;
    walk->cut_off |= size > walk->root_size && !right;
    if (!walk->cut_off && (meet_mounts_above(walk, part, size - 1, entry)))
        return PIX_ENOMEM;
    if (entry->kind == PIX_WALK_MOUNT) {
        walk->part_next--; /* it comes again */
        return PIX_OK;
    }
    return pix_bytes_append(&walk->above, part, size);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Puts the path of a part, or what its folder lists in its place, into walk->path; sets *there to
 * false when that is nothing, or another part. */
static pix_status spell(pix_walk *walk, const char *part, size_t folder_size, bool *there) {
    const char *name;
    if (pix_spelling_look_up(&walk->spelling, part, &name))
        return PIX_ENOMEM;
    *there = name != NULL;
    if (set_path(walk, part, folder_size) || (name && pix_bytes_append_text(&walk->path, name)))
        return PIX_ENOMEM;
    const char *path = walk->path.data;
    if (name && name != part + folder_size)
        *there = !bsearch(&path, walk->parts, walk->part_count, sizeof *walk->parts, by_bytes);
    return PIX_OK;
}

/* Looks at the next part. */
static pix_status next_part(pix_walk *walk, pix_walk_entry *entry) {
    const char *part = walk->parts[walk->part_next++];
    size_t size = strlen(part);
    if (size < walk->root_size) { /* the root */
        int fd = open(part, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
        walk->outer_mount = walk->root_mount;
        if (set_path(walk, part, size))
            return PIX_ENOMEM;
        return fd < 0 ? trouble_errno(walk, entry, errno) : enter(walk, fd, entry);
    }
    size_t folder_size = (size_t)(strrchr(part, '/') + 1 - part);
    if (look_above(walk, part, folder_size, entry))
        return PIX_ENOMEM;
    if (entry->kind == PIX_WALK_MOUNT || walk->cut_off)
        return PIX_OK;
    if (set_path(walk, part, folder_size))
        return PIX_ENOMEM;
    int fd = open(walk->path.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int cause = errno;
    bool there = true;
    pix_status status =
        fd >= 0 ? spell(walk, part, folder_size, &there) : set_path(walk, part, size);
    if (!status && fd >= 0 && there)
        status = look(walk, fd, strrchr(walk->path.data, '/') + 1, DT_UNKNOWN, entry);
    else if (!status && fd < 0 && cause != ENOENT && cause != ENOTDIR)
        status = trouble_errno(walk, entry, cause);
    if (fd >= 0)
        close(fd);
    return status;
}

const pix_paths *pix_walk_mounts(const pix_walk *walk) {
    return &walk->mounts;
}

pix_status pix_walk_leaves_out(pix_walk *walk, const char *path, bool *out) {
    pix_bytes below = {0};
    pix_status status = pix_bytes_append_text(&below, path) || pix_bytes_append_text(&below, "/")
                            ? PIX_ENOMEM
                            : is_cut_off(walk, below.data, out);
    pix_bytes_free(&below);
    return status;
}

pix_status pix_walk_has_unwanted(pix_walk *walk, const char *path, bool *unwanted) {
    bool linked = false;
    *unwanted = false;
    for (const char *name = path + walk->root_size, *end; !*unwanted; name = end + 1) {
        end = strchrnul(name, '/');
        if (set_path(walk, path, (size_t)(end - path)))
            return PIX_ENOMEM;
        *unwanted = is_left_out(walk, walk->path.data + (name - path));
        linked |= is_idle_link(walk);
        if (!*end)
            break;
    }
    /* behind a link that leads nowhere it is gone */
    *unwanted |= linked && access(path, F_OK) == 0;
    return PIX_OK;
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
    if (walk->folder) {
        if (meet_mounts_above(walk, walk->folder, strlen(walk->folder), entry))
            return pix_fail_memory(error);
        if (entry->kind == PIX_WALK_MOUNT)
            return PIX_OK;
        pix_status status = set_path(walk, walk->folder, strlen(walk->folder));
        free(walk->folder);
        walk->folder = NULL;
        if (status)
            return pix_fail_memory(error);
    }
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
    walk->root = root;
    walk->root_size = root[root_size - 1] == '/' ? root_size : root_size + 1;
    walk->root_mount = pix_mount_number(AT_FDCWD, root);
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
    walk->outer_mount = pix_mount_number(fd, "");
    walk->folder = strdup(folder);
    if (!walk->folder || pix_bytes_append_text(&walk->path, folder)) {
        close(fd);
        status = pix_fail_memory(error);
        goto fail;
    }
    pix_walk_entry entry;
    if (enter(walk, fd, &entry)) {
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
