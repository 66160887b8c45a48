/* Whether the index is still where it was opened: a person may put another file in its place, or
 * remove it, and what is written from then on is lost with the old one. */
#include "storage/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

void pix_place_leave(pix_store *store) {
    (void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);
}

void pix_place_drop_side_files(const pix_store *store) {
    size_t size = store->log_path ? strlen(store->log_path) : 0;
    if (size < 4)
        return;
    pix_file_id now = identify(store->log_path);
    if (now.inode == 0 || !is_same(&now, &store->log))
        return;
    (void)unlink(store->log_path);
    memcpy(store->log_path + size - 4, "-shm", 4);
    (void)unlink(store->log_path);
}
