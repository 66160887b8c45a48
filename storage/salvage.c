#include "storage/salvage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "storage/database.h"
#include "storage/schema.h"
#include "storage/store_internal.h"
#include "storage/vector.h"

/* What is copied, parents first; caches and sums are made anew.  Rows that break the new table's
 * rules are damaged, too. */
#define HIGHEST_ID "68719476736" /* 2^36, what storage/id_set.h takes */
#define COPY(since, table, key, columns)                                                           \
    {                                                                                              \
        since,                                                                                     \
            "INSERT OR IGNORE INTO main." table " (" columns ") SELECT " columns                   \
            " FROM old." table " WHERE " key " BETWEEN ?1 AND ?2",                                 \
            "SELECT max(" key ") FROM old." table " WHERE " key " <= " HIGHEST_ID,                 \
            "SELECT 'an id of " table "' FROM " table " WHERE " key                                \
            " NOT BETWEEN 1 AND " HIGHEST_ID                                                       \
    }
static const struct table {
    int since; /* the version that has it first */
    const char *copy, *highest, *strange_ids;
} tables[] = {
    COPY(1, "model", "id", "id, fingerprint, name, dimension, added_at"),
    COPY(1, "root", "id", "id, path, identity, is_mount, added_at, scanned_at"),
    COPY(1, "run", "id",
         "id, started_at, ended_at, model_id, outcome, seen, unchanged, added, changed, moved,"
         " duplicates, removed, returned, failed, failed_before, encoded"),
    COPY(1, "content", "id",
         "id, hash, width, height, orientation, format, taken_at, camera, latitude, longitude"),
    COPY(1, "image", "id",
         "id, root_id, path, mtime_ns, size_bytes, content_id, first_run_id, run_id,"
         " missing_since"),
    COPY(1, "embedding", "id",
         "id, content_id, model_id, precision, exact, ignore_rotation, run_id, vector"),
    COPY(1, "failure", "id",
         "id, root_id, path, mtime_ns, size_bytes, stage, reason, tries, first_at, last_at,"
         " run_id"),
    COPY(4, "held", "image_id", "image_id, since"),
    COPY(7, "gone", "image_id", "image_id, since"),
    COPY(7, "mount", "id", "id, path, identity"),
    COPY(7, "image_mount", "image_id", "image_id, mount_id"),
};

/* Few rows that much depends on: what their own indexes tell of them, when they are lost. */
static const char *const from_indexes[] = {
    "INSERT OR IGNORE INTO main.model SELECT id, fingerprint, 'salvaged',"
    " (SELECT length(vector) / 4 FROM old.embedding WHERE model_id = m.id LIMIT 1), 0"
    " FROM old.model m INDEXED BY sqlite_autoindex_model_1",
    "INSERT OR IGNORE INTO main.root SELECT id, path, 'unknown', 0, 0, 0"
    " FROM old.root INDEXED BY sqlite_autoindex_root_1",
};

/* Rows whose parents are lost go, too; of runs the number alone matters, so they are made up. */
static const char make_whole[] =
    "UPDATE image SET run_id = 1 WHERE run_id NOT BETWEEN 1 AND " HIGHEST_ID ";"
    "UPDATE image SET first_run_id = 1 WHERE first_run_id NOT BETWEEN 1 AND " HIGHEST_ID ";"
    "UPDATE embedding SET run_id = NULL WHERE run_id NOT BETWEEN 1 AND " HIGHEST_ID ";"
    "UPDATE failure SET run_id = 1 WHERE run_id NOT BETWEEN 1 AND " HIGHEST_ID ";"
    "INSERT INTO model SELECT 1, '', 'lost', 1, 0 WHERE NOT EXISTS (SELECT 1 FROM model);"
    "UPDATE run SET model_id = (SELECT min(id) FROM model)"
    " WHERE model_id NOT IN (SELECT id FROM model);"
    "INSERT OR IGNORE INTO run (id, started_at, model_id)"
    " SELECT r, 0, (SELECT min(id) FROM model) FROM (SELECT run_id AS r FROM image"
    " UNION SELECT first_run_id FROM image UNION SELECT run_id FROM embedding"
    " UNION SELECT run_id FROM failure) WHERE r IS NOT NULL;"
    "DELETE FROM image WHERE content_id NOT IN (SELECT id FROM content)"
    " OR root_id NOT IN (SELECT id FROM root) OR run_id NOT IN (SELECT id FROM run)"
    " OR first_run_id NOT IN (SELECT id FROM run);"
    "DELETE FROM embedding WHERE content_id NOT IN (SELECT id FROM content)"
    " OR model_id NOT IN (SELECT id FROM model);"
    "UPDATE embedding SET run_id = NULL WHERE run_id NOT IN (SELECT id FROM run);"
    "DELETE FROM failure WHERE root_id NOT IN (SELECT id FROM root)"
    " OR run_id NOT IN (SELECT id FROM run);"
    "DELETE FROM held WHERE image_id NOT IN (SELECT id FROM image);"
    "DELETE FROM gone WHERE image_id NOT IN (SELECT id FROM image);"
    "DELETE FROM image_mount WHERE image_id NOT IN (SELECT id FROM image)"
    " OR mount_id NOT IN (SELECT id FROM mount);"
    /* a dimension that is not that of the vectors would condemn them all */
    "UPDATE model SET dimension = d FROM (SELECT model_id, d, max(n) FROM (SELECT model_id,"
    " length(vector) / 4 AS d, count(*) AS n FROM embedding WHERE length(vector) >= 4"
    " GROUP BY 1, 2) GROUP BY 1) WHERE model_id = id AND dimension <> d;";

