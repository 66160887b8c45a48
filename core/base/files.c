#include "core/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file for reading and reports its size.  O_NONBLOCK keeps a FIFO from hanging us.
 */
static pix_status open_regular(const char *path, int *fd, size_t *size, pix_error *error) {
    *size = 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return pix_fail_errno(error, "%s", path);
    struct stat info;
    pix_status status = PIX_OK;
    if (fstat(*fd, &info))
        status = pix_fail_errno(error, "%s", path);
    else if (!S_ISREG(info.st_mode))
        status = pix_fail(error, PIX_EUNSUPPORTED, "%s: not a regular file", path);
    else
        *size = (size_t)info.st_size;
    if (status) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

pix_status pix_file_read(const char *path, size_t limit, pix_bytes *out, pix_error *error) {
    int fd;
    size_t size;
    pix_status status = open_regular(path, &fd, &size, error);
    if (status)
        return status;
    if (size > limit)
        status = pix_fail(error, PIX_ELIMIT, "%s: %zu bytes, more than the %zu allowed", path, size,
                          limit);
    else if (pix_bytes_reserve(out, size))
        status = pix_fail_memory(error);
    for (size_t left = size; !status && left > 0;) {
        ssize_t got = read(fd, out->data + out->size, left);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = pix_fail_errno(error, "%s", path);
        else if (got == 0)
            break;
        else {
            out->size += (size_t)got;
            left -= (size_t)got;
        }
    }
    if (out->data)
        out->data[out->size] = '\0';
    close(fd);
    return status;
}

pix_status pix_mapping_open(pix_mapping *mapping, const char *path, pix_error *error) {
    *mapping = (pix_mapping){0};
    int fd;
    size_t size;
    pix_status status = open_regular(path, &fd, &size, error);
    if (status)
        return status;
    status = pix_mapping_make(mapping, fd, size, path, false, error);
    close(fd);
    return status;
}

pix_status pix_folder_make(const char *path, pix_error *error) {
    char *copy = strdup(path);
    if (!copy)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    for (char *end = copy; *end && !status;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char saved = *end;
        *end = '\0';
        struct stat info;
        int cause = mkdir(copy, 0700) ? errno : 0;
        if (cause && cause != EEXIST && (stat(copy, &info) || !S_ISDIR(info.st_mode))) {
            errno = cause;
            status = pix_fail_errno(error, "cannot create %s", copy);
        }
        *end = saved;
    }
    struct stat info;
    if (!status && (stat(path, &info) || !S_ISDIR(info.st_mode)))
        status = pix_fail(error, PIX_EIO, "%s: not a folder", path);
    free(copy);
    return status;
}

struct pix_atomic_file {
    FILE *stream;
    char *path;
    char *temporary;
};

/* Opens the temporary file for this process alone: a killed writer's remains are overwritten, a
 * live writer's are not. */
static pix_status claim_temporary(const char *path, int *fd, pix_error *error) {
    for (;;) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*fd < 0)
            return pix_fail_errno(error, "cannot create %s", path);
        pix_status status = PIX_OK;
        if (flock(*fd, LOCK_EX | LOCK_NB))
            status = errno == EWOULDBLOCK
                         ? pix_fail(error, PIX_EBUSY, "%s: another process is writing it", path)
                         : pix_fail_errno(error, "cannot lock %s", path);
        struct stat ours, named;
        /* Between open and flock the name may have been renamed to its place. */
        bool still_there = !status && !fstat(*fd, &ours) && !stat(path, &named) &&
                           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
        if (still_there && ftruncate(*fd, 0))
            status = pix_fail_errno(error, "cannot create %s", path);
        if (still_there && !status)
            return PIX_OK;
        close(*fd);
        *fd = -1;
        if (status)
            return status;
    }
}

/* The file that the path names, through links.  A folder, a device or a FIFO is nothing to put a
 * file in the place of: for root, rename would. */
static pix_status find_target(const char *path, char **out, pix_error *error) {
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && !S_ISREG(info.st_mode))
        return pix_fail(error, PIX_EUNSUPPORTED, "%s: not a regular file", path);
    bool is_link = exists && lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    *out = is_link ? realpath(path, NULL) : strdup(path);
    return *out ? PIX_OK : pix_fail_errno(error, "%s", path);
}

