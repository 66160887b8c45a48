/* What is left of an index when its writer dies, its disk is full or its folder cannot be written.
 *
 * Children end with _exit: what they find wrong is printed and is their exit code. */
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "storage/schema.h"
#include "storage/vector_index.h"
#include "tests/store_writer.h"

enum { DIMENSION = 512, BATCH = 40 };

static const pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};

/* For children, where cmocka's asserts would run on in the parent's place. */
#define require(condition, error)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, (error)->text);       \
            _exit(9);                                                                              \
        }                                                                                          \
    } while (0)

/* Photo `number` of a content of its own, whose vector is the axis `axis`. */
static pix_status put_photo(writer *w, int number, int axis) {
    uint8_t hash[PIX_SHA256_BYTES] = {0};
    memcpy(hash, &number, sizeof number);
    float vector[DIMENSION] = {0};
    vector[axis % DIMENSION] = 1;
    char path[64];
    (void)snprintf(path, sizeof path, "/p/%d.jpg", number);
    pix_status status =
        pix_store_content_put(w->store, &w->recipe, hash, &facts, vector, DIMENSION, &w->error);
    if (!status)
        status = pix_store_photo_put(w->store, w->run, w->root, path, number, 1, hash, &w->error);
    return status;
}

static pix_status put_batch(writer *w, int first, int axis) {
    pix_status status = PIX_OK;
    for (int i = first; i < first + BATCH && !status; i++)
        status = put_photo(w, i, axis);
    return status ? status : pix_store_commit(w->store, &w->error);
}

static int64_t count_photos(pix_store *store) {
    pix_store_totals totals;
    pix_error error;
    assert_ok(pix_store_totals_get(store, &totals, &error), &error);
    return totals.photos;
}

/* The file passes SQLite's own checks. */
static void assert_sound(const char *path) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* The exit code of a child that ended, 1000 + the signal of one that was killed. */
static int wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void sleep_us(long us) {
    const struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&time, NULL);
}

/* Adds batches for ever, telling the pipe how many photos are committed. */
static void write_and_tell(const char *path, int first, int fd) {
    writer w;
    require(!open_writer(&w, path, DIMENSION), &w.error);
    for (int next = first;; next += BATCH) {
        require(!put_batch(&w, next, next), &w.error);
        int committed = next + BATCH;
        require(write(fd, &committed, sizeof committed) == (ssize_t)sizeof committed, &w.error);
    }
}

static void a_killed_writer_loses_at_most_its_open_batch(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    srand(20);
    int photos = 0;
    for (int round = 0; round < 25; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_and_tell(path, photos, ends[1]);
        }
        close(ends[1]);
        int told, committed = photos;
        if (round % 2 == 1) { /* however slow the machine, half of the writers get somewhere */
            assert_int_equal(read(ends[0], &told, sizeof told), sizeof told);
            committed = told;
        }
        sleep_us(rand() % 250000);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(wait_for(child), 1000 + SIGKILL);
        while (read(ends[0], &told, sizeof told) == (ssize_t)sizeof told)
            committed = told;
        close(ends[0]);

        if (round % 2 == 0 && test_exists(path)) { /* a reader may be the first to come */
            pix_store *reader;
            pix_error error;
            pix_status status = pix_store_open(path, PIX_STORE_READ, &reader, &error);
            if (status != PIX_ENOTFOUND || committed > 0) {
                assert_ok(status, &error);
                assert_true(count_photos(reader) >= committed);
                pix_store_close(reader);
            }
        }
        writer w;
        assert_ok(open_writer(&w, path, DIMENSION), &w.error);
        photos = (int)count_photos(w.store);
        if (photos != committed && photos != committed + BATCH)
            fail_msg("round %d: %d photos, %d committed", round, photos, committed);
        for (int i = 0; i < photos; i++) {
            char name[64];
            pix_photo_state seen;
            (void)snprintf(name, sizeof name, "/p/%d.jpg", i);
            assert_ok(pix_store_photo_see(w.store, w.run, &w.recipe, name, i, 1, &seen, &w.error),
                      &w.error);
            assert_int_equal(seen, PIX_PHOTO_UNCHANGED);
        }
        pix_store_close(w.store);
        assert_sound(path);
    }
    assert_true(photos > 10 * BATCH);
}

