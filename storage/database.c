#include "storage/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/bytes.h"
#include "storage/schema.h"

enum { BUSY_TIMEOUT_MS = 10000 };

pix_status pix_database_fail(sqlite3 *db, const char *path, int result, pix_error *error) {
    int cause = errno; /* SQLite does not keep the one that made a COMMIT fail */
    switch (result & 0xFF) {
    case SQLITE_NOMEM:
        return pix_fail_memory(error);
    case SQLITE_FULL: /* or no number is left after an id */
        if (!cause)
            return pix_fail(error, PIX_EFORMAT,
                            "%s: the index is damaged (no id is left); run pixgrepd salvage", path);
        return pix_fail(error, PIX_EIO, "%s: the disk is full", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pix_fail(error, PIX_EBUSY, "%s: another program is using it", path);
    case SQLITE_NOTADB:
        return pix_fail(error, PIX_EFORMAT, "%s: not a pixgrep index", path);
    case SQLITE_CORRUPT:
        return pix_fail(error, PIX_EFORMAT, "%s: the index is damaged (%s); run pixgrepd salvage",
                        path, sqlite3_errmsg(db));
    case SQLITE_CONSTRAINT:
        return pix_fail(error, PIX_EINVALID, "%s: %s", path, sqlite3_errmsg(db));
    case SQLITE_READONLY:
        return pix_fail(error, PIX_EIO, "%s: the index cannot be written", path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (sqlite3_system_errno(db))
            cause = sqlite3_system_errno(db);
        if (cause == ENOSPC || cause == EDQUOT)
            return pix_fail(error, PIX_EIO, "%s: the disk is full", path);
        return pix_fail(error, PIX_EIO, "%s: %s", path,
                        cause ? strerror(cause) : sqlite3_errmsg(db));
    default:
        return pix_fail(error, PIX_EIO, "%s: %s", path, sqlite3_errmsg(db));
    }
}

/* "file:PATH?PARAMETERS" with every byte of the path as %HH: none can mean something in a URI. */
static pix_status make_uri(const char *path, const char *parameters, pix_bytes *uri) {
    pix_status status = pix_bytes_append_text(uri, "file:");
    for (const char *p = path; *p && !status; p++) {
        char code[4];
        (void)snprintf(code, sizeof code, "%%%02X", (unsigned)(unsigned char)*p);
        status = pix_bytes_append(uri, code, 3);
    }
    return status ? status : pix_bytes_append_text(uri, parameters);
}

/* The settings of every connection: a file from elsewhere must not run functions of ours, and paths
 * and vectors of forgotten photos are overwritten. */
static const char common_settings[] = "PRAGMA trusted_schema = OFF;"
                                      "PRAGMA cell_size_check = ON;"
                                      "PRAGMA secure_delete = ON;";

/* With errno as pix_database_fail wants it. */
static int execute(sqlite3 *db, const char *sql) {
    errno = 0;
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int open_connection(const char *path, int flags, const char *parameters, sqlite3 **out) {
    pix_bytes uri = {0};
    if (make_uri(path, parameters, &uri)) {
        pix_bytes_free(&uri);
        return SQLITE_NOMEM;
    }
    errno = 0;
    int result = sqlite3_open_v2(
        uri.data, out, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    pix_bytes_free(&uri);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    if (result == SQLITE_OK)
        result = execute(*out, common_settings);
    return result;
}

pix_status pix_database_check(const char *path, pix_error *error) {
    struct stat info;
    if (stat(path, &info))
        return errno == ENOENT ? pix_fail(error, PIX_ENOTFOUND, "%s: there is no index", path)
                               : pix_fail_errno(error, "%s", path);
    if (!S_ISREG(info.st_mode))
        return pix_fail(error, PIX_EUNSUPPORTED, "%s: not a regular file", path);
    return PIX_OK;
}

pix_status pix_database_open_writer(const char *path, sqlite3 **out, pix_error *error) {
    static const char writer_settings[] = "PRAGMA page_size = 16384;"
                                          "PRAGMA auto_vacuum = NONE;"
                                          "PRAGMA journal_mode = WAL;"
                                          "PRAGMA synchronous = FULL;"
                                          "PRAGMA cache_size = -32768;"
                                          "PRAGMA journal_size_limit = 67108864;";
    *out = NULL;
    pix_status status = PIX_OK;
    sqlite3 *db = NULL;
    int version;
    int result = open_connection(path, SQLITE_OPEN_READWRITE, "", &db);
    if (result != SQLITE_OK)
        goto fail;
    /* Nothing may be changed in a file before it is known to be ours. */
    if ((status = pix_schema_version(db, path, &version, error)))
        goto close;
    result = execute(db, writer_settings);
    if (result != SQLITE_OK)
        goto fail;
    if ((status = pix_schema_upgrade(db, path, &pix_schema_current, error)))
        goto close;
    /* A row that REPLACE takes away is deleted for triggers, too. */
    result = execute(db, "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;");
    if (result != SQLITE_OK)
        goto fail;
    *out = db;
    return PIX_OK;
fail:
    status = pix_database_fail(db, path, result, error);
close:
    sqlite3_close(db);
    return status;
}

/* Whether committed changes may still be in the write-ahead log alone. */
static bool has_log(const char *path) {
    pix_bytes log = {0};
    struct stat info;
    bool found = pix_bytes_append_text(&log, path) || pix_bytes_append_text(&log, "-wal") ||
                 (stat(log.data, &info) == 0 && info.st_size > 0);
    pix_bytes_free(&log);
    return found;
}

/* Whether `result` says that the side files of a write-ahead log could not be made: the folder is
 * read-only, or the disk full. */
static bool lacks_side_files(int result) {
    return result == SQLITE_IOERR_SHMOPEN || result == SQLITE_IOERR_SHMSIZE ||
           (result & 0xFF) == SQLITE_CANTOPEN || (result & 0xFF) == SQLITE_READONLY;
}

/* Opens `path` and reads from it.  A write-ahead log needs side files, even to read; where they
 * cannot be made, and nothing is left in the log, the file alone is everything. */
static pix_status open_for_reading(const char *path, sqlite3 **db, pix_error *error) {
    static const char first_read[] = "SELECT 1 FROM sqlite_schema LIMIT 1";
    int result = open_connection(path, SQLITE_OPEN_READONLY, "", db);
    if (result != SQLITE_OK)
        return pix_database_fail(*db, path, result, error);
    result = execute(*db, first_read);
    if (lacks_side_files(result)) {
        if (has_log(path))
            return pix_fail(error, PIX_EIO,
                            "%s: changes are left in its -wal file and nothing can be "
                            "written beside it: copy both elsewhere",
                            path);
        sqlite3_close(*db);
        *db = NULL;
        result = open_connection(path, SQLITE_OPEN_READONLY, "?immutable=1", db);
        if (result == SQLITE_OK)
            result = execute(*db, first_read);
    }
    return result == SQLITE_OK ? PIX_OK : pix_database_fail(*db, path, result, error);
}

/* Only the writer brings a file to the version of today. */
static pix_status check_version(sqlite3 *db, const char *path, pix_error *error) {
    int version;
    pix_status status = pix_schema_version(db, path, &version, error);
    if (status)
        return status;
    if (version == 0)
        return pix_fail(error, PIX_ENOTFOUND, "%s: there is no index yet", path);
    if (version < pix_schema_current.version)
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "%s: made by an older pixgrep; run pixgrepd index to bring it up to date",
                        path);
    if (version > pix_schema_current.version)
        return pix_schema_too_new(path, version, error);
    return PIX_OK;
}

pix_status pix_database_open_reader(const char *path, sqlite3 **out, pix_error *error) {
    *out = NULL;
    pix_status status = pix_database_check(path, error);
    if (status)
        return status;
    sqlite3 *db = NULL;
    if ((status = open_for_reading(path, &db, error)) ||
        (status = check_version(db, path, error))) {
        sqlite3_close(db);
        return status;
    }
    *out = db;
    return PIX_OK;
}

int pix_database_number(sqlite3 *db, const char *sql, int *number) {
    sqlite3_stmt *statement = NULL;
    errno = 0;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (result == SQLITE_OK && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        *number = sqlite3_column_int(statement, 0);
        result = SQLITE_OK;
    }
    int finished = sqlite3_finalize(statement);
    return result == SQLITE_OK ? finished : result;
}
