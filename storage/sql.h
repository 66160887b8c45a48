/* sql.h - every SQL statement of the store, by name.
 *
 * Parameters are bound in order.  BELOW is the photos at or below a folder: the folder itself, and
 * the byte range [folder/, folder0), '0' being the byte after '/'.  A plus before a column keeps
 * SQLite from choosing an index by it. */
#ifndef PIX_STORAGE_SQL_H
#define PIX_STORAGE_SQL_H

#define PIX_BELOW "(path = ?1 OR (path >= ?2 AND path < ?3))"

/* The path with ?4 in place of its bytes before ?5, counted from 1. */
#define PIX_MOVED "CAST(?4 || substr(path, ?5) AS BLOB)"

#define PIX_SQL_MAP(X)                                                                             \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(SNAPSHOT_BEGIN, "BEGIN")                                                                     \
                                                                                                   \
    X(MODEL_FIND, "SELECT id, dimension, name FROM model WHERE fingerprint = ?1")                  \
    X(MODEL_ADD, "INSERT INTO model (fingerprint, name, dimension, added_at)"                      \
                 " VALUES (?1, ?2, ?3, ?4)")                                                       \
    X(MODEL_RENAME, "UPDATE model SET name = ?1 WHERE id = ?2")                                    \
    X(MODEL_DIMENSION, "SELECT dimension FROM model WHERE id = ?1")                                \
    X(MODELS,                                                                                      \
      "SELECT id, name, fingerprint, dimension, (SELECT photos FROM tally WHERE model_id = id)"    \
      " FROM model ORDER BY id")                                                                   \
                                                                                                   \
    X(ROOT_FIND, "SELECT id FROM root WHERE path = ?1")                                            \
    X(ROOT_ADD, "INSERT INTO root (path, identity, is_mount, added_at) VALUES (?1, ?2, ?3, ?4)")   \
    X(ROOT_UPDATE, "UPDATE root SET identity = ?1, is_mount = ?2"                                  \
                   " WHERE id = ?3 AND (identity <> ?1 OR is_mount <> ?2)")                        \
    X(ROOT_SCANNED, "UPDATE root SET scanned_at = ?1 WHERE id = ?2 AND path = ?3")                 \
    X(ROOTS, "SELECT id, path, identity, is_mount, scanned_at,"                                    \
             " (SELECT count(*) FROM image WHERE root_id = root.id AND missing_since IS NULL)"     \
             " FROM root ORDER BY path")                                                           \
    X(ROOT_TAKE_IMAGES, "UPDATE image SET root_id = ?4 WHERE " PIX_BELOW " AND root_id <> ?4")     \
    X(ROOT_TAKE_FAILURES, "UPDATE failure SET root_id = ?4 WHERE " PIX_BELOW " AND root_id <> ?4") \
    X(ROOT_DROP_BELOW, "DELETE FROM root WHERE " PIX_BELOW)                                        \
    X(ROOT_DROP_OTHERS, "DELETE FROM root WHERE " PIX_BELOW " AND id <> ?4")                       \
                                                                                                   \
    X(ROOT_MOVE, "UPDATE OR IGNORE root SET path = " PIX_MOVED " WHERE " PIX_BELOW)                \
    X(ROOT_NEXT_BELOW,                                                                             \
      "SELECT id, path FROM root WHERE " PIX_BELOW " AND path > ?4 ORDER BY path LIMIT 1")         \
    X(IMAGE_MOVE, "UPDATE OR IGNORE image SET path = " PIX_MOVED " WHERE " PIX_BELOW)              \
    X(IMAGE_MOVE_OVER,                                                                             \
      "DELETE FROM image WHERE missing_since IS NOT NULL AND path IN (SELECT " PIX_MOVED           \
      " FROM image WHERE " PIX_BELOW " AND +missing_since IS NULL)")                               \
    X(FAILURE_MOVE, "UPDATE OR IGNORE failure SET path = " PIX_MOVED " WHERE " PIX_BELOW)          \
                                                                                                   \
    X(KNOWN_BELOW, "SELECT EXISTS (SELECT 1 FROM image WHERE " PIX_BELOW "),"                      \
                   " EXISTS (SELECT 1 FROM image WHERE " PIX_BELOW " AND +missing_since IS NULL)") \
    X(IMAGE_DROP_BELOW, "DELETE FROM image WHERE " PIX_BELOW)                                      \
    X(IMAGE_DROP_OLD, "DELETE FROM image WHERE missing_since <= min(?1, ("                         \
                      "SELECT started_at + 7 * 86400 FROM run"                                     \
                      " ORDER BY id DESC LIMIT 1 OFFSET 1)) - ?2")                                 \
    X(FAILURE_DROP_BELOW, "DELETE FROM failure WHERE " PIX_BELOW)                                  \
    X(CONTENT_DROP_UNUSED, "DELETE FROM content WHERE NOT EXISTS"                                  \
                           " (SELECT 1 FROM image WHERE content_id = content.id)")                 \
                                                                                                   \
    X(RUN_ADD, "INSERT INTO run (started_at, model_id) VALUES (?1, ?2)")                           \
    X(RUN_GO_ON, "SELECT id FROM run"                                                              \
                 " WHERE id = (SELECT max(id) FROM run) AND model_id = ?1"                         \
                 " AND outcome = 'complete' AND started_at BETWEEN ?2 AND ?3")                     \
    X(RUN_END, "UPDATE run SET ended_at = ?1, outcome = ?2, seen = seen + ?3,"                     \
               " unchanged = unchanged + ?4, added = added + ?5, changed = changed + ?6,"          \
               " moved = moved + ?7, duplicates = duplicates + ?8, removed = removed + ?9,"        \
               " returned = returned + ?10, failed = failed + ?11,"                                \
               " failed_before = failed_before + ?12, encoded = encoded + ?13 WHERE id = ?14")     \
                                                                                                   \
    X(IMAGE_SEE, "SELECT i.id, i.mtime_ns, i.size_bytes, i.missing_since IS NULL,"                 \
                 " EXISTS (SELECT 1 FROM embedding e INDEXED BY embedding_recipe"                  \
                 "  WHERE e.model_id = ?2 AND e.content_id = i.content_id"                         \
                 "  AND e.precision IN (?3, 'fp32')"                                               \
                 "  AND e.ignore_rotation = ?4 AND e.exact >= ?5)"                                 \
                 " FROM image i WHERE i.path = ?1")                                                \
    X(IMAGE_RETURN, "UPDATE image SET missing_since = NULL, run_id = ?1 WHERE id = ?2")            \
    X(IMAGE_HIDE, "UPDATE image SET missing_since = ?1 WHERE id = ?2")                             \
    X(IMAGE_HIDE_PATH, "UPDATE image SET missing_since = ?1"                                       \
                       " WHERE path = ?2 AND missing_since IS NULL")                               \
    X(IMAGE_RENAME, "UPDATE OR REPLACE image SET path = " PIX_MOVED ","                            \
                    " root_id = ?6 WHERE " PIX_BELOW " AND +missing_since IS NULL")                \
    X(IMAGE_PUT, "INSERT INTO image"                                                               \
                 " (root_id, path, mtime_ns, size_bytes, content_id, first_run_id, run_id)"        \
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"                                            \
                 " ON CONFLICT (path) DO UPDATE SET root_id = excluded.root_id,"                   \
                 " mtime_ns = excluded.mtime_ns, size_bytes = excluded.size_bytes,"                \
                 " content_id = excluded.content_id, missing_since = NULL,"                        \
                 " run_id = CASE WHEN content_id = excluded.content_id"                            \
                 "  AND missing_since IS NULL THEN run_id ELSE excluded.run_id END"                \
                 " RETURNING id")                                                                  \
    X(IMAGE_SHOWS, "SELECT 1 FROM image"                                                           \
                   " WHERE path = ?1 AND +content_id = ?2 AND +missing_since IS NULL")             \
    X(IMAGE_BELOW, "SELECT id, path, content_id,"                                                  \
                   " (SELECT mount_id FROM image_mount WHERE image_id = id)"                       \
                   " FROM image WHERE " PIX_BELOW " AND +root_id = ?4 AND +missing_since IS NULL") \
    X(IMAGE_COPIES, "SELECT id, root_id FROM image INDEXED BY image_content"                       \
                    " WHERE content_id = ?1 AND missing_since IS NULL"                             \
                    " AND NOT EXISTS (SELECT 1 FROM held WHERE image_id = id)")                    \
    X(MOUNT_FIND, "SELECT id FROM mount WHERE path = ?1 AND identity = ?2")                        \
    X(MOUNT_ADD, "INSERT INTO mount (path, identity) VALUES (?1, ?2)")                             \
    X(MOUNT_MOVE, "UPDATE OR IGNORE mount SET path = " PIX_MOVED " WHERE " PIX_BELOW)              \
    X(MOUNT_ASSUME, "INSERT OR IGNORE INTO image_mount (image_id, mount_id)"                       \
                    " SELECT id, ?4 FROM image WHERE " PIX_BELOW)                                  \
    X(MOUNT_DROP_UNUSED, "DELETE FROM mount WHERE id NOT IN (SELECT mount_id FROM image_mount)")   \
    X(MOUNTS, "SELECT path, identity FROM mount WHERE " PIX_BELOW)                                 \
    X(IMAGE_MOUNT, "SELECT m.id, m.path FROM image_mount JOIN mount m ON m.id = mount_id"          \
                   " WHERE image_id = ?1")                                                         \
    X(IMAGE_MOUNT_PUT, "INSERT OR REPLACE INTO image_mount (image_id, mount_id) VALUES (?1, ?2)")  \
    X(IMAGE_MOUNT_DROP, "DELETE FROM image_mount WHERE image_id = ?1")                             \
    X(GONE_ADD, "INSERT OR REPLACE INTO gone (image_id, since) VALUES (?1, ?2)")                   \
    X(GONE_DROP, "DELETE FROM gone WHERE image_id = ?1")                                           \
    X(GONE_DROP_OLD, "DELETE FROM gone WHERE since NOT BETWEEN ?1 AND ?2")                         \
    X(GONE_DROP_BELOW, "DELETE FROM gone WHERE image_id IN"                                        \
                       " (SELECT id FROM image WHERE " PIX_BELOW ")")                              \
    X(GONE_BEFORE, "SELECT id, content_id, 1 FROM held JOIN image ON id = image_id"                \
                   " WHERE root_id = ?1 UNION ALL"                                                 \
                   " SELECT id, content_id, 0 FROM gone JOIN image ON id = image_id"               \
                   " WHERE root_id = ?1 AND missing_since IS NOT NULL"                             \
                   " AND NOT EXISTS (SELECT 1 FROM failure WHERE failure.path = image.path)")      \
    X(HELD, "SELECT image_id FROM held")                                                           \
    X(HELD_BELOW, "SELECT id, path FROM held JOIN image ON id = image_id WHERE " PIX_BELOW)        \
    X(HELD_ADD, "INSERT OR IGNORE INTO held (image_id, since) VALUES (?1, ?2)")                    \
    X(HELD_DROP, "DELETE FROM held WHERE image_id = ?1")                                           \
    X(IMAGE_GET,                                                                                   \
      "SELECT i.path, c.width, c.height, c.format, c.taken_at, c.camera,"                          \
      " c.latitude, c.longitude, c.id FROM image i JOIN content c ON c.id = i.content_id"          \
      " WHERE i.id = ?1")                                                                          \
    X(IMAGES_OF_CONTENT, "SELECT id FROM image INDEXED BY image_content"                           \
                         " WHERE content_id = ?1 AND missing_since IS NULL ORDER BY id")           \
                                                                                                   \
    X(SELECT_BELOW, "SELECT id, content_id FROM image"                                             \
                    " WHERE " PIX_BELOW " AND +missing_since IS NULL")                             \
    X(SELECT_TAKEN, "SELECT id FROM content INDEXED BY content_taken"                              \
                    " WHERE taken_at >= ?1 AND taken_at < ?2"                                      \
                    " AND taken_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'")            \
    X(SELECT_FACTS, "SELECT id, width, height, orientation, format, taken_at, camera, latitude,"   \
                    " longitude FROM content WHERE id BETWEEN ?1 AND ?2")                          \
    X(SELECT_PHOTOS, "SELECT content_id, id FROM image INDEXED BY image_content"                   \
                     " WHERE content_id BETWEEN ?1 AND ?2 AND missing_since IS NULL")              \
    X(SELECT_VECTORS, "SELECT content_id, id FROM embedding INDEXED BY embedding_recipe"           \
                      " WHERE content_id BETWEEN ?1 AND ?2 AND model_id = ?3")                     \
                                                                                                   \
    X(IMAGES_BY_PATH, "SELECT id FROM image WHERE +missing_since IS NULL ORDER BY path")           \
    X(COPIES, "SELECT i.content_id, i.id, i.mtime_ns, c.width, c.height, c.taken_at FROM image i"  \
              " CROSS JOIN content c ON c.id = i.content_id WHERE +i.missing_since IS NULL")       \
    X(CONTENT_FIND, "SELECT id FROM content WHERE hash = ?1")                                      \
    X(CONTENT_PUT, "INSERT INTO content (hash, width, height, orientation, format, taken_at,"      \
                   " camera, latitude, longitude) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"     \
                   " ON CONFLICT (hash) DO UPDATE SET width = excluded.width,"                     \
                   " height = excluded.height, orientation = excluded.orientation,"                \
                   " format = excluded.format, taken_at = excluded.taken_at,"                      \
                   " camera = excluded.camera, latitude = excluded.latitude,"                      \
                   " longitude = excluded.longitude RETURNING id")                                 \
    X(EMBEDDING_KNOWN, "SELECT 1 FROM content c JOIN embedding e INDEXED BY embedding_recipe"      \
                       " ON e.content_id = c.id WHERE c.hash = ?1 AND e.model_id = ?2"             \
                       " AND e.precision IN (?3, 'fp32') AND e.ignore_rotation = ?4"               \
                       " AND e.exact >= ?5")                                                       \
    X(EMBEDDING_PUT, "INSERT OR REPLACE INTO embedding (content_id, model_id, precision,"          \
                     " ignore_rotation, exact, run_id, vector)"                                    \
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                       \
    X(CONTENT_VECTOR, "SELECT vector FROM embedding WHERE content_id = ?1 AND model_id = ?2")      \
    X(EMBEDDINGS, "SELECT id, content_id, vector FROM embedding NOT INDEXED"                       \
                  " WHERE model_id = ?1 AND id > ?2 ORDER BY id")                                  \
    X(EMBEDDING_GET,                                                                               \
      "SELECT id, content_id, vector FROM embedding WHERE id = ?2 AND model_id = ?1")              \
    X(EMBEDDING_DROP, "DELETE FROM embedding WHERE id = ?1")                                       \
    X(EMBEDDING_IDS, "SELECT id FROM embedding INDEXED BY embedding_recipe WHERE model_id = ?1")   \
    X(EMBEDDING_COUNT,                                                                             \
      "SELECT count(*) FROM embedding INDEXED BY embedding_recipe WHERE model_id = ?1")            \
    X(EMBEDDING_LAST, "SELECT seq FROM sqlite_sequence WHERE name = 'embedding'")                  \
    X(WRITING_BEGIN, "INSERT INTO writing (token, commits) VALUES (random(), 1)")                  \
    X(WRITING_GO_ON, "UPDATE writing SET commits = commits + 1 WHERE id = ?1")                     \
    X(WRITING_FORGET, "DELETE FROM writing WHERE id <= ?1 - ?2")                                   \
    X(WRITING_LAST, "SELECT id, token, commits FROM writing ORDER BY id DESC LIMIT 1")             \
    X(WRITING_KNOWN, "SELECT 1 FROM writing WHERE id = ?1 AND token = ?2 AND commits >= ?3")       \
    X(TALLY, "SELECT photos FROM tally WHERE model_id = ?1")                                       \
    X(MODEL_CACHES, "SELECT id, dimension, fingerprint FROM model ORDER BY id")                    \
                                                                                                   \
    X(BACKGROUND_AGE,                                                                              \
      "SELECT count(*), total(id > (SELECT coalesce(max(last_id), 0) FROM background"              \
      " WHERE model_id = ?1)), (SELECT coalesce(max(embeddings), 0) FROM background"               \
      " WHERE model_id = ?1) FROM embedding INDEXED BY embedding_recipe WHERE model_id = ?1")      \
    X(BACKGROUND_PUT, "INSERT OR REPLACE INTO background (model_id, embeddings, last_id, mean,"    \
                      " level) VALUES (?1, ?2, ?3, ?4, ?5)")                                       \
    X(BACKGROUND_DROP, "DELETE FROM background WHERE model_id = ?1")                               \
    X(BACKGROUND_GET, "SELECT embeddings, mean, level FROM background WHERE model_id = ?1")        \
                                                                                                   \
    X(FAILURE_FIND, "SELECT id FROM failure"                                                       \
                    " WHERE path = ?1 AND mtime_ns = ?2 AND size_bytes = ?3")                      \
    X(FAILURE_PUT, "INSERT INTO failure"                                                           \
                   " (root_id, path, mtime_ns, size_bytes, stage, reason, first_at, last_at,"      \
                   " run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)"                          \
                   " ON CONFLICT (path) DO UPDATE SET root_id = excluded.root_id,"                 \
                   " mtime_ns = excluded.mtime_ns, size_bytes = excluded.size_bytes,"              \
                   " stage = excluded.stage, reason = excluded.reason, tries = tries + 1,"         \
                   " last_at = excluded.last_at, run_id = excluded.run_id RETURNING id")           \
    X(FAILURE_CLEAR, "DELETE FROM failure WHERE path = ?1")                                        \
    X(FAILURE_DROP, "DELETE FROM failure WHERE id = ?1")                                           \
    X(FAILURE_RENAME, "UPDATE OR REPLACE failure SET path = " PIX_MOVED ","                        \
                      " root_id = ?6 WHERE " PIX_BELOW)                                            \
    X(FAILURE_DROP_SHOWN, "DELETE FROM failure WHERE " PIX_BELOW                                   \
                          " AND EXISTS (SELECT 1 FROM image WHERE image.path = failure.path"       \
                          " AND missing_since IS NULL)")                                           \
    X(FAILURE_BELOW, "SELECT id, path FROM failure WHERE " PIX_BELOW " AND root_id = ?4")          \
    X(FAILURE_RETRY, "UPDATE failure SET mtime_ns = -1, size_bytes = -1 WHERE " PIX_BELOW)         \
    X(FAILURES, "SELECT path, stage, reason, mtime_ns, size_bytes, tries, first_at"                \
                " FROM failure ORDER BY path")                                                     \
                                                                                                   \
    X(TOTALS,                                                                                      \
      "SELECT"                                                                                     \
      " (SELECT count(*) FROM image WHERE missing_since IS NULL),"                                 \
      " (SELECT count(DISTINCT content_id) FROM image WHERE missing_since IS NULL),"               \
      " (SELECT count(*) FROM image i INDEXED BY image_root WHERE missing_since IS NOT NULL"       \
      "  AND NOT EXISTS (SELECT 1 FROM failure f WHERE f.path = i.path)),"                         \
      " (SELECT count(*) FROM failure),"                                                           \
      " (SELECT total(size_bytes) FROM image INDEXED BY image_root"                                \
      "  WHERE missing_since IS NULL),"                                                            \
      " (SELECT count(*) FROM held)")                                                              \
    X(GENERATION, "SELECT id || ' ' || token || ' ' || commits FROM writing"                       \
                  " ORDER BY id DESC LIMIT 1")                                                     \
    X(RUN_LAST, "SELECT coalesce(ended_at, started_at), outcome FROM run ORDER BY id DESC LIMIT "  \
                "1")

typedef enum pix_sql {
#define X(name, text) PIX_SQL_##name,
    PIX_SQL_MAP(X)
#undef X
        PIX_SQL_COUNT
} pix_sql;

#endif
