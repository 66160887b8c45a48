#include "indexer/spelling.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

void pix_spelling_free(pix_spelling *spelling) {
    pix_bytes_free(&spelling->folder);
    pix_paths_free(&spelling->names);
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether the folder could have another name in mind: it is not ASCII, or the file is found with
 * its capitals and small letters exchanged as well. */
static pix_status is_ambiguous(const char *path, size_t folder_size, bool *ambiguous) {
    char *other = strdup(path);
    if (!other)
        return PIX_ENOMEM;
    bool letters = false, ascii = true;
    for (char *c = other + folder_size; *c; c++) {
        ascii &= (unsigned char)*c < 0x80;
        letters |= is_letter(*c);
        if (is_letter(*c))
            *c ^= 'a' ^ 'A';
    }
    struct stat info;
    *ambiguous = !ascii || (letters && lstat(other, &info) == 0);
    free(other);
    return PIX_OK;
}

/* Lists the folder that the first `size` bytes of the path name, with its slash. */
static pix_status list(pix_spelling *spelling, const char *path, size_t size) {
    if (spelling->folder.size == size && memcmp(spelling->folder.data, path, size) == 0)
        return PIX_OK;
    pix_paths_free(&spelling->names);
    pix_bytes_clear(&spelling->folder);
    if (pix_bytes_append(&spelling->folder, path, size))
        return PIX_ENOMEM;
    DIR *stream = opendir(spelling->folder.data);
    const struct dirent *entry;
    pix_status status = PIX_OK;
    while (stream && !status && (entry = readdir(stream)))
        status = pix_paths_add(&spelling->names, entry->d_name);
    if (stream)
        closedir(stream);
    pix_paths_sort(&spelling->names);
    return status;
}

/* The listed name of the file at `path`, which is not listed as such. */
static const char *find_other(const pix_spelling *spelling, const char *path, const char *name) {
    struct stat wanted, info;
    if (lstat(path, &wanted))
        return NULL;
    const pix_paths *names = &spelling->names;
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->items[i], name) == 0)
            return names->items[i];
    for (size_t i = 0; i < names->count; i++) {
        pix_bytes other = {0};
        bool same = !pix_bytes_append(&other, path, (size_t)(name - path)) &&
                    !pix_bytes_append_text(&other, names->items[i]) &&
                    lstat(other.data, &info) == 0 && info.st_dev == wanted.st_dev &&
                    info.st_ino == wanted.st_ino;
        pix_bytes_free(&other);
        if (same)
            return names->items[i];
    }
    return NULL;
}

pix_status pix_spelling_look_up(pix_spelling *spelling, const char *path, const char **name) {
    *name = strrchr(path, '/') + 1;
    size_t folder_size = (size_t)(*name - path);
    bool ambiguous;
    if (is_ambiguous(path, folder_size, &ambiguous))
        return PIX_ENOMEM;
    if (!ambiguous)
        return PIX_OK;
    if (list(spelling, path, folder_size))
        return PIX_ENOMEM;
    if (spelling->names.count > 0 && !pix_paths_has(&spelling->names, *name))
        *name = find_other(spelling, path, *name);
    return PIX_OK;
}

pix_status pix_spelling_is_right(pix_spelling *spelling, const char *path, const char *folder,
                                 bool *right) {
    *right = true;
    char *part = strdup(path);
    if (!part)
        return PIX_ENOMEM;
    pix_status status = PIX_OK;
    while (!status && *right && strcmp(part, folder) != 0 && part[1]) {
        const char *name;
        status = pix_spelling_look_up(spelling, part, &name);
        char *last = strrchr(part, '/');
        *right = name == last + 1;
        last[last == part ? 1 : 0] = '\0';
    }
    free(part);
    return status;
}
