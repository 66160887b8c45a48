#include "indexer/spelling.h"

#include <dirent.h>
#include <errno.h>
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

/* Exchanges capitals and small letters; false when there are none. */
static bool swap_letters(char *text) {
    bool letters = false;
    for (char *c = text; *c; c++) {
        letters |= is_letter(*c);
        if (is_letter(*c))
            *c ^= 'a' ^ 'A';
    }
    return letters;
}

/* Whether the folder could have another name in mind: it is not ASCII, or the file is found with
 * its letters exchanged as well. */
static pix_status is_ambiguous(const char *path, size_t folder_size, bool *ambiguous) {
    struct stat info;
    for (const char *c = path + folder_size; *c; c++)
        if ((*ambiguous = (unsigned char)*c >= 0x80))
            return PIX_OK;
    char *other = strdup(path);
    if (!other)
        return PIX_ENOMEM;
    *ambiguous = swap_letters(other + folder_size) && lstat(other, &info) == 0;
    free(other);
    return PIX_OK;
}

/* Lists the folder that the first `size` bytes of the path name, with its slash; no names when it
 * cannot be listed to its end. */
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
    errno = 0;
    while (stream && !status && (entry = readdir(stream)))
        status = pix_paths_add(&spelling->names, entry->d_name);
    if (errno) /* some of them tell nothing of the others */
        pix_paths_free(&spelling->names);
    if (stream)
        closedir(stream);
    pix_paths_sort(&spelling->names);
    return status;
}

/* The listed name of the file at `path`, which is not listed as such; NULL when it is not there.
 */
static const char *find_other(const pix_spelling *spelling, const char *path, const char *name) {
    struct stat wanted, info;
    if (lstat(path, &wanted))
        return errno == ENOENT ? NULL : name;
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

char *pix_spelling_correct(const char *path) {
    pix_spelling spelling = {0};
    pix_bytes out = {0};
    pix_status status = pix_bytes_append_text(&out, path[0] && !path[1] ? "/" : "");
    for (const char *at = path; !status && *at && at[1]; at += strcspn(at + 1, "/") + 1) {
        size_t folder_size = out.size + 1;
        status = pix_bytes_append(&out, at, strcspn(at + 1, "/") + 1);
        const char *name = NULL;
        if (!status)
            status = pix_spelling_look_up(&spelling, out.data, &name);
        if (status || !name || name == out.data + folder_size)
            continue;
        out.size = folder_size;
        status = pix_bytes_append_text(&out, name);
    }
    pix_spelling_free(&spelling);
    if (status)
        pix_bytes_free(&out);
    return out.data;
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

/* Whether the folder finds its first file that has letters when they are exchanged, too. */
static pix_status is_folding(const pix_spelling *spelling, bool *folding) {
    *folding = false;
    for (size_t i = 0; i < spelling->names.count; i++) {
        pix_bytes other = {0};
        struct stat info;
        if (pix_bytes_append(&other, spelling->folder.data, spelling->folder.size) ||
            pix_bytes_append_text(&other, spelling->names.items[i])) {
            pix_bytes_free(&other);
            return PIX_ENOMEM;
        }
        char *name = other.data + spelling->folder.size;
        bool letters = swap_letters(name);
        *folding =
            letters && !pix_paths_has(&spelling->names, name) && lstat(other.data, &info) == 0;
        pix_bytes_free(&other);
        if (letters)
            break;
    }
    return PIX_OK;
}

pix_status pix_spelling_is_lost(pix_spelling *spelling, const char *path, bool *lost) {
    struct stat info;
    *lost = false;
    if (lstat(path, &info) == 0)
        return PIX_OK;
    if (list(spelling, path, (size_t)(strrchr(path, '/') + 1 - path)))
        return PIX_ENOMEM;
    return is_folding(spelling, lost);
}