pix_status pix_atomic_file_open(const char *path, pix_atomic_file **out, pix_error *error) {
    *out = NULL;
    pix_atomic_file *file = calloc(1, sizeof *file);
    if (!file)
        return pix_fail_memory(error);
    char *temporary = NULL;
    int fd = -1;
    pix_status status = find_target(path, &file->path, error);
    if (status)
        goto fail;
    if (asprintf(&temporary, "%s.tmp", file->path) < 0)
        status = pix_fail_memory(error);
    else
        status = claim_temporary(temporary, &fd, error);
    if (status) {
        free(temporary);
        goto fail;
    }
    file->temporary = temporary;
    file->stream = fdopen(fd, "w+");
    if (!file->stream) {
        status = pix_fail_errno(error, "cannot create %s", temporary);
        close(fd);
        goto fail;
    }
    *out = file;
    return PIX_OK;
fail:
    pix_atomic_file_close(file);
    return status;
}

FILE *pix_atomic_file_stream(pix_atomic_file *file) {
    return file->stream;
}

const char *pix_atomic_file_temporary(const pix_atomic_file *file) {
    return file->temporary;
}

pix_status pix_folder_sync_of(const char *path, pix_error *error) {
    char *folder = strdup(path);
    if (!folder)
        return pix_fail_memory(error);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    pix_status status = PIX_OK;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        status = pix_fail_errno(error, "cannot sync %s", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return status;
}

/* The stream stays open, and with it the lock: the name is ours until it is renamed or removed. */
pix_status pix_atomic_file_commit(pix_atomic_file *file, pix_error *error) {
    if (ferror(file->stream) || fflush(file->stream) || fsync(fileno(file->stream)))
        return pix_fail_errno(error, "cannot write %s", file->path);
    if (rename(file->temporary, file->path))
        return pix_fail_errno(error, "cannot rename to %s", file->path);
    free(file->temporary);
    file->temporary = NULL;
    return pix_folder_sync_of(file->path, error);
}

void pix_atomic_file_close(pix_atomic_file *file) {
    if (!file)
        return;
    if (file->temporary)
        (void)unlink(file->temporary);
    if (file->stream)
        (void)fclose(file->stream);
    free(file->temporary);
    free(file->path);
    free(file);
}

/* Holding its lock, so that nobody is about to write it; a FIFO is not waited for. */
static void drop_unlocked(int folder, const char *name) {
    struct stat info;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && !flock(fd, LOCK_EX | LOCK_NB))
        (void)unlinkat(folder, name, 0);
    close(fd);
}

void pix_remains_drop(const char *folder, const char *beginning, const char *end) {
    const size_t begins = strlen(beginning), ends = strlen(end);
    DIR *listing = opendir(folder);
    if (!listing)
        return;
    for (const struct dirent *entry; (entry = readdir(listing));) {
        const size_t length = strlen(entry->d_name);
        if (length >= begins + ends && strncmp(entry->d_name, beginning, begins) == 0 &&
            strcmp(entry->d_name + length - ends, end) == 0)
            drop_unlocked(dirfd(listing), entry->d_name);
    }
    (void)closedir(listing);
}

char *pix_path_join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    char *path = NULL;
    return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}

char *pix_path_beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    char *result = NULL;
    int length = slash ? (int)(slash + 1 - path) : 0;
    return asprintf(&result, "%.*s%s", length, path, name) < 0 ? NULL : result;
}

char *pix_path_absolute(const char *path) {
    char *folder = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
    char *result = folder ? malloc(strlen(folder) + 1 + strlen(path) + 1) : NULL;
    if (result) {
        char *end = stpcpy(result, strcmp(folder, "/") == 0 ? "" : folder);
        while (*path) {
            size_t length = strcspn(path, "/");
            if (length > 0 && !(length == 1 && path[0] == '.')) {
                *end++ = '/';
                end = mempcpy(end, path, length);
            }
            path += length + (path[length] == '/');
        }
        if (end == result)
            *end++ = '/';
        *end = '\0';
    }
    free(folder);
    return result;
}

/* XDG says a relative value is ignored. */
/* $VARIABLE/pixgrep/NAME, else $HOME/OTHERWISE/pixgrep/NAME. */
static char *place_in(const char *variable, const char *otherwise, const char *name) {
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    char *path = NULL;
    int length = -1;
    if (base && base[0] == '/')
        length = asprintf(&path, "%s/pixgrep/%s", base, name);
    else if (home && home[0] == '/')
        length = asprintf(&path, "%s/%s/pixgrep/%s", home, otherwise, name);
    return length < 0 ? NULL : path;
}

char *pix_place_data(const char *name) {
    return place_in("XDG_DATA_HOME", ".local/share", name);
}

char *pix_place_cache(const char *name) {
    return place_in("XDG_CACHE_HOME", ".cache", name);
}

char *pix_place_installed(const char *name) {
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = '\0';
    for (int levels = 0; levels < 2; levels++) {
        char *slash = strrchr(program, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
    return pix_path_join(program, name);
}
