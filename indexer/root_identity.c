#include "indexer/root_identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "indexer/paths.h"

static const pix_identity_sources kernel = {"/proc/self/mountinfo", "/dev/disk/by-uuid"};

/* One line of mountinfo (proc(5)); the strings point into the line, unescaped in place. */
typedef struct mount {
    uint64_t number;
    unsigned device_major, device_minor;
    char *inside, *point, *type, *source;
} mount;

/* Spaces, tabs, newlines and backslashes are written as three octal digits. */
static void unescape(char *text) {
    char *out = text;
    for (const char *in = text; *in; out++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
            in[3] >= '0' && in[3] <= '7') {
            *out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else
            *out = *in++;
    }
    *out = '\0';
}

static bool parse_numbers(const char *text, unsigned *device_major, unsigned *device_minor) {
    char *end;
    *device_major = (unsigned)strtoul(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    *device_minor = (unsigned)strtoul(end + 1, NULL, 10);
    return true;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL...] - TYPE SOURCE OPTIONS */
static bool parse_line(char *line, mount *out) {
    char *fields[5], *save = NULL;
    for (int i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save)))
            return false;
    const char *field;
    do
        field = strtok_r(NULL, " ", &save);
    while (field && strcmp(field, "-") != 0);
    out->type = strtok_r(NULL, " ", &save);
    out->source = strtok_r(NULL, " \n", &save);
    if (!field || !out->type || !out->source ||
        !parse_numbers(fields[2], &out->device_major, &out->device_minor))
        return false;
    out->number = strtoull(fields[0], NULL, 10);
    out->inside = fields[3];
    out->point = fields[4];
    unescape(out->inside);
    unescape(out->point);
    unescape(out->source);
    return true;
}

/* *file is NULL without /proc, or where that is hidden. */
static pix_status open_table(const char *mountinfo, FILE **file, pix_error *error) {
    *file = fopen(mountinfo, "re");
    return *file || errno == ENOENT || errno == EACCES ? PIX_OK
                                                       : pix_fail_errno(error, "%s", mountinfo);
}

/* A part of the table would tell of mounts that they are gone. */
static pix_status close_table(const char *mountinfo, FILE *file, pix_status status,
                              pix_error *error) {
    if (!status && ferror(file))
        status = pix_fail_errno(error, "%s", mountinfo);
    (void)fclose(file);
    return status;
}

/* The mount that covers `folder`: the one of this number, or else the longest mount point, the last
 * of equals, since later mounts hide earlier ones.  *line is heap memory that `found` points into,
 * NULL when there is none. */
static pix_status find_mount(const char *mountinfo, FILE *file, const char *folder, uint64_t number,
                             char **line, mount *found, pix_error *error) {
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, file) > 0) {
        mount candidate;
        if (!parse_line(text, &candidate) || !pix_path_is_within(folder, candidate.point) ||
            (*line && candidate.number != number &&
             (found->number == number || strlen(candidate.point) < strlen(found->point))))
            continue;
        free(*line);
        *line = text;
        *found = candidate;
        text = NULL;
        capacity = 0;
    }
    pix_status status = close_table(mountinfo, file, PIX_OK, error);
    free(text);
    if (status) {
        free(*line);
        *line = NULL;
    }
    return status;
}

/* Finds the name in by-uuid that leads to the block device. */
static bool find_uuid(const char *by_uuid, dev_t device, char *out, size_t size) {
    DIR *stream = opendir(by_uuid);
    if (!stream)
        return false;
    bool found = false;
    for (const struct dirent *entry; !found && (entry = readdir(stream));) {
        struct stat info;
        if (fstatat(dirfd(stream), entry->d_name, &info, 0) == 0 && S_ISBLK(info.st_mode) &&
            info.st_rdev == device) {
            (void)snprintf(out, size, "uuid:%s", entry->d_name);
            found = true;
        }
    }
    closedir(stream);
    return found;
}

uint64_t pix_mount_number(int fd, const char *name) {
    struct statx info;
    if (statx(fd, name, AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &info))
        return 0;
    if (info.stx_mask & STATX_MNT_ID)
        return info.stx_mnt_id;
    /* before Linux 5.8 the device has to do */
    return UINT64_C(1) << 63 | makedev(info.stx_dev_major, info.stx_dev_minor);
}

