/* store.h - the index: which photos there are, what is known of each, and their vectors.
 *
 * A store opened for writing is the only writer (a lock that dies with its process); any number of
 * readers may look on while it writes.  Changes belong to a batch: they become visible and durable
 * together at pix_store_commit, and a crash loses at most the open batch.  Every function may be
 * called from any thread: the store locks itself.  Callbacks run inside that lock; they may use the
 * store, but must not wait for another thread that does.  Returned ids are stable for the life of
 * the file. */
#ifndef PIX_STORAGE_STORE_H
#define PIX_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/sha256.h"

typedef struct pix_store pix_store;

typedef enum pix_store_mode { PIX_STORE_READ, PIX_STORE_WRITE } pix_store_mode;

/* WRITE creates the file (0600, folders 0700) and brings an older one up to date; a store that
 * another process writes is PIX_EBUSY. READ of a missing or still empty file is PIX_ENOTFOUND; an
 * older or newer schema is PIX_EUNSUPPORTED, anything but an index PIX_EFORMAT. */
pix_status pix_store_open(const char *path, pix_store_mode mode, pix_store **out, pix_error *error);
/* Rolls an open batch back: commit first. */
void pix_store_close(pix_store *store);
/* Drops the open batch. */
void pix_store_undo(pix_store *store);
/* When writing fails (a full disk), or another file is in the place of this one, the open batch is
 * lost as a whole; from then on every change and commit fails with that reason, and only opening
 * the store again helps. */
pix_status pix_store_commit(pix_store *store, pix_error *error);
bool pix_store_has_failed(const pix_store *store); /* and must be opened again */

/* What is at the store's path by now.  Another file there is another index. */
typedef enum pix_store_place {
    PIX_STORE_IN_PLACE,
    PIX_STORE_REPLACED,
    PIX_STORE_REMOVED
} pix_store_place;
pix_store_place pix_store_place_get(const pix_store *store);

/* From begin to end everything read sees one state, and nothing can be changed (PIX_EINVALID).
 * Meanwhile the store belongs to this thread: others wait.  May be nested. */
pix_status pix_store_snapshot_begin(pix_store *store, pix_error *error);
void pix_store_snapshot_end(pix_store *store);

/* Models.  A model is known to the store by its fingerprint. */
typedef struct pix_store_model {
    int64_t id;
    char name[128];
    char fingerprint[PIX_SHA256_HEX];
    int32_t dimension;
    int64_t embeddings; /* present photos that have a vector of this model */
} pix_store_model;
/* Adds the model or finds it again (its name may change). */
pix_status pix_store_model_put(pix_store *store, const char *name, const char *fingerprint,
                               int dimension, int64_t *id, pix_error *error);
pix_status pix_store_models(pix_store *store,
                            pix_status (*each)(void *context, const pix_store_model *model),
                            void *context, pix_error *error);

/* Roots.  Paths are absolute, bytes as the file system gives them, without a trailing slash (but
 * "/"). */
typedef struct pix_root {
    int64_t id;
    const char *path;
    const char *identity; /* what file system it was on: "uuid:...", "type:source", ... */
    bool is_mount;        /* the root was itself a mount point */
    int64_t photos;       /* present ones */
    int64_t scanned_at;   /* Unix seconds of the last pix_store_sweep of all of it, 0 for never */
} pix_root;
/* A known root gets this identity.  A root inside a known one yields the known one as it is; known
 * roots inside it become part of it. */
pix_status pix_store_root_put(pix_store *store, const char *path, const char *identity,
                              bool is_mount, int64_t *id, pix_error *error);
/* Sorted by path. */
pix_status pix_store_roots(pix_store *store,
                           pix_status (*each)(void *context, const pix_root *root), void *context,
                           pix_error *error);
/* The files at or below `from` are at `to` from now on: what is known of photos, failures and roots
 * there follows, missing photos too.  What is already known at `to` stays.  `photos` counts those
 * that followed; nothing at all known at `from` is PIX_ENOTFOUND, and paths of which one lies in
 * the other are PIX_EINVALID. */
pix_status pix_store_move(pix_store *store, const char *from, const char *to, int64_t *photos,
                          pix_error *error);
/* What the index knows at or below a folder. */
typedef enum pix_known_photos {
    PIX_KNOWN_NONE,
    PIX_KNOWN_MISSING,
    PIX_KNOWN_PRESENT
} pix_known_photos;
pix_status pix_store_knows_below(pix_store *store, const char *path, pix_known_photos *known,
                                 pix_error *error);
/* Forgets every photo at or below `path`, missing ones too, and the failures and roots there;
 * vectors no photo uses go too.  `photos` is their number. */
pix_status pix_store_forget(pix_store *store, const char *path, int64_t *photos, pix_error *error);

/* Runs.  A store has one open run; what it saw is kept in memory, so that a run over unchanged
 * photos writes next to nothing. */