static void only_one_process_writes(void **state) {
    (void)state;
    char path[128], link[128];
    const char *folder = test_folder();
    (void)snprintf(path, sizeof path, "%s/index.db", folder);
    (void)snprintf(link, sizeof link, "%s/link.db", folder);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        writer w;
        require(!open_writer(&w, path, DIMENSION) && !put_batch(&w, 0, 0), &w.error);
        require(write(ends[1], "x", 1) == 1, &w.error);
        for (;;)
            pause();
    }
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(symlink(path, link), 0);
    pix_store *store;
    pix_error error;
    char expected[256];
    assert_int_equal(pix_store_open(path, PIX_STORE_WRITE, &store, &error), PIX_EBUSY);
    assert_null(store);
    (void)snprintf(expected, sizeof expected, "%s: another pixgrepd is writing", path);
    assert_string_equal(error.text, expected);
    assert_int_equal(pix_store_open(link, PIX_STORE_WRITE, &store, &error), PIX_EBUSY);
    assert_ok(pix_store_open(link, PIX_STORE_READ, &store, &error), &error);
    assert_int_equal(count_photos(store), BATCH);
    pix_store_close(store);

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(wait_for(child), 1000 + SIGKILL);
    assert_ok(pix_store_open(path, PIX_STORE_WRITE, &store, &error), &error);
    pix_store *second;
    assert_int_equal(pix_store_open(path, PIX_STORE_WRITE, &second, &error), PIX_EBUSY);
    pix_store_close(store);
    assert_ok(pix_store_open(path, PIX_STORE_WRITE, &store, &error), &error);
    pix_store_close(store);
    close(ends[0]);
    close(ends[1]);
}

/* Every batch replaces every vector by one that lies elsewhere. */
static void replace_all_for_ever(const char *path) {
    writer w;
    require(!open_writer(&w, path, DIMENSION), &w.error);
    for (int axis = 0;; axis++)
        require(!put_batch(&w, 0, axis % 2), &w.error);
}

static void a_search_sees_one_state_while_batches_are_committed(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_ok(put_batch(&w, 0, 0), &w.error);
    int64_t model = w.recipe.model_id;
    pix_store_close(w.store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        replace_all_for_ever(path);

    pix_store *reader;
    pix_error error;
    assert_ok(pix_store_open(path, PIX_STORE_READ, &reader, &error), &error);
    const float query[DIMENSION] = {1};
    int at_one = 0, searches = 0;
    const int64_t second = 1000000000, start = pix_now_ns();
    /* Two seconds, or until both states were seen. */
    for (int64_t now = start; now - start < 2 * second ||
                              ((at_one == 0 || at_one == searches) && now - start < 60 * second);
         now = pix_now_ns(), searches++) {
        pix_hit hits[BATCH + 1];
        size_t count;
        const pix_vector_query wish = {.model_id = model,
                                       .vectors = query,
                                       .count = 1,
                                       .dimension = DIMENSION,
                                       .k = BATCH + 1};
        assert_ok(pix_vector_index_search(reader, &wish, hits, &count, NULL, &error), &error);
        assert_int_equal(count, BATCH);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(hits[i].image_id, i + 1);
            assert_true(hits[i].score == hits[0].score);
        }
        at_one += hits[0].score == 1.0;
    }
    pix_store_close(reader);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(wait_for(child), 1000 + SIGKILL);
    assert_true(at_one > 0 && at_one < searches);
}

/* SELECT die(N) ends the process on its N-th call. */
static void die(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    static int calls;
    if (++calls >= sqlite3_value_int(values[0]))
        (void)raise(SIGKILL);
    sqlite3_result_int(context, calls);
}

static void upgrade_and_die(const char *path, const pix_schema *schema) {
    pix_error error = {0};
    sqlite3 *db;
    require(sqlite3_open(path, &db) == SQLITE_OK, &error);
    require(sqlite3_create_function(db, "die", 1, SQLITE_UTF8, NULL, die, NULL, NULL) == SQLITE_OK,
            &error);
    require(!pix_schema_upgrade(db, path, schema, &error), &error);
    sqlite3_close(db);
    _exit(0);
}

