/* A damaged index: what can be read is saved, what is lost is said. */
#include "storage/salvage.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "storage/schema.h"
#include "storage/store.h"
#include "tests/store_writer.h"

enum { DIMENSION = 64, PHOTOS = 600, PAGE = 16384 };

static const pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};
static char index_path[256];
static pix_bytes whole; /* a sound index of PHOTOS photos */

static ino_t kept_at_sync, index_at_sync; /* what the folder held when one was last synced */

/* In place of that of the C library. */
int fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        kept_at_sync = fstatat(fd, "index.db.damaged", &info, 0) ? 0 : info.st_ino;
        index_at_sync = fstatat(fd, "index.db", &info, 0) ? 0 : info.st_ino;
    }
    return (int)syscall(SYS_fsync, fd);
}

static int make_index(void **state) {
    (void)state;
    (void)snprintf(index_path, sizeof index_path, "%s/index.db", test_folder());
    writer w;
    assert_ok(open_writer(&w, index_path, DIMENSION), &w.error);
    for (int i = 0; i < PHOTOS; i++) {
        uint8_t hash[PIX_SHA256_BYTES] = {0};
        float vector[DIMENSION] = {0};
        char path[64];
        memcpy(hash, &i, sizeof i);
        vector[i % DIMENSION] = 1;
        (void)snprintf(path, sizeof path, "/p/%d.jpg", i);
        assert_ok(
            pix_store_content_put(w.store, &w.recipe, hash, &facts, vector, DIMENSION, &w.error),
            &w.error);
        assert_ok(pix_store_photo_put(w.store, w.run, w.root, path, i, 1, hash, &w.error),
                  &w.error);
    }
    assert_ok(pix_store_failure_put(w.store, w.run, w.root, "/p/bad.jpg", 1, 1, "decode", "bad",
                                    &w.error),
              &w.error);
    assert_ok(pix_store_commit(w.store, &w.error), &w.error);
    pix_store_close(w.store);
    assert_ok(pix_file_read(index_path, 1 << 26, &whole, &w.error), &w.error);
    return 0;
}

static int free_index(void **state) {
    (void)state;
    pix_bytes_free(&whole);
    return 0;
}

static void drop(const char *suffix) {
    char name[300];
    (void)snprintf(name, sizeof name, "%s%s", index_path, suffix);
    (void)unlink(name);
}

static void write_index(const void *data, size_t size) {
    drop("-wal");
    drop("-shm");
    drop(".damaged");
    test_write_file(index_path, data, size);
}

/* The index is sound, and a run finds every photo either unchanged or new. */
static void examine(const pix_salvage *salvage) {
    pix_salvage again;
    pix_error error;
    assert_ok(pix_store_salvage(index_path, &again, &error), &error);
    if (!again.sound)
        fail_msg("not sound: %s (before: %s)", again.damage, salvage->damage);
    writer w;
    assert_ok(open_writer(&w, index_path, DIMENSION), &w.error);
    int64_t known = 0;
    for (int i = 0; i < PHOTOS; i++) {
        char path[64];
        pix_photo_state state;
        (void)snprintf(path, sizeof path, "/p/%d.jpg", i);
        assert_ok(pix_store_photo_see(w.store, w.run, &w.recipe, path, i, 1, &state, &w.error),
                  &w.error);
        assert_true(state == PIX_PHOTO_UNCHANGED || state == PIX_PHOTO_NEW ||
                    state == PIX_PHOTO_UNENCODED);
        known += state != PIX_PHOTO_NEW;
    }
    assert_int_equal(known, salvage->photos);
    pix_store_close(w.store);
}

static void a_sound_index_is_left_alone(void **state) {
    (void)state;
    pix_salvage salvage;
    pix_error error;
    pix_bytes after = {0};
    write_index(whole.data, whole.size);
    assert_ok(pix_store_salvage(index_path, &salvage, &error), &error);
    assert_true(salvage.sound);
    assert_ok(pix_file_read(index_path, 1 << 26, &after, &error), &error);
    assert_int_equal(after.size, whole.size);
    assert_memory_equal(after.data, whole.data, whole.size);
    pix_bytes_free(&after);
}