typedef struct pix_run_counts {
    int64_t seen, unchanged, added, changed, moved, duplicates, removed, returned, failed,
        failed_before, encoded, held;
} pix_run_counts;
pix_status pix_store_run_begin(pix_store *store, int64_t model_id, int64_t *run_id,
                               pix_error *error);
/* For small runs that follow each other: goes on with the last one, whose counts grow, if it was of
 * this model, complete and begun within the last day; else begins one.  Until it ends, the totals
 * tell of the last one. */
pix_status pix_store_run_go_on(pix_store *store, int64_t model_id, int64_t *run_id,
                               pix_error *error);
pix_status pix_store_run_end(pix_store *store, int64_t run_id, const pix_run_counts *counts,
                             const char *outcome, pix_error *error);

/* How vectors are made; one made another way does not count as present (except that an exact one
 * satisfies a wish for a fast one, and float32 one for fewer bits). */
typedef struct pix_recipe {
    int64_t model_id;
    bool exact;
    bool ignore_rotation;
    const char *precision; /* "fp32", "int8" */
} pix_recipe;

typedef enum pix_photo_state {
    PIX_PHOTO_NEW,       /* never seen under this path */
    PIX_PHOTO_UNCHANGED, /* same mtime and size, vector present */
    PIX_PHOTO_CHANGED,   /* other mtime or size */
    PIX_PHOTO_RETURNED,  /* was missing; same mtime and size, vector present: visible again now */
    PIX_PHOTO_FAILED_BEFORE, /* same mtime and size as when it failed */
    PIX_PHOTO_UNENCODED      /* known and unchanged, but without a vector of this recipe */
} pix_photo_state;

/* Looks a photo up by path and notes that this run saw it.  A missing photo whose mtime and size
 * are the old ones becomes visible, whether it is RETURNED or UNENCODED. */
pix_status pix_store_photo_see(pix_store *store, int64_t run_id, const pix_recipe *recipe,
                               const char *path, int64_t mtime_ns, int64_t size_bytes,
                               pix_photo_state *state, pix_error *error);

/* Whether content with this hash has a vector of this recipe already. */
pix_status pix_store_content_known(pix_store *store, const pix_recipe *recipe,
                                   const uint8_t content[PIX_SHA256_BYTES], bool *known,
                                   pix_error *error);

/* What decoding learnt of some content. */
typedef struct pix_content {
    int32_t width, height, orientation;
    bool has_location;
    const char *format;
    const char *taken_at; /* NULL or "" when unknown, likewise camera */
    const char *camera;
    double latitude, longitude;
} pix_content;
/* Stores a vector (float32 [dimension]) for some content, replacing the model's earlier one.  A
 * vector whose length is not within 1e-3 of 1 is PIX_EINVALID. */
pix_status pix_store_content_put(pix_store *store, const pix_recipe *recipe,
                                 const uint8_t content[PIX_SHA256_BYTES], const pix_content *facts,
                                 const float *vector, int dimension, pix_error *error);

/* The vector [dimension] that a model has of some content; *found is false when there is none.  One
 * that is no unit vector is PIX_EFORMAT. */
pix_status pix_store_vector_get(pix_store *store, int64_t model_id, int64_t content_id,
                                float *vector, int dimension, bool *found, pix_error *error);

/* Looks at every vector of the model and drops those that are no unit vectors, so that their photos
 * are UNENCODED. */
pix_status pix_store_vectors_mend(pix_store *store, int64_t model_id, int64_t *dropped,
                                  pix_error *error);

/* Says that `path` holds this content (PIX_EINVALID if that is not stored), makes it visible and
 * clears an earlier failure.  Counts as seen. */
pix_status pix_store_photo_put(pix_store *store, int64_t run_id, int64_t root_id, const char *path,
                               int64_t mtime_ns, int64_t size_bytes,
                               const uint8_t content[PIX_SHA256_BYTES], pix_error *error);

/* Gives present photos, and failures, at or below `from` their place below `to`, which is in the
 * root; what the index had there gives way.  Neither counts as seen.  `photos` is how many. */
pix_status pix_store_rename(pix_store *store, int64_t run_id, int64_t root_id, const char *from,
                            const char *to, int64_t *photos, pix_error *error);

/* Records why a file gave no vector; a photo under this path is no longer shown.  Counts as seen.
 */
pix_status pix_store_failure_put(pix_store *store, int64_t run_id, int64_t root_id,
                                 const char *path, int64_t mtime_ns, int64_t size_bytes,
                                 const char *stage, const char *reason, pix_error *error);
typedef struct pix_failure {
    const char *path, *stage, *reason;
    int64_t mtime_ns, size_bytes, tries;
    int64_t first_at; /* Unix seconds */
} pix_failure;
/* Sorted by path. */
pix_status pix_store_failures(pix_store *store,
                              pix_status (*each)(void *context, const pix_failure *failure),
                              void *context, pix_error *error);
