#include "storage/prompt_cache.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "storage/database.h"
#include "storage/store_internal.h"
#include "storage/vector.h"

/* "pixp", and the version of the table. */
enum { APPLICATION = 0x70697870, VERSION = 1 };

/* A query does not wait for another one's writing, nor write more often than daily when a text was
 * used. */
enum { BUSY_TIMEOUT_MS = 100, DAY_S = 86400 };

struct pix_prompt_cache {
    char *path;
    sqlite3 *db;
};

/* Without synchronous a crash of the machine may damage the file, which is then begun anew; one of
 * the program does not. */
static const char settings[] = "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA secure_delete = ON;"
                               "PRAGMA synchronous = OFF;";

static const char tables[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE prompt ("
                             " id        INTEGER PRIMARY KEY,"
                             " model     TEXT    NOT NULL,"
                             " precision TEXT    NOT NULL,"
                             " templates BLOB    NOT NULL,"
                             " text      BLOB    NOT NULL,"
                             " count     INTEGER NOT NULL,"
                             " used_at   INTEGER NOT NULL,"
                             " vector    BLOB    NOT NULL,"
                             " UNIQUE (model, precision, templates, text)) STRICT;"
                             "CREATE INDEX prompt_used ON prompt (used_at);"
                             "PRAGMA application_id = 0x70697870; PRAGMA user_version = 1;"
                             "COMMIT";

/* Whether the file is ours; an empty one may become so. */
static int check_owner(sqlite3 *db, bool *ours, bool *empty, bool *current) {
    int application = 0, version = 0, objects = 0;
    int result = pix_database_number(db, "PRAGMA application_id", &application);
    if (result == SQLITE_OK)
        result = pix_database_number(db, "PRAGMA user_version", &version);
    if (result == SQLITE_OK)
        result = pix_database_number(db, "SELECT count(*) FROM sqlite_schema", &objects);
    *empty = application == 0 && version == 0 && objects == 0;
    *ours = *empty || application == APPLICATION;
    *current = application == APPLICATION && version == VERSION;
    return result;
}

static bool is_damage(int result) {
    int kind = result & 0xFF;
    return kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;
}

static pix_status check_file(const char *path, bool *exists, pix_error *error) {
    struct stat info;
    *exists = lstat(path, &info) == 0;
    if (!*exists)
        return errno == ENOENT ? PIX_OK : pix_fail_errno(error, "%s", path);
    if (!S_ISREG(info.st_mode))
        return pix_fail(error, PIX_EUNSUPPORTED, "%s: not a regular file", path);
    return PIX_OK;
}

/* Removes the file and what SQLite may have left beside it. */
static pix_status remove_file(const char *path, pix_error *error) {
    pix_bytes journal = {0};
    pix_status status = PIX_OK;
    if (unlink(path) && errno != ENOENT)
        return pix_fail_errno(error, "cannot remove %s", path);
    if (pix_bytes_append_text(&journal, path) || pix_bytes_append_text(&journal, "-journal"))
        status = pix_fail_memory(error);
    else
        (void)unlink(journal.data);
    pix_bytes_free(&journal);
    return status;
}

/* SQLite's result; *foreign when the file is sound and of another program. */
static int open_once(const char *path, sqlite3 **db, bool *foreign) {
    bool ours, empty, current;
    *foreign = false;
    errno = 0;
    int result = sqlite3_open_v2(
        path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(*db, BUSY_TIMEOUT_MS);
    if (result == SQLITE_OK)
        result = sqlite3_exec(*db, settings, NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = check_owner(*db, &ours, &empty, &current);
    if (result != SQLITE_OK)
        return result;
    if (!ours) {
        *foreign = true;
        return SQLITE_ERROR;
    }
    if (empty)
        return sqlite3_exec(*db, tables, NULL, NULL, NULL);
    return current ? SQLITE_OK : SQLITE_NOTADB; /* another version's: begun anew */
}

static pix_status open_file(pix_prompt_cache *cache, pix_error *error) {
    const char *path = cache->path;
    bool exists, foreign;
    pix_status status = check_file(path, &exists, error);
    if (status)
        return status;
    for (int tries = 0; tries < 2; tries++) {
        if ((status = pix_store_make_file(path, error)))
            return status;
        int result = open_once(path, &cache->db, &foreign);
        if (result == SQLITE_OK)
            return PIX_OK;
        status = foreign ? pix_fail(error, PIX_EFORMAT, "%s: not pixgrep's", path)
                         : pix_database_fail(cache->db, path, result, error);
        (void)sqlite3_close(cache->db);
        cache->db = NULL;
        if (foreign || !is_damage(result) || remove_file(path, error))
            return status;
    }
    return status;
}

pix_status pix_prompt_cache_open(const char *path, pix_prompt_cache **out, pix_error *error) {
    *out = NULL;
    pix_prompt_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return pix_fail_memory(error);
    cache->path = strdup(path);
    pix_status status = cache->path ? open_file(cache, error) : pix_fail_memory(error);
    if (status) {
        pix_prompt_cache_close(cache);
        return status;
    }
    *out = cache;
    return PIX_OK;
}

void pix_prompt_cache_close(pix_prompt_cache *cache) {
    if (!cache)
        return;
    (void)sqlite3_close(cache->db);
    free(cache->path);
    free(cache);
}

/* "PATH: cause"; what damage met later destroyed is begun anew by the next who opens it. */
static pix_status fail(pix_prompt_cache *cache, int result, pix_error *error) {
    pix_status status = pix_database_fail(cache->db, cache->path, result, error);
    if (is_damage(result))
        (void)remove_file(cache->path, NULL);
    return status;
}

/* Binds ?1 to ?4. */
static int bind_key(sqlite3_stmt *s, const pix_prompt_key *key, const char *text, size_t size) {
    int result = sqlite3_bind_text(s, 1, key->fingerprint, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_bind_text(s, 2, key->precision, -1, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_bind_blob(s, 3, key->templates, sizeof key->templates, SQLITE_STATIC);
    if (result == SQLITE_OK)
        result = sqlite3_bind_blob64(s, 4, size > 0 ? text : "", size, SQLITE_STATIC);
    return result;
}

/* Says that the text was used; that it cannot be said is no reason to go without its vector. */
static void touch(pix_prompt_cache *cache, int64_t id, int64_t used_at) {
    sqlite3_stmt *s = NULL;
    int64_t now = time(NULL);
    if (used_at > now - DAY_S && used_at <= now)
        return;
    if (sqlite3_prepare_v2(cache->db, "UPDATE prompt SET used_at = ?1 WHERE id = ?2", -1, &s,
                           NULL) == SQLITE_OK &&
        sqlite3_bind_int64(s, 1, now) == SQLITE_OK && sqlite3_bind_int64(s, 2, id) == SQLITE_OK)
        (void)sqlite3_step(s);
    (void)sqlite3_finalize(s);
}

pix_status pix_prompt_cache_get(pix_prompt_cache *cache, const pix_prompt_key *key,
                                const char *text, size_t size, float *vector, bool *found,
                                pix_error *error) {
    static const char sql[] = "SELECT id, used_at, vector FROM prompt WHERE model = ?1"
                              " AND precision = ?2 AND templates = ?3 AND text = ?4";
    *found = false;
    if (size > PIX_PROMPT_TEXT)
        return PIX_OK;
    sqlite3_stmt *s = NULL;
    int64_t id = 0, used_at = 0;
    errno = 0;
    int result = sqlite3_prepare_v2(cache->db, sql, -1, &s, NULL);
    if (result == SQLITE_OK)
        result = bind_key(s, key, text, size);
    if (result == SQLITE_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(s, 2);
        id = sqlite3_column_int64(s, 0);
        used_at = sqlite3_column_int64(s, 1);
        if (bytes && (size_t)sqlite3_column_bytes(s, 2) == key->dimension * sizeof *vector) {
            pix_vector_load(bytes, key->dimension, vector);
            *found = pix_vector_check(vector, key->dimension, NULL) == PIX_OK;
        }
    }
    pix_status status =
        result == SQLITE_ROW || result == SQLITE_DONE ? PIX_OK : fail(cache, result, error);
    (void)sqlite3_finalize(s);
    if (*found)
        touch(cache, id, used_at);
    return status;
}

static int put_all(pix_prompt_cache *cache, const pix_prompt_key *key, const char *const *texts,
                   const float *vectors, size_t count, void *bytes) {
    static const char sql[] =
        "INSERT OR REPLACE INTO prompt (model, precision, templates, text, count, used_at, vector)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    size_t size = key->dimension * sizeof *vectors;
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(cache->db, sql, -1, &s, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(s, 5, (sqlite3_int64)key->template_count);
    if (result == SQLITE_OK)
        result = sqlite3_bind_int64(s, 6, time(NULL));
    for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
        size_t length = strlen(texts[i]);
        if (length > PIX_PROMPT_TEXT)
            continue;
        pix_vector_store(vectors + i * key->dimension, key->dimension, bytes);
        result = bind_key(s, key, texts[i], length);
        if (result == SQLITE_OK)
            result = sqlite3_bind_blob64(s, 7, bytes, size, SQLITE_STATIC);
        if (result == SQLITE_OK && (result = sqlite3_step(s)) == SQLITE_DONE)
            result = sqlite3_reset(s);
    }
    (void)sqlite3_finalize(s);
    return result;
}

/* What was used longest ago goes, down to the number that is kept. */
static int forget_oldest(pix_prompt_cache *cache) {
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "DELETE FROM prompt WHERE id IN (SELECT id FROM prompt ORDER BY used_at, id"
                   " LIMIT max(0, (SELECT count(*) FROM prompt) - %d))",
                   PIX_PROMPTS_KEPT);
    return sqlite3_exec(cache->db, sql, NULL, NULL, NULL);
}

pix_status pix_prompt_cache_put(pix_prompt_cache *cache, const pix_prompt_key *key,
                                const char *const *texts, const float *vectors, size_t count,
                                pix_error *error) {
    void *bytes = calloc(key->dimension, sizeof *vectors);
    if (!bytes)
        return pix_fail_memory(error);
    errno = 0;
    int result = sqlite3_exec(cache->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = put_all(cache, key, texts, vectors, count, bytes);
    if (result == SQLITE_OK)
        result = forget_oldest(cache);
    if (result == SQLITE_OK)
        result = sqlite3_exec(cache->db, "COMMIT", NULL, NULL, NULL);
    pix_status status = result == SQLITE_OK ? PIX_OK : fail(cache, result, error);
    if (!sqlite3_get_autocommit(cache->db))
        (void)sqlite3_exec(cache->db, "ROLLBACK", NULL, NULL, NULL);
    free(bytes);
    return status;
}

static int list_all(sqlite3 *db, pix_status (*each)(void *context, const pix_prompt *prompt),
                    void *context, pix_status *answer) {
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(db,
                                    "SELECT model, precision, text, count, used_at FROM prompt"
                                    " ORDER BY used_at DESC, id DESC",
                                    -1, &s, NULL);
    while (result == SQLITE_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        const char *texts[3];
        for (int i = 0; i < 3; i++) {
            texts[i] =
                (const char *)(i < 2 ? sqlite3_column_text(s, i) : sqlite3_column_blob(s, i));
            texts[i] = texts[i] ? texts[i] : "";
        }
        pix_prompt prompt = {.fingerprint = texts[0],
                             .precision = texts[1],
                             .text = texts[2],
                             .text_size = (size_t)sqlite3_column_bytes(s, 2),
                             .template_count = (size_t)sqlite3_column_int64(s, 3),
                             .used_at = sqlite3_column_int64(s, 4)};
        if ((*answer = each(context, &prompt)))
            break;
        result = SQLITE_OK;
    }
    (void)sqlite3_finalize(s);
    return result == SQLITE_DONE || *answer ? SQLITE_OK : result;
}

pix_status pix_prompt_cache_list(const char *path,
                                 pix_status (*each)(void *context, const pix_prompt *prompt),
                                 void *context, pix_error *error) {
    bool exists, ours = true, empty = true, current;
    sqlite3 *db = NULL;
    pix_status status = check_file(path, &exists, error);
    if (status || !exists)
        return status;
    errno = 0;
    int result = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (result == SQLITE_OK)
        result = check_owner(db, &ours, &empty, &current);
    if (result == SQLITE_OK && ours && !empty)
        result = list_all(db, each, context, &status);
    if (is_damage(result))
        status = pix_fail(error, PIX_EFORMAT,
                          "%s: damaged; the next ensemble begins it anew, pixgrep --cache clear "
                          "removes it",
                          path);
    else if (result != SQLITE_OK)
        status = pix_database_fail(db, path, result, error);
    else if (!ours)
        status = pix_fail(error, PIX_EFORMAT, "%s: not pixgrep's", path);
    (void)sqlite3_close(db);
    return status;
}

pix_status pix_prompt_cache_clear(const char *path, bool *removed, pix_error *error) {
    bool ours = true, empty, current;
    sqlite3 *db = NULL;
    pix_status status = check_file(path, removed, error);
    if (status || !*removed)
        return status;
    int result = sqlite3_open_v2(
        path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    bool foreign =
        result == SQLITE_OK && check_owner(db, &ours, &empty, &current) == SQLITE_OK && !ours;
    (void)sqlite3_close(db);
    if (foreign)
        status = pix_fail(error, PIX_EFORMAT, "%s: not pixgrep's", path);
    return status ? status : remove_file(path, error);
}