static void execute(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(index_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The index as an older pixgrep left it: one photo and its vector. */
static void make_old_index(int version) {
    const pix_schema schema = {.version = version, .upgrades = pix_schema_current.upgrades};
    pix_bytes sql = {0};
    sqlite3 *db;
    pix_error error;
    write_index("", 0);
    assert_ok(pix_file_read(test_golden("schema/1.sql"), 1 << 20, &sql, &error), &error);
    assert_int_equal(pix_bytes_append(&sql, "", 1), PIX_OK);
    assert_int_equal(sqlite3_open(index_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql.data, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA application_id = 0x70697867; PRAGMA user_version = 1;"
                     "INSERT INTO model VALUES (1, 'a', 'one', 2, 0);"
                     "INSERT INTO root VALUES (1, x'2F70', '', 0, 0, 0);"
                     "INSERT INTO run (id, started_at, model_id) VALUES (1, 0, 1);"
                     "INSERT INTO content (hash, width, height, orientation, format)"
                     " VALUES (zeroblob(32), 4, 3, 1, 'png');"
                     "INSERT INTO image VALUES (1, 1, x'2F702F61', 1, 1, 1, 1, 1, NULL);"
                     "INSERT INTO embedding VALUES (1, 1, 1, 'fp32', 0, 0, 1,"
                     " x'0000803F00000000')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_ok(pix_schema_upgrade(db, index_path, &schema, &error), &error);
    sqlite3_close(db);
    pix_bytes_free(&sql);
}

static void a_sound_index_of_an_older_version_is_left_alone(void **state) {
    (void)state;
    for (int version = 1; version <= pix_schema_current.version; version++) {
        pix_salvage salvage;
        pix_error error;
        pix_bytes before = {0}, after = {0};
        make_old_index(version);
        assert_ok(pix_file_read(index_path, 1 << 26, &before, &error), &error);
        assert_ok(pix_store_salvage(index_path, &salvage, &error), &error);
        if (!salvage.sound)
            fail_msg("version %d: %s", version, salvage.damage);
        assert_ok(pix_file_read(index_path, 1 << 26, &after, &error), &error);
        assert_int_equal(after.size, before.size);
        assert_memory_equal(after.data, before.data, before.size);
        pix_bytes_free(&before);
        pix_bytes_free(&after);
        execute("UPDATE embedding SET vector = x'00'"); /* of which something is left to save */
        assert_ok(pix_store_salvage(index_path, &salvage, &error), &error);
        assert_string_equal(salvage.damage, "a vector is damaged");
        assert_int_equal(salvage.photos, 1);
    }
}

/* Each page but the first in turn is filled with nonsense. */
static void a_page_of_nonsense_costs_what_was_on_it(void **state) {
    (void)state;
    pix_bytes damaged = {0};
    int64_t worst = PHOTOS;
    int whole_again = 0, salvaged = 0;
    for (size_t page = 1; page < whole.size / PAGE; page++) {
        pix_salvage salvage;
        pix_error error;
        struct stat info;
        pix_bytes_clear(&damaged);
        assert_int_equal(pix_bytes_append(&damaged, whole.data, whole.size), PIX_OK);
        memset(damaged.data + page * PAGE, 0xA5, PAGE);
        write_index(damaged.data, damaged.size);
        pix_status status = pix_store_salvage(index_path, &salvage, &error);
        if (status)
            fail_msg("page %zu: %s", page, error.text);
        if (salvage.sound)
            continue; /* an empty page */
        salvaged++;
        assert_true(strlen(salvage.damage) > 0);
        assert_int_equal(stat(salvage.kept_as, &info), 0);
        assert_int_equal(info.st_size, (off_t)damaged.size);
        assert_int_equal(info.st_mode & 0077, stat(index_path, &info) ? 1 : info.st_mode & 0077);
        examine(&salvage);
        worst = salvage.photos < worst ? salvage.photos : worst;
        whole_again += salvage.photos == PHOTOS && salvage.vectors == PHOTOS;
    }
    pix_bytes_free(&damaged);
    print_message(
        "%d pages damaged, %d times nothing was lost, at worst %d of %d photos were saved\n",
        salvaged, whole_again, (int)worst, PHOTOS);
    assert_true(salvaged > 10);
    assert_true(whole_again > 0); /* pages of indexes are made anew */
}

static void a_file_cut_short_loses_its_end_alone(void **state) {
    (void)state;
    for (size_t tenth = 4; tenth < 10; tenth++) {
        pix_salvage salvage;
        pix_error error;
        size_t size = whole.size * tenth / 10;
        write_index(whole.data, size);
        pix_status status = pix_store_salvage(index_path, &salvage, &error);
        if (status) {
            assert_int_equal(status, PIX_EFORMAT);
            continue;
        }
        assert_false(salvage.sound);
        examine(&salvage);
    }
}

/* Salvages the whole index as `sql` leaves it. */
static pix_salvage salvage_after(const char *sql) {
    sqlite3 *db;
    pix_salvage salvage;
    pix_error error;
    write_index(whole.data, whole.size);
    assert_int_equal(sqlite3_open(index_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_ok(pix_store_salvage(index_path, &salvage, &error), &error);
    assert_false(salvage.sound);
    return salvage;
}

static void a_vector_that_is_none_is_dropped(void **state) {
    (void)state;
    pix_salvage salvage = salvage_after("UPDATE embedding SET vector = zeroblob(256) WHERE id = 7;"
                                        "UPDATE embedding SET vector = x'00' WHERE id = 9");
    assert_int_equal(salvage.vectors, PHOTOS - 2);
    assert_int_equal(salvage.vectors_before, PHOTOS);
    assert_int_equal(salvage.photos, PHOTOS);
    examine(&salvage);
}

/* Else all vectors would be, and no run could begin. */
static void a_wrong_dimension_is_made_right(void **state) {
    (void)state;
    pix_salvage salvage = salvage_after("UPDATE model SET dimension = 77;"
                                        "UPDATE embedding SET vector = x'00' WHERE id = 1");
    assert_int_equal(salvage.vectors, PHOTOS - 1);
    examine(&salvage);
}

static void a_loss_of_power_afterwards_loses_neither_file(void **state) {
    (void)state;
    struct stat info;
    pix_salvage salvage = salvage_after("UPDATE embedding SET vector = x'00' WHERE id = 9");
    assert_int_equal(stat(salvage.kept_as, &info), 0);
    assert_true(kept_at_sync == info.st_ino);
    assert_int_equal(stat(index_path, &info), 0);
    assert_true(index_at_sync == info.st_ino);
}

static void a_link_to_the_index_stays_one(void **state) {
    (void)state;
    char folder[300], link[320], left[320], expected[320];
    (void)snprintf(folder, sizeof folder, "%s/links", test_folder());
    (void)snprintf(link, sizeof link, "%s/linked.db", folder);
    (void)snprintf(left, sizeof left, "%s/linked.db.damaged", folder);
    (void)snprintf(expected, sizeof expected, "%s.damaged", index_path);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink(index_path, link), 0);
    write_index(whole.data, whole.size);
    execute("UPDATE embedding SET vector = x'00' WHERE id = 9");
    pix_salvage salvage;
    pix_error error;
    assert_ok(pix_store_salvage(link, &salvage, &error), &error);
    assert_false(salvage.sound);
    assert_string_equal(salvage.kept_as, expected);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(left, &info), -1);
    assert_int_equal(salvage.photos, PHOTOS);
    examine(&salvage);
}

/* Two numbers in the head say what the file is; the tables say it, too. */
static void an_index_with_a_damaged_head_is_saved(void **state) {
    (void)state;
    static const char *const damages[] = {"PRAGMA application_id = 5", "PRAGMA user_version = 0",
                                          "PRAGMA user_version = -7",
                                          "PRAGMA user_version = 64857475"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        pix_salvage salvage = salvage_after(damages[i]);
        assert_non_null(strstr(salvage.damage, "head"));
        assert_int_equal(salvage.photos, PHOTOS);
        assert_int_equal(salvage.vectors, PHOTOS);
        examine(&salvage);
    }
}

static void what_is_newer_or_none_of_ours_is_left_alone(void **state) {
    (void)state;
    pix_salvage salvage;
    pix_error error;
    char name[300];
    (void)snprintf(name, sizeof name, "%s.damaged", index_path);
    write_index(whole.data, whole.size);
    execute("PRAGMA user_version = 1000");
    assert_int_equal(pix_store_salvage(index_path, &salvage, &error), PIX_EUNSUPPORTED);
    assert_non_null(strstr(error.text, "newer pixgrep"));
    drop("");
    execute("CREATE TABLE image (id INTEGER PRIMARY KEY, path BLOB)");
    assert_int_equal(pix_store_salvage(index_path, &salvage, &error), PIX_EFORMAT);
    assert_false(test_exists(name));
}

/* Nothing could be added after them. */
static void ids_beyond_all_bounds_are_not_kept(void **state) {
    (void)state;
    static const char *const tables[] = {"run", "image", "embedding", "failure"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql,
                       "UPDATE %s SET id = 9223372036854775807"
                       " WHERE id = (SELECT max(id) FROM %s)",
                       tables[i], tables[i]);
        pix_salvage salvage = salvage_after(sql);
        assert_true(salvage.photos >= PHOTOS - 1 && salvage.vectors >= PHOTOS - 1);
        examine(&salvage);
    }
    writer w;
    write_index(whole.data, whole.size);
    execute("UPDATE run SET id = 9223372036854775807");
    assert_int_equal(open_writer(&w, index_path, DIMENSION), PIX_EFORMAT);
    assert_non_null(strstr(w.error.text, "no id is left"));
    pix_store_close(w.store);
}

static void what_cannot_be_read_at_all_stays_as_it_is(void **state) {
    (void)state;
    pix_salvage salvage;
    pix_error error;
    static const char nonsense[PAGE] = "nothing of SQLite's";
    write_index(nonsense, sizeof nonsense);
    assert_int_equal(pix_store_salvage(index_path, &salvage, &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "nothing in it can be read"));
    struct stat info;
    assert_int_equal(stat(index_path, &info), 0);
    assert_int_equal(info.st_size, sizeof nonsense);
    char name[300];
    (void)snprintf(name, sizeof name, "%s.salvaged", index_path);
    assert_false(test_exists(name));
    drop("");
    assert_int_equal(pix_store_salvage(index_path, &salvage, &error), PIX_ENOTFOUND);
}

static void nobody_writes_meanwhile(void **state) {
    (void)state;
    pix_salvage salvage;
    pix_error error;
    write_index(whole.data, whole.size);
    writer w;
    assert_ok(open_writer(&w, index_path, DIMENSION), &w.error);
    assert_int_equal(pix_store_salvage(index_path, &salvage, &error), PIX_EBUSY);
    pix_store_close(w.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_index_is_left_alone),
        cmocka_unit_test(a_sound_index_of_an_older_version_is_left_alone),
        cmocka_unit_test(a_page_of_nonsense_costs_what_was_on_it),
        cmocka_unit_test(a_file_cut_short_loses_its_end_alone),
        cmocka_unit_test(a_vector_that_is_none_is_dropped),
        cmocka_unit_test(a_wrong_dimension_is_made_right),
        cmocka_unit_test(a_loss_of_power_afterwards_loses_neither_file),
        cmocka_unit_test(a_link_to_the_index_stays_one),
        cmocka_unit_test(an_index_with_a_damaged_head_is_saved),
        cmocka_unit_test(what_is_newer_or_none_of_ours_is_left_alone),
        cmocka_unit_test(ids_beyond_all_bounds_are_not_kept),
        cmocka_unit_test(what_cannot_be_read_at_all_stays_as_it_is),
        cmocka_unit_test(nobody_writes_meanwhile),
    };
    return cmocka_run_group_tests(tests, make_index, free_index);
}
