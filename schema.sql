-- schema.sql - what index.db holds, version 7 (PRAGMA user_version; application_id is 'pixg').
--
-- A photo is a path (image) that holds some content; a vector belongs to a content and a model.
-- So copies and renamed files share one vector, and several models can stand side by side.
-- Times named _at or _since are Unix seconds.  Paths are absolute, as the bytes of the file system.

-- A folder someone asked to index.  No root lies inside another.
CREATE TABLE root (
    id         INTEGER PRIMARY KEY,
    path       BLOB    NOT NULL UNIQUE,
    identity   TEXT    NOT NULL,            -- the file system it was on when last scanned
    is_mount   INTEGER NOT NULL CHECK (is_mount IN (0, 1)),
    added_at   INTEGER NOT NULL,
    scanned_at INTEGER NOT NULL DEFAULT 0   -- end of the last complete scan; 0: never
) STRICT;

-- A model, known by the SHA-256 of its configuration and weights; its name may change.
CREATE TABLE model (
    id          INTEGER PRIMARY KEY,
    fingerprint TEXT    NOT NULL UNIQUE,
    name        TEXT    NOT NULL,
    dimension   INTEGER NOT NULL CHECK (dimension > 0),
    added_at    INTEGER NOT NULL
) STRICT;

-- One pass of the indexer, with the small ones that a daemon made within a day from its start, of
-- which the last that ended is told of.  A run that was killed has no end.
CREATE TABLE run (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    model_id      INTEGER NOT NULL REFERENCES model (id),
    outcome       TEXT,
    seen          INTEGER NOT NULL DEFAULT 0,
    unchanged     INTEGER NOT NULL DEFAULT 0,
    added         INTEGER NOT NULL DEFAULT 0,
    changed       INTEGER NOT NULL DEFAULT 0,
    moved         INTEGER NOT NULL DEFAULT 0,
    duplicates    INTEGER NOT NULL DEFAULT 0,
    removed       INTEGER NOT NULL DEFAULT 0,
    returned      INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    failed_before INTEGER NOT NULL DEFAULT 0,
    encoded       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The bytes of a photo, whatever paths hold them, and what decoding them told.
CREATE TABLE content (
    id          INTEGER PRIMARY KEY,
    hash        BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),  -- SHA-256 of the whole file
    width       INTEGER NOT NULL,           -- as stored, before orientation
    height      INTEGER NOT NULL,
    orientation INTEGER NOT NULL,           -- EXIF, 1 to 8
    format      TEXT    NOT NULL,
    taken_at    TEXT,                       -- ISO 8601 local time; NULL when the file does not say
    camera      TEXT,
    latitude    REAL,                       -- degrees, both or neither
    longitude   REAL,
    CHECK ((latitude IS NULL) = (longitude IS NULL))
) STRICT;
-- The contents of some days, without reading the others.
CREATE INDEX content_taken ON content (taken_at);

-- A path that holds, or held, a photo.  Ids are never reused: search results and caches name them.
CREATE TABLE image (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id       INTEGER NOT NULL REFERENCES root (id),
    path          BLOB    NOT NULL UNIQUE,
    mtime_ns      INTEGER NOT NULL,
    size_bytes    INTEGER NOT NULL,
    content_id    INTEGER NOT NULL REFERENCES content (id),
    first_run_id  INTEGER NOT NULL REFERENCES run (id),
    run_id        INTEGER NOT NULL REFERENCES run (id),  -- in which it got this content or returned
    missing_since INTEGER                   -- NULL: present, and searches find it
) STRICT;
-- The present photos of a content, lowest id first, without reading image.
CREATE INDEX image_content ON image (content_id, missing_since);
-- How many photos, and bytes, a root has, without reading image.
CREATE INDEX image_root ON image (root_id, missing_since, size_bytes);

-- A photo that is gone from its folder, but with so many others at once that it stays, and searches
-- find it, until it returns or its removal is approved.
CREATE TABLE held (
    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    since    INTEGER NOT NULL
) STRICT;

-- A file system that was met below a root, and where it was mounted.
CREATE TABLE mount (
    id       INTEGER PRIMARY KEY,
    path     BLOB    NOT NULL,
    identity TEXT    NOT NULL,
    UNIQUE (path, identity)
) STRICT;

-- The photos that were last seen on one; all others were on that of their root.
CREATE TABLE image_mount (
    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    mount_id INTEGER NOT NULL REFERENCES mount (id)
) STRICT;
CREATE INDEX image_mount_mount ON image_mount (mount_id);

