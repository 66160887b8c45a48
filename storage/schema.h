/* schema.h - gives a database file its tables, and an older one those of today.
 *
 * Every step from one version to the next is one transaction that also sets user_version: whoever
 * dies inside it leaves the old version whole.  `path` is for the error text. */
#ifndef PIX_STORAGE_SCHEMA_H
#define PIX_STORAGE_SCHEMA_H

#include <sqlite3.h>

#include "core/base/error.h"

enum { PIX_SCHEMA_APPLICATION = 0x70697867 }; /* "pixg", PRAGMA application_id */

typedef struct pix_schema {
    int version;                 /* of `tables` */
    const char *tables;          /* SQL that turns an empty file into this version */
    const char *const *upgrades; /* [version - 1]: upgrades[i] leads from version i + 1 to i + 2 */
} pix_schema;

/* schema.sql, and the way to it. */
extern const pix_schema pix_schema_current;

/* 0 for an empty file; PIX_EFORMAT for a database that is not pixgrep's. */
pix_status pix_schema_version(sqlite3 *db, const char *path, int *version, pix_error *error);

/* A newer file is PIX_EUNSUPPORTED. */
pix_status pix_schema_upgrade(sqlite3 *db, const char *path, const pix_schema *schema,
                              pix_error *error);

/* Refuses a file of a version we do not know. */
pix_status pix_schema_too_new(const char *path, int version, pix_error *error);

#endif
