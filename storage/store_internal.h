/* store_internal.h - the inside of a store, for the files of this folder. */
#ifndef PIX_STORAGE_STORE_INTERNAL_H
#define PIX_STORAGE_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "core/base/bytes.h"
#include "storage/id_set.h"
#include "storage/sql.h"
#include "storage/store.h"

/* A file system below a root that the run has met. */
typedef struct pix_met_mount {
    int64_t id;
    char *path;
} pix_met_mount;

/* (0, 0): none */
typedef struct pix_file_id {
    dev_t device;
    ino_t inode;
} pix_file_id;

struct pix_store {
    char *path;
    pix_store_mode mode;
    pix_file_id file; /* that was opened */
    pix_file_id log;  /* of a writer, with its path */
    char *log_path;
    char *left_at;         /* where a file is that was moved while a reader kept its log from it */
    int lock_fd;           /* -1 in a reader */
    pthread_mutex_t mutex; /* recursive: callbacks run with it held */
    sqlite3 *db;
    sqlite3_stmt *statements[PIX_SQL_COUNT]; /* prepared when first used */
    bool in_batch;
    int snapshots;        /* begun and not ended */
    bool snapshot_opened; /* the outermost began SQLite's transaction, too */
    pix_error failure;    /* status is not PIX_OK once a batch was lost */
    int64_t writing_id;   /* once something was changed: the store's row in the table */

    int64_t run_id; /* the open run, 0 for none */
    pix_id_set seen_images, seen_failures;
    pix_id_set came; /* photos that got their content in it, or returned */
    pix_id_set held; /* when the run began; may hold ids that no longer are */
    pix_met_mount *met;
    size_t met_count, met_capacity;

    pix_bytes row_text; /* of the last pix_store_photo_get */

    struct pix_vector_cache *caches; /* of the models */
    size_t cache_count;
    struct pix_pool *pool; /* of searches, once one was long enough to want it */
};

void pix_store_lock(pix_store *store);
void pix_store_unlock(pix_store *store);

/* How many of those who wrote the index remembers (table writing). */
enum { PIX_WRITINGS_KEPT = 1000 };

/* An empty file of mode 0600, if there is none; and the writer's lock on it, until *fd is closed.
 */
pix_status pix_store_make_file(const char *path, pix_error *error);
pix_status pix_store_take_lock(const char *path, int *fd, pix_error *error);

/* To be called before a change: begins the batch if need be. */
pix_status pix_store_change(pix_store *store, pix_error *error);

/* Loses the open batch because of `cause`; every later change is refused with that reason. */
void pix_store_give_up(pix_store *store, const pix_error *cause);

/* Fails unless `run_id` is the run begun last and not ended. */
pix_status pix_store_check_run(pix_store *store, int64_t run_id, pix_error *error);

/* Marks a photo as missing. */
pix_status pix_store_image_hide(pix_store *store, int64_t id, pix_error *error);

/* Fills store->held. */
pix_status pix_store_held_load(pix_store *store, pix_error *error);
/* Says that a photo is seen: it is held no longer. */
pix_status pix_store_held_release(pix_store *store, int64_t image_id, pix_error *error);

/* PIX_ENOTFOUND when there is no such model. */
pix_status pix_store_model_dimension(pix_store *store, int64_t model_id, int *dimension,
                                     pix_error *error);

#endif
