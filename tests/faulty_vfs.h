/* faulty_vfs.h - a disk that fails when told to, and that remembers what it was asked to write.
 *
 * Registered as SQLite's default, in front of the real one.  A call is a write, truncation, sync or
 * deletion, counted over all files.  The log can be replayed as a power failure would have left it.
 */
#ifndef PIX_TESTS_FAULTY_VFS_H
#define PIX_TESTS_FAULTY_VFS_H

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support.h"

typedef enum fault_kind { FAULT_WRITE, FAULT_TRUNCATE, FAULT_SYNC, FAULT_DELETE } fault_kind;

typedef struct fault_call {
    fault_kind kind;
    char file[64];          /* the last part of its name */
    sqlite3_int64 at, size; /* size of a deletion: 1 when its folder is synced, too */
    uint8_t *data;
    int committed; /* the test's, when the call was made */
} fault_call;

static struct faulty_disk {
    sqlite3_vfs *real;
    sqlite3_vfs shim;
    fault_call *log;
    size_t count, capacity;
    size_t fail_at;  /* which call of kind `only` fails, and every later one; 0: none */
    size_t of_kind;  /* such calls so far */
    int fail_with;   /* SQLite's code */
    fault_kind only; /* fails */
    int committed;
} disk;

typedef struct faulty_file {
    sqlite3_file base;
    const char *name;
    sqlite3_file *real;
} faulty_file;

#define REAL(file) (((faulty_file *)(file))->real)

static const char *last_part(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : "";
}

/* Notes the call; SQLITE_OK, or why it fails. */
static int note_call(fault_kind kind, const char *name, sqlite3_int64 at, const void *data,
                     sqlite3_int64 size) {
    if (!name[0]) /* a temporary file, which nobody will miss */
        return SQLITE_OK;
    if (disk.count == disk.capacity) {
        disk.capacity = disk.capacity ? 2 * disk.capacity : 1024;
        disk.log = realloc(disk.log, disk.capacity * sizeof *disk.log);
        assert_non_null(disk.log);
    }
    fault_call *call = &disk.log[disk.count++];
    *call = (fault_call){.kind = kind, .at = at, .size = size, .committed = disk.committed};
    (void)snprintf(call->file, sizeof call->file, "%s", name);
    if (data) {
        call->data = malloc((size_t)size + 1);
        assert_non_null(call->data);
        memcpy(call->data, data, (size_t)size);
    }
    disk.of_kind += kind == disk.only;
    return disk.fail_at && disk.of_kind >= disk.fail_at && kind == disk.only ? disk.fail_with
                                                                             : SQLITE_OK;
}

static int on_close(sqlite3_file *file) {
    int result = REAL(file)->pMethods->xClose(REAL(file));
    free(REAL(file));
    return result;
}
static int on_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at) {
    return REAL(file)->pMethods->xRead(REAL(file), data, size, at);
}
static int on_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at) {
    int result = note_call(FAULT_WRITE, ((faulty_file *)file)->name, at, data, size);
    return result ? result : REAL(file)->pMethods->xWrite(REAL(file), data, size, at);
}
static int on_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int result = note_call(FAULT_TRUNCATE, ((faulty_file *)file)->name, size, NULL, 0);
    return result ? result : REAL(file)->pMethods->xTruncate(REAL(file), size);
}
static int on_sync(sqlite3_file *file, int flags) {
    int result = note_call(FAULT_SYNC, ((faulty_file *)file)->name, 0, NULL, 0);
    (void)flags; /* the real disk may be lazy */
    return result;
}
static int on_size(sqlite3_file *file, sqlite3_int64 *size) {
    return REAL(file)->pMethods->xFileSize(REAL(file), size);
}
static int on_lock(sqlite3_file *file, int kind) {
    return REAL(file)->pMethods->xLock(REAL(file), kind);
}
static int on_unlock(sqlite3_file *file, int kind) {
    return REAL(file)->pMethods->xUnlock(REAL(file), kind);
}
static int on_check(sqlite3_file *file, int *out) {
    return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}
static int on_control(sqlite3_file *file, int what, void *argument) {
    return REAL(file)->pMethods->xFileControl(REAL(file), what, argument);
}
static int on_sector(sqlite3_file *file) {
    return REAL(file)->pMethods->xSectorSize(REAL(file));
}
static int on_traits(sqlite3_file *file) {
    (void)file;
    return 0; /* a disk that promises nothing */
}
static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
    return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, out);
}
static int on_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    return REAL(file)->pMethods->xShmLock(REAL(file), offset, count, flags);
}
static void on_shm_barrier(sqlite3_file *file) {
    REAL(file)->pMethods->xShmBarrier(REAL(file));
}
static int on_shm_unmap(sqlite3_file *file, int drop) {
    return REAL(file)->pMethods->xShmUnmap(REAL(file), drop);
}

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *got) {
    static const sqlite3_io_methods methods = {
        2,           on_close,       on_read,      on_write,   on_truncate, on_sync,   on_size,
        on_lock,     on_unlock,      on_check,     on_control, on_sector,   on_traits, on_shm_map,
        on_shm_lock, on_shm_barrier, on_shm_unmap, NULL,       NULL};
    faulty_file *f = (faulty_file *)file;
    (void)vfs;
    f->base.pMethods = NULL;
    f->name = last_part(name);
    f->real = calloc(1, (size_t)disk.real->szOsFile);
    if (!f->real)
        return SQLITE_NOMEM;
    int result = disk.real->xOpen(disk.real, name, f->real, flags, got);
    if (result == SQLITE_OK)
        f->base.pMethods = &methods;
    else
        free(f->real);
    return result;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    (void)vfs;
    int result = note_call(FAULT_DELETE, last_part(name), 0, NULL, sync);
    return result ? result : disk.real->xDelete(disk.real, name, sync);
}

static inline void disk_insert(void) {
    disk.real = sqlite3_vfs_find(NULL);
    disk.shim = *disk.real;
    disk.shim.zName = "faulty";
    disk.shim.szOsFile = sizeof(faulty_file);
    disk.shim.pNext = NULL;
    disk.shim.xOpen = on_open;
    disk.shim.xDelete = on_delete;
    assert_int_equal(sqlite3_vfs_register(&disk.shim, 1), SQLITE_OK);
}

static inline void disk_forget(void) {
    for (size_t i = 0; i < disk.count; i++)
        free(disk.log[i].data);
    free(disk.log);
    disk.log = NULL;
    disk.count = disk.capacity = disk.fail_at = disk.of_kind = 0;
    disk.committed = 0;
}

static inline void disk_remove(void) {
    assert_int_equal(sqlite3_vfs_unregister(&disk.shim), SQLITE_OK);
    disk_forget();
}

#endif