/* What the table tally should hold. */
#define COUNTED                                                                                    \
    "SELECT 0 AS id, count(*) AS n FROM image WHERE missing_since IS NULL"                         \
    " UNION ALL SELECT model.id, count(image.id) FROM model"                                       \
    " LEFT JOIN embedding ON model_id = model.id"                                                  \
    " LEFT JOIN image ON image.content_id = embedding.content_id AND missing_since IS NULL"        \
    " GROUP BY model.id"

typedef struct job {
    const char *path;
    char *fresh; /* "PATH.salvaged" */
    sqlite3 *db;
    pix_salvage *out;
    pix_error *error;
} job;

/* The first column of the first row; false when it cannot be had. */
static bool read_number(sqlite3 *db, const char *sql, int64_t *number) {
    sqlite3_stmt *s = NULL;
    bool read = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
                sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL;
    *number = read ? sqlite3_column_int64(s, 0) : -1;
    (void)sqlite3_finalize(s);
    return read;
}

/* Notes the first complaint of a check; true when there is none. */
static bool check_with(sqlite3 *db, const char *sql, const char *fine, pix_salvage *out) {
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    const char *said =
        result == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : sqlite3_errmsg(db);
    bool sound =
        fine ? result == SQLITE_ROW && said && strcmp(said, fine) == 0 : result == SQLITE_DONE;
    if (!sound) {
        (void)snprintf(out->damage, sizeof out->damage, "%s", said ? said : "unreadable");
        for (char *c = out->damage; *c; c++)
            if (*c == '\n')
                *c = ' ';
    }
    (void)sqlite3_finalize(s);
    return sound;
}

static bool vector_is_sound(sqlite3_stmt *s) {
    size_t dimension = (size_t)sqlite3_column_int64(s, 2);
    if (dimension == 0 || dimension > 65536)
        return false;
    float *vector = malloc(dimension * sizeof *vector);
    if (!vector)
        return true;
    bool sound =
        pix_vector_read(sqlite3_column_blob(s, 1), sqlite3_column_bytes(s, 1), dimension, vector);
    free(vector);
    return sound;
}

/* Looks at every vector; the id of the first from `from` on that is none, 0 for none, -1 when they
 * cannot all be read. */