pix_status pix_root_identify(const char *folder, const pix_identity_sources *sources,
                             pix_root_identity *out, pix_error *error) {
    if (!sources)
        sources = &kernel;
    *out = (pix_root_identity){.text = "unknown"};
    struct stat info;
    char *path = realpath(folder, NULL);
    if (!path || stat(path, &info)) {
        free(path);
        return pix_fail_errno(error, "%s", folder);
    }
    out->inode = info.st_ino;
    char *line = NULL;
    mount found = {0};
    FILE *table;
    pix_status status = open_table(sources->mountinfo, &table, error);
    out->untold = !status && !table;
    if (table)
        status = find_mount(sources->mountinfo, table, path,
                            sources == &kernel ? pix_mount_number(AT_FDCWD, path) : UINT64_MAX,
                            &line, &found, error);
    if (status) {
        free(path);
        return status;
    }
    (void)snprintf(out->inside, sizeof out->inside, "%s", line ? found.inside : "/");
    if (line) {
        out->is_mount = strcmp(path, found.point) == 0;
        /* btrfs reports an anonymous device: the source, when it is a block device, knows better */
        dev_t device = makedev(found.device_major, found.device_minor);
        if (found.source[0] == '/' && stat(found.source, &info) == 0 && S_ISBLK(info.st_mode))
            device = info.st_rdev;
        if (!find_uuid(sources->by_uuid, device, out->text, sizeof out->text))
            (void)snprintf(out->text, sizeof out->text, "%s:%s", found.type, found.source);
    }
    free(line);
    free(path);
    return PIX_OK;
}

bool pix_root_is_bare(const char *folder) {
    DIR *stream = opendir(folder);
    if (!stream)
        return false;
    const struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(stream);
    } while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    bool bare = !entry && errno == 0;
    (void)closedir(stream);
    return bare;
}

pix_status pix_mount_identify(const char *folder, pix_bytes *text, pix_error *error) {
    pix_root_identity identity;
    pix_status status = pix_root_identify(folder, NULL, &identity, error);
    if (status)
        return status;
    bool part = strcmp(identity.inside, "/") != 0;
    pix_bytes_clear(text);
    if (pix_bytes_append_text(text, identity.text) ||
        (part &&
         (pix_bytes_append_text(text, " ") || pix_bytes_append_text(text, identity.inside))))
        return pix_fail_memory(error);
    return PIX_OK;
}

static pix_status describe_line(const mount *found, const char *folder, pix_paths *automounts,
                                pix_bytes *text) {
    if (!pix_path_is_within(found->point, folder) || strcmp(found->point, folder) == 0)
        return PIX_OK;
    for (size_t i = 0; i < automounts->count; i++)
        if (pix_path_is_within(found->point, automounts->items[i]))
            return PIX_OK;
    if (strcmp(found->type, "autofs") == 0 && pix_paths_add(automounts, found->point))
        return PIX_ENOMEM;
    char numbers[64]; /* the first alone is given anew at once */
    (void)snprintf(numbers, sizeof numbers, "%llu %u:%u ", (unsigned long long)found->number,
                   found->device_major, found->device_minor);
    return pix_bytes_append_text(text, numbers) || pix_bytes_append_text(text, found->inside) ||
                   pix_bytes_append_text(text, " ") || pix_bytes_append_text(text, found->point) ||
                   pix_bytes_append_text(text, "\n")
               ? PIX_ENOMEM
               : PIX_OK;
}

pix_status pix_mounts_describe(const char *folder, const pix_identity_sources *sources,
                               pix_bytes *text, pix_error *error) {
    const char *mountinfo = (sources ? sources : &kernel)->mountinfo;
    FILE *file;
    pix_status status = open_table(mountinfo, &file, error);
    if (!file)
        return status;
    char *line = NULL;
    size_t capacity = 0;
    pix_paths automounts = {0};
    mount found;
    while (!status && getline(&line, &capacity, file) > 0)
        if (parse_line(line, &found) && describe_line(&found, folder, &automounts, text))
            status = pix_fail_memory(error);
    status = close_table(mountinfo, file, status, error);
    pix_paths_free(&automounts);
    free(line);
    return status;
}
