#include "storage/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/tensor/pool.h"
#include "storage/database.h"
#include "storage/mounts.h"
#include "storage/place.h"
#include "storage/statement.h"
#include "storage/vector_cache.h"

void pix_store_lock(pix_store *store) {
    pthread_mutex_lock(&store->mutex);
}

void pix_store_unlock(pix_store *store) {
    pthread_mutex_unlock(&store->mutex);
}

static pix_status make_folder_of(const char *path, pix_error *error) {
    char *folder = strdup(path);
    if (!folder)
        return pix_fail_memory(error);
    char *slash = strrchr(folder, '/');
    pix_status status = PIX_OK;
    if (slash && slash != folder) {
        *slash = '\0';
        status = pix_folder_make(folder, error);
    }
    free(folder);
    return status;
}

/* Makes an empty file of mode 0600 (SQLite gives its side files the same) if there is none.  An
 * existing one is not even opened here: closing it would drop the locks that SQLite may hold on it
 * elsewhere in this process. */
pix_status pix_store_make_file(const char *path, pix_error *error) {
    pix_status status = make_folder_of(path, error);
    if (status)
        return status;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return pix_fail_errno(error, "cannot create %s", path);
    if (fd >= 0)
        close(fd);
    return PIX_OK;
}

/* Takes the writer's lock: flock on a file beside the real index, whatever link led to it.  The
 * file stays; removing it would let two writers lock different ones. */
pix_status pix_store_take_lock(const char *path, int *fd, pix_error *error) {
    char real[PATH_MAX];
    if (!realpath(path, real))
        return pix_fail_errno(error, "%s", path);
    char *name = NULL;
    if (asprintf(&name, "%s.lock", real) < 0)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        status = pix_fail_errno(error, "cannot open %s", name);
    else if (flock(*fd, LOCK_EX | LOCK_NB))
        status = errno == EWOULDBLOCK
                     ? pix_fail(error, PIX_EBUSY, "%s: another pixgrepd is writing", path)
                     : pix_fail_errno(error, "cannot lock %s", name);
    free(name);
    return status;
}

/* What a killed process left beside the index, of a new .pixv file or of salvage. */
static void drop_remains(const char *path) {
    char real[PATH_MAX], name[PATH_MAX + sizeof ".salvaged"];
    if (!realpath(path, real))
        return;
    char *slash = strrchr(real, '/');
    *slash = '\0'; /* nothing is in the root folder */
    (void)snprintf(name, sizeof name, "%s.salvaged", slash + 1);
    pix_remains_drop(real, name, "");
    size_t length = strlen(slash + 1);
    if (length > 3 && strcmp(slash + 1 + length - 3, ".db") == 0)
        length -= 3;
    (void)snprintf(name, sizeof name, "%.*s.", (int)length, slash + 1);
    pix_remains_drop(real, name, ".pixv.tmp");
}

static void init_mutex(pthread_mutex_t *mutex) {
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
}

static pix_status open_reader(pix_store *store, pix_error *error) {
    pix_place_note(store);
    return pix_database_open_reader(store->path, &store->db, error);
}

static pix_status open_writer(pix_store *store, pix_error *error) {
    pix_status status;
    if ((status = pix_store_make_file(store->path, error)) ||
        (status = pix_database_check(store->path, error)) ||
        (status = pix_store_take_lock(store->path, &store->lock_fd, error)))
        return status;
    drop_remains(store->path);
    pix_place_note(store);
    status = pix_database_open_writer(store->path, &store->db, error);
    if (!status)
        pix_place_note_side_files(store);
    return status;
}

pix_status pix_store_open(const char *path, pix_store_mode mode, pix_store **out,
                          pix_error *error) {
    *out = NULL;
    pix_store *store = calloc(1, sizeof *store);
    if (!store)
        return pix_fail_memory(error);
    store->mode = mode;
    store->lock_fd = -1;
    init_mutex(&store->mutex);
    pix_status status = PIX_OK;
    store->path = strdup(path);
    if (!store->path)
        status = pix_fail_memory(error);
    else if (mode == PIX_STORE_READ)
        status = open_reader(store, error);
    else
        status = open_writer(store, error);
    if (status) {
        pix_store_close(store);
        return status;
    }
    *out = store;
    return PIX_OK;
}

static void roll_back(pix_store *store) {
    if (store->in_batch && !sqlite3_get_autocommit(store->db))
        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store->in_batch = false;
}