static int64_t next_bad_vector(sqlite3 *db, int64_t from) {
    sqlite3_stmt *s = NULL;
    int64_t bad = 0;
    int result = sqlite3_prepare_v2(db,
                                    "SELECT e.id, vector, dimension FROM embedding e JOIN model m"
                                    " ON m.id = model_id WHERE e.id >= ?1 ORDER BY e.id",
                                    -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(s, 1, from);
    while (result == SQLITE_OK && bad == 0 && (result = sqlite3_step(s)) == SQLITE_ROW) {
        result = SQLITE_OK;
        if (!vector_is_sound(s))
            bad = sqlite3_column_int64(s, 0);
    }
    (void)sqlite3_finalize(s);
    return result == SQLITE_OK || result == SQLITE_DONE ? bad : -1;
}

/* No version is as high, unless it is damaged. */
enum { HIGHEST_VERSION = 1000 };

/* Whether the head says that this is an index, and of no later version. */
static bool head_is_sound(sqlite3 *db, const char *path, int *version, pix_salvage *out) {
    pix_error why;
    pix_status status = pix_schema_version(db, path, version, &why);
    if (!status && *version > 0 && *version <= pix_schema_current.version)
        return true;
    (void)snprintf(out->damage, sizeof out->damage, "its head is not that of an index");
    return false;
}

static const char wrong_tally[] = "SELECT 'the number of photos' FROM (" COUNTED ") WHERE n IS NOT"
                                  " (SELECT photos FROM tally WHERE model_id = id)";

static bool is_sound(sqlite3 *db, int version, pix_salvage *out) {
    if (!check_with(db, "PRAGMA integrity_check(1)", "ok", out) ||
        !check_with(db, "PRAGMA foreign_key_check", NULL, out) ||
        !check_with(db,
                    "SELECT 'the last id of ' || name FROM sqlite_sequence"
                    " WHERE seq NOT BETWEEN 0 AND " HIGHEST_ID,
                    NULL, out))
        return false;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (version >= tables[i].since && !check_with(db, tables[i].strange_ids, NULL, out))
            return false;
    if (version == pix_schema_current.version && !check_with(db, wrong_tally, NULL, out))
        return false;
    if (next_bad_vector(db, 1) == 0)
        return true;
    (void)snprintf(out->damage, sizeof out->damage, "a vector is damaged");
    return false;
}

static pix_status fail_here(const job *j, int result) {
    return pix_database_fail(j->db, j->fresh, result, j->error);
}

/* Whether it was the new file that failed, or this machine, and not what is read. */
static bool is_own_trouble(const job *j) {
    int result = sqlite3_extended_errcode(j->db);
    switch (result & 0xFF) {
    case SQLITE_NOMEM:
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return true;
    case SQLITE_IOERR:
        return result != SQLITE_IOERR_READ && result != SQLITE_IOERR_SHORT_READ &&
               result != SQLITE_IOERR_CORRUPTFS;
    default:
        return false;
    }
}

/* Copies the rows from `low` to `high`; where that meets damage, halves of them, down to one. */
static pix_status copy_rows(const job *j, sqlite3_stmt *s, int64_t low, int64_t high) {
    (void)sqlite3_reset(s);
    int result = sqlite3_bind_int64(s, 1, low);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(s, 2, high);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    bool own = result != SQLITE_DONE && is_own_trouble(j);
    (void)sqlite3_reset(s);
    if (result == SQLITE_DONE)
        return PIX_OK;
    if (own)
        return fail_here(j, result);
    if (low == high)
        return PIX_OK; /* this one is lost */
    int64_t middle = low + (high - low) / 2;
    pix_status status = copy_rows(j, s, low, middle);
    return status ? status : copy_rows(j, s, middle + 1, high);
}

/* No id is higher, if the page with the last row cannot be read: rows are larger than this. */
static int64_t highest_possible(const job *j) {
    int64_t pages;
    enum { ROWS_OF_A_PAGE = 512 };
    return read_number(j->db, "PRAGMA old.page_count", &pages) ? pages * ROWS_OF_A_PAGE : 0;
}

static pix_status copy_table(const job *j, const struct table *table) {
    sqlite3_stmt *s = NULL;
    int64_t highest;
    if (sqlite3_prepare_v2(j->db, table->copy, -1, &s, NULL) != SQLITE_OK)
        return PIX_OK; /* a table that the old version does not have */
    if (!read_number(j->db, table->highest, &highest))
        highest = highest_possible(j);
    pix_status status = highest > 0 ? copy_rows(j, s, 1, highest) : PIX_OK;
    (void)sqlite3_finalize(s);
    return status;
}

static pix_status execute(const job *j, const char *sql) {
    errno = 0;
    int result = sqlite3_exec(j->db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? PIX_OK : fail_here(j, result);
}

static pix_status drop_bad_vectors(const job *j) {
    for (int64_t bad = 0; (bad = next_bad_vector(j->db, bad + 1)) != 0;) {
        sqlite3_stmt *s = NULL;
        int result = bad < 0 ? SQLITE_CORRUPT
                             : sqlite3_prepare_v2(j->db, "DELETE FROM embedding WHERE id = ?1", -1,
                                                  &s, NULL);
        if (result == SQLITE_OK)
            result = sqlite3_bind_int64(s, 1, bad);
        if (result == SQLITE_OK)
            result = sqlite3_step(s);
        (void)sqlite3_finalize(s);
        if (result != SQLITE_DONE)
            return fail_here(j, result);
    }
    return PIX_OK;
}

static pix_status attach(const job *j) {
    sqlite3_stmt *s = NULL;
    errno = 0;
    int result = sqlite3_prepare_v2(j->db, "ATTACH ?1 AS old", -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(s, 1, j->path, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    (void)sqlite3_finalize(s);
    enum { KNOWN = 5 };
    int64_t known;
    if (result == SQLITE_DONE &&
        read_number(j->db,
                    "SELECT count(*) FROM old.sqlite_schema WHERE type = 'table' AND name IN"
                    " ('model', 'root', 'content', 'image', 'embedding')",
                    &known) &&
        known == KNOWN)
        return PIX_OK;
    return pix_fail(j->error, PIX_EFORMAT,
                    "%s: nothing in it can be read; move it away and index anew", j->path);
}

static pix_status fill(const job *j) {
    pix_salvage *out = j->out;
    pix_status status = execute(j, "PRAGMA foreign_keys = OFF");
    if (!status)
        status = attach(j);
    if (!status)
        status = execute(j, "PRAGMA main.synchronous = OFF");
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !status; i++)
        status = copy_table(j, &tables[i]);
    for (size_t i = 0; i < sizeof from_indexes / sizeof *from_indexes && !status; i++) {
        int result = sqlite3_exec(j->db, from_indexes[i], NULL, NULL, NULL);
        if (result != SQLITE_OK && is_own_trouble(j)) /* else they are damaged, too */
            status = fail_here(j, result);
    }
    if (!status)
        status = execute(j, make_whole);
    if (!status)
        status = drop_bad_vectors(j);
    /* its triggers did not see whole rows of everything */
    if (!status)
        status = execute(j, "DELETE FROM main.tally; INSERT INTO main.tally " COUNTED);
    (void)read_number(j->db, "SELECT count(*) FROM old.image", &out->photos_before);
    (void)read_number(j->db, "SELECT count(*) FROM old.embedding", &out->vectors_before);
    (void)read_number(j->db, "SELECT count(*) FROM main.image", &out->photos);
    (void)read_number(j->db, "SELECT count(*) FROM main.embedding", &out->vectors);
    if (!status)
        status =
            execute(j, "DETACH old; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
    return status;
}

static void drop_file(const char *path, const char *suffix) {
    char *name = NULL;
    if (asprintf(&name, "%s%s", path, suffix) >= 0)
        (void)unlink(name);
    free(name);
}

static void drop_fresh(const job *j) {
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        drop_file(j->fresh, suffixes[i]);
}

/* Gives PATH and its log a second name, the first "PATH.damaged" that is free. */
static pix_status keep_damaged(const job *j) {
    char *name = j->out->kept_as;
    size_t size = sizeof j->out->kept_as;
    for (int n = 1; n < 1000; n++) {
        (void)snprintf(name, size, n == 1 ? "%s.damaged" : "%s.damaged%d", j->path, n);
        if (link(j->path, name) == 0) {
            char *log = NULL, *kept_log = NULL;
            bool named =
                asprintf(&log, "%s-wal", j->path) >= 0 && asprintf(&kept_log, "%s-wal", name) >= 0;
            bool kept = named && (link(log, kept_log) == 0 || errno == ENOENT);
            free(log);
            free(kept_log);
            return kept ? PIX_OK : pix_fail_errno(j->error, "cannot keep the log of %s", j->path);
        }
        if (errno != EEXIST)
            break;
    }
    return pix_fail_errno(j->error, "cannot keep %s as %s", j->path, name);
}

/* A log or a journal of the damaged file must not be taken for one of the new file. */
static pix_status put_in_place(const job *j) {
    pix_status status = keep_damaged(j);
    if (!status)
        status = pix_folder_sync_of(j->path, j->error);
    if (status)
        return status;
    drop_file(j->path, "-wal");
    drop_file(j->path, "-shm");
    drop_file(j->path, "-journal");
    if (rename(j->fresh, j->path))
        return pix_fail_errno(j->error, "cannot put %s in place", j->fresh);
    return pix_folder_sync_of(j->path, j->error);
}

static pix_status make_fresh(job *j) {
    drop_fresh(j);
    pix_status status = pix_store_make_file(j->fresh, j->error);
    if (!status)
        status = pix_database_open_writer(j->fresh, &j->db, j->error);
    if (!status)
        status = fill(j);
    (void)sqlite3_close(j->db);
    j->db = NULL;
    if (!status)
        status = put_in_place(j);
    if (status)
        drop_fresh(j);
    return status;
}

pix_status pix_store_salvage(const char *name, pix_salvage *out, pix_error *error) {
    *out = (pix_salvage){.photos_before = -1, .vectors_before = -1};
    char path[PATH_MAX] = ""; /* of the file itself: a link to it stays one */
    job j = {.path = path, .out = out, .error = error};
    int lock = -1;
    pix_status status = pix_database_check(name, error);
    if (!status && !realpath(name, path))
        status = pix_fail_errno(error, "%s", name);
    if (!status)
        status = pix_store_take_lock(path, &lock, error);
    sqlite3 *db = NULL;
    int version = 0;
    if (!status) {
        out->sound = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                     head_is_sound(db, path, &version, out) && is_sound(db, version, out);
        (void)sqlite3_close(db);
    }
    if (!status && version > pix_schema_current.version && version <= HIGHEST_VERSION)
        status = pix_schema_too_new(path, version, error);
    if (!status && !out->sound) {
        if (asprintf(&j.fresh, "%s.salvaged", path) < 0)
            status = pix_fail_memory(error);
        else
            status = make_fresh(&j);
        free(j.fresh);
    }
    if (lock >= 0)
        (void)close(lock);
    return status;
}
