#include "storage/schema.h"

#include <errno.h>
#include <stdio.h>

#include "storage/database.h"

/* The generated literal is longer than the 4095 bytes every C compiler must take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "schema_text.h"
#pragma GCC diagnostic pop

static const char *const upgrades[] = {
    "CREATE INDEX content_taken ON content (taken_at)", /* 1 to 2 */
    "CREATE TABLE background (\n"                       /* 2 to 3 */
    "    model_id   INTEGER PRIMARY KEY REFERENCES model (id),\n"
    "    embeddings INTEGER NOT NULL,            -- vectors it was made of,\n"
    "    last_id    INTEGER NOT NULL,            -- the highest id among them\n"
    "    mean       BLOB    NOT NULL,            -- of them, not normalised; stored as vectors "
    "are\n"
    "    level      REAL                         -- see pix_background; NULL: the model reads no "
    "text\n"
    ") STRICT",
    "CREATE TABLE held (\n" /* 3 to 4 */
    "    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,\n"
    "    since    INTEGER NOT NULL\n"
    ") STRICT",
    /* 4 to 5 */
    "CREATE TABLE writing (\n"
    "    run_id INTEGER PRIMARY KEY,\n"
    "    token  INTEGER NOT NULL                 -- random: no other index has the same run\n"
    ") STRICT;\n"
    "CREATE TRIGGER run_begins AFTER INSERT ON run BEGIN\n"
    "    INSERT OR REPLACE INTO writing VALUES (new.id, random());\n"
    "END;\n"
    "CREATE TABLE tally (\n"
    "    model_id INTEGER PRIMARY KEY,           -- 0: whether encoded or not\n"
    "    photos   INTEGER NOT NULL               -- present ones that have a vector of the model\n"
    ") STRICT;\n"
    "CREATE TRIGGER model_is_added AFTER INSERT ON model BEGIN\n"
    "    INSERT OR REPLACE INTO tally VALUES (new.id, 0);\n"
    "END;\n"
    "CREATE TRIGGER image_is_added AFTER INSERT ON image WHEN new.missing_since IS NULL BEGIN\n"
    "    UPDATE tally SET photos = photos + 1 WHERE model_id = 0\n"
    "        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = new.content_id);\n"
    "END;\n"
    "CREATE TRIGGER image_goes AFTER DELETE ON image WHEN old.missing_since IS NULL BEGIN\n"
    "    UPDATE tally SET photos = photos - 1 WHERE model_id = 0\n"
    "        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = old.content_id);\n"
    "END;\n"
    "CREATE TRIGGER image_changes AFTER UPDATE OF content_id, missing_since ON image BEGIN\n"
    "    UPDATE tally SET photos = photos - 1 WHERE old.missing_since IS NULL AND (model_id = 0\n"
    "        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = old.content_id));\n"
    "    UPDATE tally SET photos = photos + 1 WHERE new.missing_since IS NULL AND (model_id = 0\n"
    "        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = new.content_id));\n"
    "END;\n"
    "CREATE TRIGGER embedding_is_added AFTER INSERT ON embedding BEGIN\n"
    "    UPDATE tally SET photos = photos + (SELECT count(*) FROM image\n"
    "        WHERE content_id = new.content_id AND missing_since IS NULL) WHERE model_id = "
    "new.model_id;\n"
    "END;\n"
    "CREATE TRIGGER embedding_goes AFTER DELETE ON embedding BEGIN\n"
    "    UPDATE tally SET photos = photos - (SELECT count(*) FROM image\n"
    "        WHERE content_id = old.content_id AND missing_since IS NULL) WHERE model_id = "
    "old.model_id;\n"
    "END;\n"
    "INSERT INTO writing SELECT id, random() FROM run;\n"
    "INSERT INTO tally SELECT 0, count(*) FROM image WHERE missing_since IS NULL;\n"
    "INSERT INTO tally SELECT model.id, count(image.id) FROM model"
    " LEFT JOIN embedding ON model_id = model.id"
    " LEFT JOIN image ON image.content_id = embedding.content_id AND missing_since IS NULL"
    " GROUP BY model.id",
    /* 5 to 6 */
    "DROP TRIGGER run_begins;\n"
    "DROP TABLE writing;\n"
    "CREATE TABLE writing (\n"
    "    id      INTEGER PRIMARY KEY,            -- rising; of old rows only the latest are kept\n"
    "    token   INTEGER NOT NULL,               -- random\n"
    "    commits INTEGER NOT NULL                -- so far\n"
    ") STRICT",
    /* 6 to 7 */
    "CREATE TABLE mount (\n"
    "    id       INTEGER PRIMARY KEY,\n"
    "    path     BLOB    NOT NULL,\n"
    "    identity TEXT    NOT NULL,\n"
    "    UNIQUE (path, identity)\n"
    ") STRICT;\n"
    "CREATE TABLE image_mount (\n"
    "    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,\n"
    "    mount_id INTEGER NOT NULL REFERENCES mount (id)\n"
    ") STRICT;\n"
    "CREATE INDEX image_mount_mount ON image_mount (mount_id);\n"
    "CREATE TABLE gone (\n"
    "    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,\n"
    "    since    INTEGER NOT NULL\n"
    ") STRICT",
};

const pix_schema pix_schema_current = {
    .version = 1 + sizeof upgrades / sizeof *upgrades, .tables = schema_text, .upgrades = upgrades};

pix_status pix_schema_version(sqlite3 *db, const char *path, int *version, pix_error *error) {
    *version = 0;
    int application = 0, user_version = 0, tables = 0;
    int result = pix_database_number(db, "PRAGMA application_id", &application);
    if (result == SQLITE_OK)
        result = pix_database_number(db, "PRAGMA user_version", &user_version);
    if (result == SQLITE_OK)
        result = pix_database_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result != SQLITE_OK)
        return pix_database_fail(db, path, result, error);
    if (application == 0 && user_version == 0 && tables == 0)
        return PIX_OK;
    if (application != PIX_SCHEMA_APPLICATION || user_version <= 0)
        return pix_fail(error, PIX_EFORMAT, "%s: not a pixgrep index", path);
    *version = user_version;
    return PIX_OK;
}

pix_status pix_schema_too_new(const char *path, int version, pix_error *error) {
    return pix_fail(error, PIX_EUNSUPPORTED,
                    "%s: made by a newer pixgrep (index version %d, this one reads up to %d)", path,
                    version, pix_schema_current.version);
}

/* `sql` and the version it leads to, together or not at all. */
static pix_status take_step(sqlite3 *db, const char *path, const char *sql, int version,
                            pix_error *error) {
    char marks[96];
    (void)snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                   PIX_SCHEMA_APPLICATION, version);
    const char *const parts[] = {"BEGIN IMMEDIATE", sql, marks, "COMMIT"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        errno = 0;
        int result = sqlite3_exec(db, parts[i], NULL, NULL, NULL);
        if (result != SQLITE_OK) {
            pix_status status = pix_database_fail(db, path, result, error);
            (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
            return status;
        }
    }
    return PIX_OK;
}

pix_status pix_schema_upgrade(sqlite3 *db, const char *path, const pix_schema *schema,
                              pix_error *error) {
    int version;
    pix_status status = pix_schema_version(db, path, &version, error);
    if (status)
        return status;
    if (version > schema->version)
        return pix_schema_too_new(path, version, error);
    if (version == 0)
        return take_step(db, path, schema->tables, schema->version, error);
    for (; version < schema->version && !status; version++)
        status = take_step(db, path, schema->upgrades[version - 1], version + 1, error);
    return status;
}
