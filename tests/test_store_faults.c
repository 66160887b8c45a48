/* What is left of an index when its disk fails at any moment, or the power does: everything that
 * was committed.  PIXGREP_TEST_ROUNDS=N plays every power failure N times, with other luck. */
#include <stdio.h>
#include <unistd.h>

#include "storage/store.h"
#include "storage/vector_index.h"
#include "tests/faulty_vfs.h"
#include "tests/store_writer.h"

enum { DIMENSION = 512, BATCH = 2, BATCHES = 4, SECTOR = 512 };

static const pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};

static pix_status put_photo(writer *w, int number) {
    uint8_t hash[PIX_SHA256_BYTES] = {0};
    memcpy(hash, &number, sizeof number);
    float vector[DIMENSION] = {0};
    vector[number % DIMENSION] = 1;
    char path[64];
    (void)snprintf(path, sizeof path, "/p/%d.jpg", number);
    pix_status status =
        pix_store_content_put(w->store, &w->recipe, hash, &facts, vector, DIMENSION, &w->error);
    if (!status)
        status = pix_store_photo_put(w->store, w->run, w->root, path, number, 1, hash, &w->error);
    return status;
}

/* A run of batches, closed and opened again half-way; disk.committed follows what is committed. */
static pix_status work(const char *path, pix_error *error) {
    writer w;
    pix_status status = open_writer(&w, path, DIMENSION);
    for (int batch = 0; batch < BATCHES && !status; batch++) {
        for (int i = 0; i < BATCH && !status; i++)
            status = put_photo(&w, batch * BATCH + i);
        if (!status)
            status = pix_store_commit(w.store, &w.error);
        if (!status)
            disk.committed = (batch + 1) * BATCH;
        if (!status && batch == BATCHES / 2) {
            pix_store_close(w.store);
            status = open_writer(&w, path, DIMENSION);
        }
    }
    *error = w.error;
    pix_store_close(w.store);
    return status;
}

/* The index is sound and has the first `committed` photos with their vectors, and no half batch. */
static void examine(const char *path, int committed, const char *what, size_t call) {
    writer w;
    sqlite3 *db;
    sqlite3_stmt *statement;
    if (open_writer(&w, path, DIMENSION))
        fail_msg("%s at call %zu: %s", what, call, w.error.text);
    pix_store_totals totals;
    assert_ok(pix_store_totals_get(w.store, &totals, &w.error), &w.error);
    if (totals.photos < committed || totals.photos > committed + BATCH || totals.photos % BATCH)
        fail_msg("%s at call %zu: %d photos, %d were committed", what, call, (int)totals.photos,
                 committed);
    for (int i = 0; i < (int)totals.photos; i++) {
        char name[64];
        pix_photo_state seen;
        (void)snprintf(name, sizeof name, "/p/%d.jpg", i);
        assert_ok(pix_store_photo_see(w.store, w.run, &w.recipe, name, i, 1, &seen, &w.error),
                  &w.error);
        if (seen != PIX_PHOTO_UNCHANGED)
            fail_msg("%s at call %zu: photo %d is not as it was", what, call, i);
    }
    pix_store_close(w.store);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0)
        fail_msg("%s at call %zu: %s", what, call, sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static const char *fresh_path(void) {
    static char path[128];
    static const char *folder;
    if (!folder)
        folder = test_folder();
    static const char *const files[] = {"index.db", "index.db-wal", "index.db-shm",
                                        "index.db-journal", "index.db.lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s/index.db", folder);
    return path;
}

/* From the N-th call of that kind on the disk fails, for every N. */
static void fail_everywhere(const char *what, fault_kind kind, int code) {
    size_t times = 0;
    pix_error error;
    for (size_t n = 1;; n++) {
        const char *path = fresh_path();
        disk_insert();
        disk.fail_at = n;
        disk.fail_with = code;
        disk.only = kind;
        pix_status status = work(path, &error);
        int committed = disk.committed;
        bool reached = disk.of_kind >= n;
        disk_remove();
        if (status && (strlen(error.text) < 5 || strchr(error.text, '\n')))
            fail_msg("%s at call %zu: the reason is \"%s\"", what, n, error.text);
        if (!status)
            assert_int_equal(committed, BATCH * BATCHES);
        examine(path, committed, what, n);
        if (!reached)
            break;
        times++;
    }
    print_message("FAULT %s: injected %zu times, 0 rows lost\n", what, times);
    assert_true(times > 0);
}

static void a_write_that_fails_loses_nothing(void **state) {
    (void)state;
    fail_everywhere("EIO on write", FAULT_WRITE, SQLITE_IOERR_WRITE);
}

static void a_full_disk_loses_nothing(void **state) {
    (void)state;
    fail_everywhere("ENOSPC on write", FAULT_WRITE, SQLITE_FULL);
}

static void a_sync_that_fails_loses_nothing(void **state) {
    (void)state;
    fail_everywhere("EIO on fsync", FAULT_SYNC, SQLITE_IOERR_FSYNC);
}

static void a_truncation_that_fails_loses_nothing(void **state) {
    (void)state;
    fail_everywhere("EIO on ftruncate", FAULT_TRUNCATE, SQLITE_IOERR_TRUNCATE);
}

static void a_deletion_that_fails_loses_nothing(void **state) {
    (void)state;
    fail_everywhere("EIO on unlink", FAULT_DELETE, SQLITE_IOERR_DELETE);
}

typedef struct image {
    char name[64];
    uint8_t *bytes;
    size_t size;
    bool exists;
} image;

static image *image_of(image *images, size_t *count, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(images[i].name, name) == 0)
            return &images[i];
    image *new = &images[(*count)++];
    assert_true(*count <= 8);
    *new = (image){.bytes = NULL};
    (void)snprintf(new->name, sizeof new->name, "%s", name);
    return new;
}