void pix_store_close(pix_store *store) {
    if (!store)
        return;
    roll_back(store);
    pix_vector_caches_close(store);
    pix_pool_free(store->pool);
    for (int i = 0; i < PIX_SQL_COUNT; i++)
        (void)sqlite3_finalize(store->statements[i]);
    bool left = store->mode == PIX_STORE_WRITE && store->db &&
                pix_store_place_get(store) != PIX_STORE_IN_PLACE;
    if (left)
        pix_place_leave(store);
    (void)sqlite3_close(store->db);
    if (left)
        pix_place_drop_side_files(store);
    if (store->lock_fd >= 0)
        close(store->lock_fd); /* last: until now the file was ours alone */
    pix_id_set_free(&store->seen_images);
    pix_id_set_free(&store->seen_failures);
    pix_id_set_free(&store->came);
    pix_id_set_free(&store->held);
    pix_mounts_forget(store);
    pix_bytes_free(&store->row_text);
    pthread_mutex_destroy(&store->mutex);
    free(store->log_path);
    free(store->left_at);
    free(store->path);
    free(store);
}

static pix_status begin_snapshot(pix_store *store, pix_error *error) {
    pix_status status = pix_vector_caches_refresh(store, error);
    if (status || !sqlite3_get_autocommit(store->db))
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_SNAPSHOT_BEGIN);
    status = pix_statement_run(&s, error);
    store->snapshot_opened = !status;
    return status;
}

pix_status pix_store_snapshot_begin(pix_store *store, pix_error *error) {
    pix_store_lock(store);
    pix_status status = PIX_OK;
    if (store->snapshots == 0)
        status = begin_snapshot(store, error);
    if (status) {
        pix_store_unlock(store);
        return status;
    }
    store->snapshots++;
    return PIX_OK;
}

void pix_store_snapshot_end(pix_store *store) {
    if (--store->snapshots == 0 && store->snapshot_opened) {
        pix_statement s = pix_statement_begin(store, PIX_SQL_COMMIT);
        (void)pix_statement_run(&s, NULL);
        store->snapshot_opened = false;
    }
    pix_store_unlock(store);
}

/* Why nothing can be changed, if so. */
static pix_status check_writable(pix_store *store, pix_error *error) {
    if (store->mode != PIX_STORE_WRITE)
        return pix_fail(error, PIX_EINVALID, "%s: opened for reading only", store->path);
    if (store->failure.status)
        return pix_fail(error, store->failure.status,
                        "%s (what was not yet committed is lost; open the index again)",
                        store->failure.text);
    if (store->snapshots > 0)
        return pix_fail(error, PIX_EINVALID, "%s: a change inside a snapshot", store->path);
    return PIX_OK;
}

/* Gives the state that the batch leads to its name. */
static pix_status name_state(pix_store *store, pix_error *error) {
    if (store->writing_id) {
        pix_statement s = pix_statement_begin(store, PIX_SQL_WRITING_GO_ON);
        pix_bind_integer(&s, store->writing_id);
        return pix_statement_run(&s, error);
    }
    pix_statement s = pix_statement_begin(store, PIX_SQL_WRITING_BEGIN);
    pix_status status = pix_statement_run(&s, error);
    if (status)
        return status;
    store->writing_id = sqlite3_last_insert_rowid(store->db);
    s = pix_statement_begin(store, PIX_SQL_WRITING_FORGET);
    pix_bind_integer(&s, store->writing_id);
    pix_bind_integer(&s, PIX_WRITINGS_KEPT);
    return pix_statement_run(&s, error);
}

bool pix_store_has_failed(const pix_store *store) {
    return store->failure.status != PIX_OK;
}

pix_status pix_store_change(pix_store *store, pix_error *error) {
    pix_status status = check_writable(store, error);
    if (status || store->in_batch)
        return status;
    pix_statement s = pix_statement_begin(store, PIX_SQL_BEGIN);
    status = pix_statement_run(&s, error);
    store->in_batch = !status;
    return status ? status : name_state(store, error);
}

void pix_store_give_up(pix_store *store, const pix_error *cause) {
    store->failure = *cause;
    roll_back(store);
}

pix_status pix_store_check_run(pix_store *store, int64_t run_id, pix_error *error) {
    pix_status status = check_writable(store, error);
    if (!status && (run_id == 0 || run_id != store->run_id))
        status = pix_fail(error, PIX_EINVALID, "%s: run %lld is not the open one", store->path,
                          (long long)run_id);
    return status;
}

void pix_store_undo(pix_store *store) {
    pix_store_lock(store);
    if (store->in_batch)
        store->writing_id = 0; /* perhaps it was the first batch that had the row */
    roll_back(store);
    pix_store_unlock(store);
}

pix_status pix_store_commit(pix_store *store, pix_error *error) {
    pix_store_lock(store);
    pix_status status = check_writable(store, error);
    pix_error cause;
    if (!status && store->in_batch && (status = pix_place_check(store, &cause))) {
        pix_store_give_up(store, &cause);
        status = pix_fail(error, status, "%s", cause.text);
    } else if (!status && store->in_batch) {
        pix_statement s = pix_statement_begin(store, PIX_SQL_COMMIT);
        status = pix_statement_run(&s, error);
        if (!status)
            store->in_batch = false;
    }
    pix_store_unlock(store);
    return status;
}
