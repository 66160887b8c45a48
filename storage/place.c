/* Whether the index is still where it was opened: a person may put another file in its place, or
 * remove it, and what is written from then on is lost with the old one. */
#include "storage/place.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEAVE_TIMEOUT_MS = 1000 };

static pix_file_id identify(const char *path) {
    struct stat info;
    if (stat(path, &info))
        return (pix_file_id){0};
    return (pix_file_id){.device = info.st_dev, .inode = info.st_ino};
}

static bool is_same(const pix_file_id *a, const pix_file_id *b) {
    return a->device == b->device && a->inode == b->inode;
}

void pix_place_note(pix_store *store) {
    store->file = identify(store->path);
}

void pix_place_note_side_files(pix_store *store) {
    const char *log = sqlite3_filename_wal(sqlite3_db_filename(store->db, NULL));
    store->log = identify(log);
    free(store->log_path);
    store->log_path = strdup(log);
}

pix_store_place pix_store_place_get(const pix_store *store) {
    errno = 0;
    pix_file_id now = identify(store->path);
    if (now.inode == 0)
        return errno == ENOENT || errno == ENOTDIR ? PIX_STORE_REMOVED : PIX_STORE_IN_PLACE;
    return is_same(&now, &store->file) ? PIX_STORE_IN_PLACE : PIX_STORE_REPLACED;
}

pix_status pix_place_check(const pix_store *store, pix_error *error) {
    switch (pix_store_place_get(store)) {
    case PIX_STORE_REMOVED:
        return pix_fail(error, PIX_EMISMATCH, "%s: was removed", store->path);
    case PIX_STORE_REPLACED:
        return pix_fail(error, PIX_EMISMATCH, "%s: another file is in its place", store->path);
    case PIX_STORE_IN_PLACE:
        break;
    }
    return PIX_OK;
}

/* Where the open file is now, or NULL: it was removed. */
static char *find_file(const pix_store *store) {
    DIR *open_files = opendir("/proc/self/fd");
    char path[PATH_MAX], *found = NULL;
    for (const struct dirent *entry; open_files && !found && (entry = readdir(open_files));) {
        ssize_t size = readlinkat(dirfd(open_files), entry->d_name, path, sizeof path - 1);
        if (size <= 0)
            continue;
        path[size] = '\0';
        pix_file_id there = identify(path);
        if (there.inode && is_same(&there, &store->file))
            found = strdup(path);
    }
    if (open_files)
        (void)closedir(open_files);
    return found;
}

void pix_place_leave(pix_store *store) {
    int in_log = 0, in_file = 0;
    (void)sqlite3_busy_timeout(store->db, LEAVE_TIMEOUT_MS);
    int result =
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_FULL, &in_log, &in_file);
    if (result != SQLITE_OK || in_log != in_file)
        store->left_at = find_file(store);
}

/* Gives the log to the file that was moved without it, in the place of what others made there to
 * read it; or else a name under which nobody takes it for that of another file. */
static bool keep_log(const pix_store *store) {
    struct stat info;
    char *to = NULL, *index = NULL, *left = NULL;
    bool kept = asprintf(&to, "%s-wal", store->left_at) > 0 &&
                (stat(to, &info) || info.st_size == 0) && !rename(store->log_path, to);
    if (kept && asprintf(&index, "%s-shm", store->left_at) > 0)
        (void)unlink(index);
    kept =
        kept || (asprintf(&left, "%s.left", store->log_path) > 0 && !rename(store->log_path, left));
    free(to);
    free(index);
    free(left);
    return kept;
}

void pix_place_drop_side_files(const pix_store *store) {
    size_t size = store->log_path ? strlen(store->log_path) : 0;
    if (size < 4)
        return;
    pix_file_id now = identify(store->log_path);
    if (now.inode == 0 || !is_same(&now, &store->log))
        return;
    if (!store->left_at || !keep_log(store))
        (void)unlink(store->log_path);
    memcpy(store->log_path + size - 4, "-shm", 4);
    (void)unlink(store->log_path);
}