/* Has the next run try the files at or below `path` as if they had changed; *count is how many. */
pix_status pix_store_failures_retry(pix_store *store, const char *path, int64_t *count,
                                    pix_error *error);

/* In this run the file system `identity` was found mounted at `path`, below a root: photos that are
 * seen there are on it. */
pix_status pix_store_mount_meet(pix_store *store, int64_t run_id, const char *path,
                                const char *identity, pix_error *error);
/* The photos at or below `path` that were on their root's own file system were on `identity`,
 * mounted at `path`. */
pix_status pix_store_mount_assume(pix_store *store, const char *path, const char *identity,
                                  pix_error *error);
/* The file systems at or below `folder` that photos were last seen on. */
pix_status pix_store_mounts(pix_store *store, const char *folder,
                            pix_status (*each)(void *context, const char *path,
                                               const char *identity),
                            void *context, pix_error *error);

/* What is to be looked for in a root, after a run has seen what is there. */
typedef struct pix_sweep {
    const char *const *folders; /* at or below which; none inside another */
    size_t folder_count;
    const char *const *kept; /* at or below which nothing is known: they could not be read */
    size_t kept_count;
    int64_t photos; /* the root had before the run */
    int64_t few;    /* so many, or a fifth of all, may go unasked */
    /* Told where so many photos stay because they were last seen on another file system than what
     * is there now; `noted` when that has at least half of the photos of the other as they were:
     * then the next run looks for the rest there.  May be NULL. */
    void (*elsewhere)(void *context, const char *path, int64_t photos, bool noted);
    /* Whether a photo that was not seen was not looked for, by somebody's wish: it goes, however
     * many there are.  Must not use the store; may be NULL. */
    bool (*unwanted)(void *context, const char *path);
    void *context;
} pix_sweep;

typedef struct pix_swept {
    int64_t removed; /* marked as missing */
    int64_t moved;   /* those of them whose content this run found under a new path */
    int64_t held;    /* not marked, because they are too many, with those held before */
    int64_t photos;  /* of so many, that were there an hour ago */
} pix_swept;
/* Marks as missing every photo that this run did not see where it was last seen, and forgets
 * failures there likewise.  Missing photos are not found by searches but keep their vectors, so
 * that returning costs nothing.  The last known photos of their contents count: when more than
 * `few`, and more than a fifth of the root, are gone within an hour, however many sweeps that took,
 * all of these are held: they are shown until they are seen again or pix_store_held_judge. */
pix_status pix_store_sweep(pix_store *store, int64_t run_id, int64_t root_id, const pix_sweep *what,
                           pix_swept *swept, pix_error *error);

typedef enum pix_judgement {
    PIX_JUDGED_GONE, /* marked as missing */
    PIX_JUDGED_BACK, /* no longer held */
    PIX_JUDGED_UNKNOWN
} pix_judgement;
/* Asks about every held photo at or below `folder`; *gone counts those that are.  What went there
 * unasked counts no longer. */
pix_status pix_store_held_judge(pix_store *store, const char *folder,
                                pix_judgement (*judge)(void *context, const char *path),
                                void *context, int64_t *gone, pix_error *error);

/* Drops photos missing for `days` or longer and vectors no photo uses: also one whose
 * pix_store_photo_put is still to come.  A clock that is weeks ahead of the run before the last is
 * not believed yet. */
pix_status pix_store_purge(pix_store *store, int days, pix_error *error);

typedef struct pix_store_totals {
    int64_t photos;   /* present ones, as are their contents and bytes */
    int64_t contents; /* different files among them */
    int64_t missing;  /* not counting those that failed */
    int64_t held;     /* present ones whose removal awaits approval */
    int64_t failures;
    int64_t file_bytes;
    int64_t last_run_at;   /* Unix seconds of the last run's end, or start; 0 for never */
    char last_outcome[64]; /* "" while it runs, or when it was killed */
} pix_store_totals;
/* Present ones, at once; the totals take longer the more there is. */
pix_status pix_store_photo_count(pix_store *store, int64_t *photos, pix_error *error);
pix_status pix_store_totals_get(pix_store *store, pix_store_totals *totals, pix_error *error);

/* What changes with every commit: equal texts, equal contents. */
enum { PIX_GENERATION_SIZE = 256 };
pix_status pix_store_generation(pix_store *store, char out[PIX_GENERATION_SIZE], pix_error *error);

/* Facts of one photo for printing results; strings live until the next call on this store.  A photo
 * forgotten since it was found is PIX_ENOTFOUND. */
typedef struct pix_photo_row {
    int64_t id, content_id;
    const char *path;
    size_t path_size;
    int32_t width, height;
    const char *format, *taken_at, *camera; /* NULL when unknown */
    bool has_location;
    double latitude, longitude;
} pix_photo_row;
pix_status pix_store_photo_get(pix_store *store, int64_t image_id, pix_photo_row *row,
                               pix_error *error);

#endif