-- Photos that were taken for removed within the last hour, and nobody was asked.  When too many
-- follow, all of them are held.
CREATE TABLE gone (
    image_id INTEGER PRIMARY KEY REFERENCES image (id) ON DELETE CASCADE,
    since    INTEGER NOT NULL
) STRICT;

-- The unit vector of a content under a model.  A vector made anew gets a new id, so that a cache of
-- vectors sees by ids alone what it covers.
CREATE TABLE embedding (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    content_id      INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
    model_id        INTEGER NOT NULL REFERENCES model (id),
    precision       TEXT    NOT NULL,       -- of the arithmetic that made it: 'fp32', ...
    exact           INTEGER NOT NULL CHECK (exact IN (0, 1)),  -- from every pixel, not a scaled decode
    ignore_rotation INTEGER NOT NULL CHECK (ignore_rotation IN (0, 1)),  -- EXIF orientation not applied
    run_id          INTEGER REFERENCES run (id),
    vector          BLOB    NOT NULL,       -- float32, little-endian, model.dimension of them
    UNIQUE (content_id, model_id)
) STRICT;
-- Whether a content has a usable vector, without reading the pages that hold vectors.
CREATE INDEX embedding_recipe
    ON embedding (model_id, content_id, precision, ignore_rotation, exact);

-- A file that gave no vector.  It is tried again only when its time or size changes.
CREATE TABLE failure (
    id         INTEGER PRIMARY KEY,
    root_id    INTEGER NOT NULL REFERENCES root (id),
    path       BLOB    NOT NULL UNIQUE,
    mtime_ns   INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    stage      TEXT    NOT NULL,            -- what failed: 'read', 'decode', ...
    reason     TEXT    NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 1,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    run_id     INTEGER NOT NULL REFERENCES run (id)
) STRICT;

-- What chance finds among the vectors of a model, made at the end of a run: what a query must beat.
CREATE TABLE background (
    model_id   INTEGER PRIMARY KEY REFERENCES model (id),
    embeddings INTEGER NOT NULL,            -- vectors it was made of,
    last_id    INTEGER NOT NULL,            -- the highest id among them
    mean       BLOB    NOT NULL,            -- of them, not normalised; stored as vectors are
    level      REAL                         -- see pix_background; NULL: the model reads no text
) STRICT;

-- Who wrote here, and how often: one row for each time that the index was opened and changed.  So
-- every state of the index has a name that neither another index has, nor this one with what it was
-- given after a copy of it was put back.  A cache of vectors says of which state it was made.
CREATE TABLE writing (
    id      INTEGER PRIMARY KEY,            -- rising; of old rows only the latest are kept
    token   INTEGER NOT NULL,               -- random
    commits INTEGER NOT NULL                -- so far
) STRICT;

-- How many photos a search can find, without counting.  The triggers keep it right.
CREATE TABLE tally (
    model_id INTEGER PRIMARY KEY,           -- 0: whether encoded or not
    photos   INTEGER NOT NULL               -- present ones that have a vector of the model
) STRICT;
CREATE TRIGGER model_is_added AFTER INSERT ON model BEGIN
    INSERT OR REPLACE INTO tally VALUES (new.id, 0);
END;
CREATE TRIGGER image_is_added AFTER INSERT ON image WHEN new.missing_since IS NULL BEGIN
    UPDATE tally SET photos = photos + 1 WHERE model_id = 0
        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = new.content_id);
END;
CREATE TRIGGER image_goes AFTER DELETE ON image WHEN old.missing_since IS NULL BEGIN
    UPDATE tally SET photos = photos - 1 WHERE model_id = 0
        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = old.content_id);
END;
CREATE TRIGGER image_changes AFTER UPDATE OF content_id, missing_since ON image BEGIN
    UPDATE tally SET photos = photos - 1 WHERE old.missing_since IS NULL AND (model_id = 0
        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = old.content_id));
    UPDATE tally SET photos = photos + 1 WHERE new.missing_since IS NULL AND (model_id = 0
        OR model_id IN (SELECT model_id FROM embedding WHERE content_id = new.content_id));
END;
CREATE TRIGGER embedding_is_added AFTER INSERT ON embedding BEGIN
    UPDATE tally SET photos = photos + (SELECT count(*) FROM image
        WHERE content_id = new.content_id AND missing_since IS NULL) WHERE model_id = new.model_id;
END;
CREATE TRIGGER embedding_goes AFTER DELETE ON embedding BEGIN
    UPDATE tally SET photos = photos - (SELECT count(*) FROM image
        WHERE content_id = old.content_id AND missing_since IS NULL) WHERE model_id = old.model_id;
END;
INSERT INTO tally VALUES (0, 0);