static int64_t version_of(const char *path) {
    sqlite3 *db;
    int version;
    pix_error error;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_ok(pix_schema_version(db, path, &version, &error), &error);
    sqlite3_close(db);
    return version;
}

enum { MAX_VERSION = 32 };

static void an_upgrade_that_dies_leaves_the_old_version(void **state) {
    (void)state;
    static const char *const deaths[] = {
        "SELECT die(1); ALTER TABLE image ADD COLUMN rating INTEGER;",
        "ALTER TABLE image ADD COLUMN rating INTEGER; SELECT die(1);",
        "CREATE TABLE tag (name TEXT); INSERT INTO tag SELECT path FROM image WHERE die(20);"
        "DROP TABLE failure;",
        "ALTER TABLE image ADD COLUMN rating INTEGER; UPDATE image SET rating = die(35);",
    };
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_ok(put_batch(&w, 0, 0), &w.error);
    pix_store_close(w.store);
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        const int now = pix_schema_current.version;
        const char *upgrades[MAX_VERSION] = {0};
        upgrades[now - 1] = deaths[i];
        const pix_schema next = {.version = now + 1, .upgrades = upgrades};
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            upgrade_and_die(path, &next);
        assert_int_equal(wait_for(child), 1000 + SIGKILL);
        assert_sound(path);
        assert_int_equal(version_of(path), now);
        assert_ok(open_writer(&w, path, DIMENSION), &w.error);
        assert_int_equal(count_photos(w.store), BATCH);
        assert_ok(put_batch(&w, 0, (int)i), &w.error);
        pix_store_close(w.store);
    }
}

static void upgrades_lead_from_version_to_version(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_ok(put_batch(&w, 0, 0), &w.error);
    pix_store_close(w.store);
    const int now = pix_schema_current.version;
    const char *upgrades[MAX_VERSION] = {0};
    upgrades[now - 1] = "ALTER TABLE image ADD COLUMN rating INTEGER;";
    upgrades[now] = "UPDATE image SET rating = 5; SELECT die(2);";
    upgrades[now + 1] = "UPDATE image SET rating = 1; SELECT nonsense;";
    const pix_schema schemas[] = {{.version = now + 1, .upgrades = upgrades},
                                  {.version = now + 2, .upgrades = upgrades},
                                  {.version = now + 3, .upgrades = upgrades}};
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            upgrade_and_die(path, &schemas[i]);
        assert_int_equal(wait_for(child), 0);
        assert_int_equal(version_of(path), now + i + 1);
    }
    pix_store *store;
    pix_error error;
    assert_int_equal(pix_store_open(path, PIX_STORE_READ, &store, &error), PIX_EUNSUPPORTED);

    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(pix_schema_upgrade(db, path, &schemas[2], &error), PIX_EIO);
    assert_non_null(strstr(error.text, path));
    assert_true(sqlite3_get_autocommit(db));
    sqlite3_close(db);
    assert_int_equal(version_of(path), now + 2);
}

static void a_creation_that_dies_leaves_a_file_to_begin_with(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    static const char tables[] = "CREATE TABLE root (id INTEGER); SELECT die(1);";
    const pix_schema half = {.version = 1, .tables = tables};
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        upgrade_and_die(path, &half);
    assert_int_equal(wait_for(child), 1000 + SIGKILL);
    pix_store *reader;
    pix_error error;
    assert_int_equal(pix_store_open(path, PIX_STORE_READ, &reader, &error), PIX_ENOTFOUND);
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_ok(put_batch(&w, 0, 0), &w.error);
    pix_store_close(w.store);
    assert_sound(path);
}

static void write_until_full(const char *path, int fd) {
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {.rlim_cur = 3 << 20, .rlim_max = 3 << 20};
    writer w;
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0, &w.error);
    require(!open_writer(&w, path, DIMENSION), &w.error);
    int next = 0;
    while (!put_batch(&w, next, 0)) {
        next += BATCH;
        require(next < 100 * BATCH, &w.error);
    }
    pix_error first = w.error;
    require(first.status == PIX_EIO && strncmp(first.text, path, strlen(path)) == 0 &&
                strstr(first.text, "File too large"),
            &first);
    require(put_photo(&w, 1000000, 0) == PIX_EIO, &w.error);
    require(strstr(w.error.text, "File too large") && strstr(w.error.text, "open the index again"),
            &w.error);
    require(pix_store_commit(w.store, &w.error) == PIX_EIO, &w.error);
    pix_store_totals totals;
    require(!pix_store_totals_get(w.store, &totals, &w.error) && totals.photos == next, &w.error);
    require(write(fd, &next, sizeof next) == (ssize_t)sizeof next, &w.error);
    pix_store_close(w.store);
    _exit(0);
}

