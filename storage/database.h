/* database.h - a connection to an index file, opened with pixgrep's settings, and SQLite's errors
 * in words. */
#ifndef PIX_STORAGE_DATABASE_H
#define PIX_STORAGE_DATABASE_H

#include <sqlite3.h>

#include "core/base/error.h"

/* Fails for what is missing or no regular file, in better words than SQLite's. */
pix_status pix_database_check(const char *path, pix_error *error);

/* Opens an existing file (it may be empty) for its one writer and brings its tables up to date. */
pix_status pix_database_open_writer(const char *path, sqlite3 **out, pix_error *error);

/* Opens for looking on.  Where nothing can be written beside the file (read-only media, a full
 * disk) it is read as one that does not change. */
pix_status pix_database_open_reader(const char *path, sqlite3 **out, pix_error *error);

/* "PATH: cause" for a SQLite result code, the last one of `db`.  Wants errno as SQLite left it, set
 * to 0 before the call. */
pix_status pix_database_fail(sqlite3 *db, const char *path, int result, pix_error *error);

/* The first column of the first row as a number; a SQLite result code, for the above. */
int pix_database_number(sqlite3 *db, const char *sql, int *number);

#endif
