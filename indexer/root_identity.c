#include "indexer/root_identity.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "indexer/paths.h"

/* One line of mountinfo (proc(5)); the strings point into the line, unescaped in place. */
typedef struct mount {
    unsigned device_major, device_minor;
    char *point, *type, *source;
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
    out->point = fields[4];
    unescape(out->point);
    unescape(out->source);
    return true;
}

/* The mount that covers `folder`: the longest mount point, the last of equals, since later mounts
 * hide earlier ones.  *line is heap memory that `found` points into, NULL when there is none. */
static void find_mount(const char *mountinfo, const char *folder, char **line, mount *found) {
    *line = NULL;
    FILE *file = fopen(mountinfo, "re");
    if (!file)
        return;
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, file) > 0) {
        mount candidate;
        if (!parse_line(text, &candidate) || !pix_path_is_within(folder, candidate.point) ||
            (*line && strlen(candidate.point) < strlen(found->point)))
            continue;
        free(*line);
        *line = text;
        *found = candidate;
        text = NULL;
        capacity = 0;
    }
    free(text);
    (void)fclose(file);
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

pix_status pix_root_identify(const char *folder, const pix_identity_sources *sources,
                             pix_root_identity *out, pix_error *error) {
    static const pix_identity_sources kernel = {"/proc/self/mountinfo", "/dev/disk/by-uuid"};
    if (!sources)
        sources = &kernel;
    *out = (pix_root_identity){.text = "unknown"};
    char *path = realpath(folder, NULL);
    if (!path)
        return pix_fail_errno(error, "%s", folder);
    char *line;
    mount found = {0};
    find_mount(sources->mountinfo, path, &line, &found);
    if (line) {
        out->is_mount = strcmp(path, found.point) == 0;
        /* btrfs reports an anonymous device: the source, when it is a block device, knows better */
        struct stat info;
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