static void a_full_disk_loses_the_open_batch_and_says_so(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_full(path, ends[1]);
    assert_int_equal(wait_for(child), 0);
    int committed;
    assert_int_equal(read(ends[0], &committed, sizeof committed), sizeof committed);
    close(ends[0]);
    close(ends[1]);
    assert_true(committed > 0);
    assert_sound(path);
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_int_equal(count_photos(w.store), committed);
    assert_ok(put_batch(&w, committed, 0), &w.error);
    assert_int_equal(count_photos(w.store), committed + BATCH);
    pix_store_close(w.store);
}

/* Becomes a user whom folder permissions bind. */
static void drop_privileges(void) {
    pix_error error = {.text = "cannot become nobody"};
    if (geteuid() == 0)
        require(setgid(65534) == 0 && setuid(65534) == 0, &error);
}

static void give_away(const char *path) {
    if (geteuid() == 0)
        assert_int_equal(chown(path, 65534, 65534), 0);
}

/* Opens `path`, in a folder that cannot be written, as a user without privileges; exit code 0 when
 * it has BATCH photos, 1 when the error is one line with "-wal" in it. */
static void look_without_privileges(const char *path) {
    drop_privileges();
    pix_store *store;
    pix_error error = {0};
    pix_store_totals totals;
    require(pix_store_open(path, PIX_STORE_WRITE, &store, &error) == PIX_EIO, &error);
    require(strstr(error.text, path) && strstr(error.text, "Permission denied"), &error);
    pix_status status = pix_store_open(path, PIX_STORE_READ, &store, &error);
    if (status == PIX_EIO && strncmp(error.text, path, strlen(path)) == 0 &&
        strstr(error.text, "-wal"))
        _exit(1);
    require(!status, &error);
    require(!pix_store_totals_get(store, &totals, &error) && totals.photos == BATCH, &error);
    pix_store_close(store);
    _exit(0);
}

static int look_from_a_child(const char *path) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        look_without_privileges(path);
    return wait_for(child);
}

static void a_folder_that_cannot_be_written_can_be_read(void **state) {
    (void)state;
    char path[128], name[160];
    const char *folder = test_folder();
    (void)snprintf(path, sizeof path, "%s/index.db", folder);
    writer w;
    assert_ok(open_writer(&w, path, DIMENSION), &w.error);
    assert_ok(put_batch(&w, 0, 0), &w.error);
    pix_store_close(w.store);
    (void)snprintf(name, sizeof name, "%s.lock", path);
    assert_int_equal(unlink(name), 0);
    give_away(folder);
    give_away(path);
    assert_int_equal(chmod(folder, 0500), 0);
    assert_int_equal(look_from_a_child(path), 0);

    /* With changes left in the log by a writer that died, the file alone would be a lie. */
    (void)snprintf(name, sizeof name, "%s-wal", path);
    assert_int_equal(chmod(folder, 0700), 0);
    test_write_file(name, "log", 3);
    give_away(name);
    assert_int_equal(chmod(folder, 0500), 0);
    assert_int_equal(look_from_a_child(path), 1);
    assert_int_equal(chmod(folder, 0700), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_writer_loses_at_most_its_open_batch),
        cmocka_unit_test(only_one_process_writes),
        cmocka_unit_test(a_search_sees_one_state_while_batches_are_committed),
        cmocka_unit_test(an_upgrade_that_dies_leaves_the_old_version),
        cmocka_unit_test(upgrades_lead_from_version_to_version),
        cmocka_unit_test(a_creation_that_dies_leaves_a_file_to_begin_with),
        cmocka_unit_test(a_full_disk_loses_the_open_batch_and_says_so),
        cmocka_unit_test(a_folder_that_cannot_be_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