static void grow(image *file, size_t size) {
    if (size <= file->size)
        return;
    file->bytes = realloc(file->bytes, size);
    assert_non_null(file->bytes);
    memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

/* Applies a call; of one that was not synced, each sector only with luck. */
static void apply(image *file, const fault_call *call, bool synced) {
    if (!synced && call->kind != FAULT_WRITE && rand() % 2)
        return;
    file->exists = call->kind != FAULT_DELETE;
    if (call->kind == FAULT_DELETE)
        file->size = 0;
    if (call->kind == FAULT_TRUNCATE && (size_t)call->at < file->size)
        file->size = (size_t)call->at;
    if (call->kind != FAULT_WRITE)
        return;
    for (size_t at = 0; at < (size_t)call->size; at += SECTOR) {
        size_t part = (size_t)call->size - at < SECTOR ? (size_t)call->size - at : SECTOR;
        if (!synced && rand() % 2)
            continue;
        grow(file, (size_t)call->at + at + part);
        memcpy(file->bytes + call->at + at, call->data + at, part);
    }
}

/* SQLite syncs the folder with the first sync of a journal or log that it has made. */
static bool syncs_folder(size_t at) {
    const fault_call *call = &disk.log[at];
    if (call->kind != FAULT_SYNC || !strchr(call->file, '-'))
        return false;
    for (size_t i = at; i-- > 0;)
        if (strcmp(disk.log[i].file, call->file) == 0 && disk.log[i].kind == FAULT_SYNC)
            return false;
        else if (strcmp(disk.log[i].file, call->file) == 0 && disk.log[i].kind == FAULT_DELETE)
            return true;
    return true;
}

/* Whether the first `calls` made call `at` durable. */
static bool is_durable(size_t at, size_t calls) {
    const fault_call *call = &disk.log[at];
    for (size_t i = at + 1; i < calls; i++)
        if (call->kind == FAULT_DELETE
                ? syncs_folder(i)
                : disk.log[i].kind == FAULT_SYNC && strcmp(disk.log[i].file, call->file) == 0)
            return true;
    return call->kind == FAULT_DELETE && call->size;
}

/* What the power failure after the first `calls` leaves: all that was synced by then, and of the
 * rest what luck would have it. */
static void leave_behind(const char *path, size_t calls) {
    image images[8];
    size_t count = 0;
    for (size_t i = 0; i < calls; i++) {
        const fault_call *call = &disk.log[i];
        if (call->kind != FAULT_SYNC)
            apply(image_of(images, &count, call->file), call, is_durable(i, calls));
    }
    const char *base = fresh_path();
    assert_string_equal(base, path);
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    for (size_t i = 0; i < count; i++) {
        char name[1024];
        (void)snprintf(name, sizeof name, "%s/%s", folder, images[i].name);
        if (images[i].exists)
            test_write_file(name, images[i].bytes ? (const void *)images[i].bytes : "",
                            images[i].size);
        free(images[i].bytes);
    }
}

static void a_power_failure_at_any_moment_loses_nothing(void **state) {
    (void)state;
    const char *wish = getenv("PIXGREP_TEST_ROUNDS");
    int rounds = wish ? atoi(wish) : 1;
    pix_error error;
    const char *path = fresh_path();
    srand(7);
    disk_insert();
    assert_ok(work(path, &error), &error);
    assert_int_equal(sqlite3_vfs_unregister(&disk.shim), SQLITE_OK);
    size_t times = 0;
    for (size_t calls = 0; calls <= disk.count; calls++)
        for (int round = 0; round < rounds; round++, times++) {
            int committed = calls < disk.count ? disk.log[calls].committed : BATCH * BATCHES;
            leave_behind(path, calls);
            examine(path, committed, "power failure", calls);
        }
    print_message("FAULT power failure: injected %zu times, 0 rows lost\n", times);
    assert_true(times > 100);
    disk_forget();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails_loses_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_sync_that_fails_loses_nothing),
        cmocka_unit_test(a_truncation_that_fails_loses_nothing),
        cmocka_unit_test(a_deletion_that_fails_loses_nothing),
        cmocka_unit_test(a_power_failure_at_any_moment_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
