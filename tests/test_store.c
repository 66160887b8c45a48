#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/files.h"
#include "storage/schema.h"
#include "storage/store.h"
#include "tests/support.h"
#include "tests/sweep.h"

enum { DIMENSION = 8 };

/* A store with a model, a root "/photos" and an open run. */
typedef struct fixture {
    char path[256];
    pix_store *store;
    pix_error error;
    int64_t model, root, run;
    pix_recipe recipe;
} fixture;

static const char fingerprint[] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char other_fingerprint[] =
    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void reopen(fixture *f) {
    pix_store_close(f->store);
    assert_ok(pix_store_open(f->path, PIX_STORE_WRITE, &f->store, &f->error), &f->error);
}

static void begin_run(fixture *f) {
    assert_ok(pix_store_run_begin(f->store, f->model, &f->run, &f->error), &f->error);
}

static void end_run(fixture *f) {
    pix_run_counts counts = {.seen = 3};
    assert_ok(pix_store_run_end(f->store, f->run, &counts, "complete", &f->error), &f->error);
    assert_ok(pix_store_commit(f->store, &f->error), &f->error);
}

static fixture open_fixture(void) {
    fixture f = {0};
    (void)snprintf(f.path, sizeof f.path, "%s/index.db", test_folder());
    reopen(&f);
    assert_ok(pix_store_model_put(f.store, "tiny", fingerprint, DIMENSION, &f.model, &f.error),
              &f.error);
    assert_ok(pix_store_root_put(f.store, "/photos", "uuid:1", false, &f.root, &f.error), &f.error);
    f.recipe = (pix_recipe){.model_id = f.model, .precision = "fp32"};
    begin_run(&f);
    return f;
}

static const uint8_t *hash_of(int number) {
    static uint8_t hash[PIX_SHA256_BYTES];
    memset(hash, 0x5A, sizeof hash);
    memcpy(hash, &number, sizeof number);
    return hash;
}

/* The unit vector along axis `number`. */
static const float *axis(int number) {
    static float vector[DIMENSION];
    memset(vector, 0, sizeof vector);
    vector[number % DIMENSION] = 1;
    return vector;
}

static const pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};

static void put_content(fixture *f, const pix_recipe *recipe, int content) {
    assert_ok(pix_store_content_put(f->store, recipe, hash_of(content), &facts, axis(content),
                                    DIMENSION, &f->error),
              &f->error);
}

static void put_photo(fixture *f, const char *path, int64_t mtime_ns, int64_t size, int content) {
    put_content(f, &f->recipe, content);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, mtime_ns, size, hash_of(content),
                                  &f->error),
              &f->error);
}

static void put_failure(fixture *f, const char *path, int64_t mtime_ns, int64_t size,
                        const char *reason) {
    assert_ok(pix_store_failure_put(f->store, f->run, f->root, path, mtime_ns, size, "decode",
                                    reason, &f->error),
              &f->error);
}

static pix_photo_state see_as(fixture *f, const pix_recipe *recipe, const char *path,
                              int64_t mtime_ns, int64_t size) {
    pix_photo_state state;
    assert_ok(
        pix_store_photo_see(f->store, f->run, recipe, path, mtime_ns, size, &state, &f->error),
        &f->error);
    return state;
}

static pix_photo_state see(fixture *f, const char *path, int64_t mtime_ns, int64_t size) {
    return see_as(f, &f->recipe, path, mtime_ns, size);
}

static int64_t sweep(fixture *f, const char *folder, const char *kept, int64_t *moved) {
    pix_swept swept;
    assert_ok(test_sweep(f->store, f->run, f->root, folder, kept, 1000, &swept, &f->error),
              &f->error);
    assert_int_equal(swept.held, 0);
    if (moved)
        *moved = swept.moved;
    return swept.removed;
}

static pix_store_totals totals(fixture *f) {
    pix_store_totals all;
    assert_ok(pix_store_totals_get(f->store, &all, &f->error), &f->error);
    return all;
}

/* The one number that `sql` yields, read through a connection of its own. */
static int64_t number(const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

static void execute(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_photo_goes_through_its_states(void **state) {
    (void)state;
    fixture f = open_fixture();
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_NEW);
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/a.jpg", 11, 100), PIX_PHOTO_CHANGED);
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 101), PIX_PHOTO_CHANGED);
    end_run(&f);

    begin_run(&f);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 1);
    end_run(&f);
    assert_int_equal(totals(&f).photos, 0);
    assert_int_equal(totals(&f).missing, 1);

    begin_run(&f);
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_RETURNED);
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_UNCHANGED);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 0);
    end_run(&f);
    assert_int_equal(totals(&f).photos, 1);
    assert_int_equal(totals(&f).missing, 0);
    pix_store_close(f.store);
}

static void a_missing_photo_that_comes_back_changed_waits_for_its_content(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 1);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(see(&f, "/photos/a.jpg", 11, 100), PIX_PHOTO_CHANGED);
    assert_int_equal(totals(&f).photos, 0);
    put_photo(&f, "/photos/a.jpg", 11, 100, 2);
    assert_int_equal(totals(&f).photos, 1);
    assert_int_equal(see(&f, "/photos/a.jpg", 11, 100), PIX_PHOTO_UNCHANGED);
    pix_store_close(f.store);
}

static void a_run_over_unchanged_photos_changes_no_row(void **state) {
    (void)state;
    fixture f = open_fixture();
    char path[64];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        put_photo(&f, path, i, 100, i);
    }
    end_run(&f);
    int64_t before = number(f.path, "SELECT sum(run_id * id) FROM image");
    begin_run(&f);
    for (int i = 0; i < 300; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        assert_int_equal(see(&f, path, i, 100), PIX_PHOTO_UNCHANGED);
    }
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 0);
    end_run(&f);
    assert_int_equal(number(f.path, "SELECT sum(run_id * id) FROM image"), before);
    pix_store_close(f.store);
}

static pix_status count_failure(void *context, const pix_failure *failure) {
    (void)failure;
    ++*(int *)context;
    return PIX_OK;
}

static pix_status copy_failure(void *context, const pix_failure *failure) {
    pix_failure *out = context;
    static char path[256], stage[64], reason[256];
    (void)snprintf(path, sizeof path, "%s", failure->path);
    (void)snprintf(stage, sizeof stage, "%s", failure->stage);
    (void)snprintf(reason, sizeof reason, "%s", failure->reason);
    *out = *failure;
    out->path = path;
    out->stage = stage;
    out->reason = reason;
    return PIX_OK;
}

static void a_failed_file_is_tried_again_only_when_it_changes(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_failure(&f, "/photos/bad.jpg", 10, 100, "truncated");
    end_run(&f);
    begin_run(&f);
    assert_int_equal(see(&f, "/photos/bad.jpg", 10, 100), PIX_PHOTO_FAILED_BEFORE);
    assert_int_equal(see(&f, "/photos/bad.jpg", 11, 100), PIX_PHOTO_NEW);
    put_failure(&f, "/photos/bad.jpg", 11, 100, "still truncated");
    pix_failure failure = {0};
    int failures = 0;
    assert_ok(pix_store_failures(f.store, count_failure, &failures, &f.error), &f.error);
    assert_int_equal(failures, 1);
    assert_ok(pix_store_failures(f.store, copy_failure, &failure, &f.error), &f.error);
    assert_string_equal(failure.path, "/photos/bad.jpg");
    assert_string_equal(failure.stage, "decode");
    assert_string_equal(failure.reason, "still truncated");
    assert_int_equal(failure.tries, 2);
    assert_int_equal(failure.mtime_ns, 11);
    assert_int_equal(failure.size_bytes, 100);
    assert_true(failure.first_at > 1600000000);

    put_photo(&f, "/photos/bad.jpg", 12, 100, 1);
    assert_int_equal(totals(&f).failures, 0);
    assert_int_equal(see(&f, "/photos/bad.jpg", 12, 100), PIX_PHOTO_UNCHANGED);
    pix_store_close(f.store);
}

static void a_failure_keeps_the_time_it_was_first_seen(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_failure(&f, "/photos/bad.jpg", 10, 100, "truncated");
    end_run(&f);
    execute(f.path, "UPDATE failure SET first_at = 1000, last_at = 1000");
    begin_run(&f);
    put_failure(&f, "/photos/bad.jpg", 11, 100, "truncated");
    pix_failure failure = {0};
    assert_ok(pix_store_failures(f.store, copy_failure, &failure, &f.error), &f.error);
    assert_int_equal(failure.first_at, 1000);
    end_run(&f);
    assert_true(number(f.path, "SELECT last_at FROM failure") > 1000);
    pix_store_close(f.store);
}

static void a_photo_that_fails_is_hidden_until_it_is_good_again(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(see(&f, "/photos/a.jpg", 11, 90), PIX_PHOTO_CHANGED);
    put_failure(&f, "/photos/a.jpg", 11, 90, "truncated");
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 0);
    end_run(&f);
    pix_store_totals all = totals(&f);
    assert_int_equal(all.photos, 0);
    assert_int_equal(all.missing, 0);
    assert_int_equal(all.failures, 1);

    begin_run(&f);
    assert_int_equal(see(&f, "/photos/a.jpg", 11, 90), PIX_PHOTO_FAILED_BEFORE);
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_RETURNED);
    all = totals(&f);
    assert_int_equal(all.photos, 1);
    assert_int_equal(all.failures, 0);

    /* The bytes went bad while time and size stayed, as another model's run found out. */
    put_failure(&f, "/photos/a.jpg", 10, 100, "bad block");
    assert_int_equal(see(&f, "/photos/a.jpg", 10, 100), PIX_PHOTO_FAILED_BEFORE);
    pix_store_close(f.store);
}

static void a_vector_counts_only_for_its_recipe(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t other;
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, DIMENSION, &other, &f.error),
              &f.error);
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    pix_recipe fast = f.recipe, exact = fast, rotated = fast, coarse = fast, elsewhere = fast;
    exact.exact = true;
    rotated.ignore_rotation = true;
    coarse.precision = "int8";
    elsewhere.model_id = other;
    const struct {
        const pix_recipe *stored, *wished;
        bool known;
    } cases[] = {
        {&fast, &fast, true},       {&fast, &exact, false},     {&fast, &rotated, false},
        {&fast, &coarse, true},     {&fast, &elsewhere, false}, {&exact, &fast, true},
        {&exact, &exact, true},     {&exact, &rotated, false},  {&rotated, &fast, false},
        {&rotated, &rotated, true}, {&coarse, &fast, false},    {&coarse, &coarse, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_content(&f, cases[i].stored, 1);
        bool known = !cases[i].known;
        assert_ok(pix_store_content_known(f.store, cases[i].wished, hash_of(1), &known, &f.error),
                  &f.error);
        pix_photo_state seen = see_as(&f, cases[i].wished, "/photos/a.jpg", 10, 100);
        if (known != cases[i].known || (seen == PIX_PHOTO_UNCHANGED) != known)
            fail_msg("case %zu: known %d, state %d", i, known, (int)seen);
        if (!known)
            assert_int_equal(seen, PIX_PHOTO_UNENCODED);
    }
    bool known = true;
    assert_ok(pix_store_content_known(f.store, &fast, hash_of(2), &known, &f.error), &f.error);
    assert_false(known);
    pix_store_close(f.store);
}

static void a_missing_photo_returns_though_the_new_model_lacks_its_vector(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 1);
    pix_recipe other = f.recipe;
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, DIMENSION, &other.model_id,
                                  &f.error),
              &f.error);
    assert_int_equal(see_as(&f, &other, "/photos/a.jpg", 10, 100), PIX_PHOTO_UNENCODED);
    assert_int_equal(totals(&f).photos, 1);
    pix_store_close(f.store);
}

static void a_vector_made_anew_gets_a_new_id(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_content(&f, &f.recipe, 1);
    put_content(&f, &f.recipe, 2);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    int64_t largest = number(f.path, "SELECT max(id) FROM embedding");
    put_content(&f, &f.recipe, 2);
    put_content(&f, &f.recipe, 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(number(f.path, "SELECT count(*) FROM embedding"), 2);
    assert_true(number(f.path, "SELECT min(id) FROM embedding") > largest);
    pix_store_close(f.store);
}

static void only_unit_vectors_of_the_right_size_are_stored(void **state) {
    (void)state;
    fixture f = open_fixture();
    float vector[DIMENSION] = {1.01F};
    assert_int_equal(
        pix_store_content_put(f.store, &f.recipe, hash_of(1), &facts, vector, DIMENSION, &f.error),
        PIX_EINVALID);
    assert_string_equal(f.error.text, "a vector of length 1.01, not 1");
    const float bad[] = {NAN, INFINITY, 0, -0.99F};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vector[0] = bad[i];
        assert_int_equal(pix_store_content_put(f.store, &f.recipe, hash_of(1), &facts, vector,
                                               DIMENSION, &f.error),
                         PIX_EINVALID);
    }
    vector[0] = 1.0005F;
    assert_ok(
        pix_store_content_put(f.store, &f.recipe, hash_of(1), &facts, vector, DIMENSION, &f.error),
        &f.error);
    assert_int_equal(pix_store_content_put(f.store, &f.recipe, hash_of(1), &facts, vector,
                                           DIMENSION - 1, &f.error),
                     PIX_EMISMATCH);
    pix_recipe nobody = {.model_id = 99, .precision = "fp32"};
    assert_int_equal(
        pix_store_content_put(f.store, &nobody, hash_of(1), &facts, vector, DIMENSION, &f.error),
        PIX_ENOTFOUND);
    pix_store_close(f.store);
}

static void a_refused_change_leaves_the_batch_alone(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 10, 100, 1);
    assert_int_equal(
        pix_store_photo_put(f.store, f.run, f.root, "/photos/b.jpg", 1, 1, hash_of(9), &f.error),
        PIX_EINVALID);
    assert_non_null(strstr(f.error.text, "/photos/b.jpg"));
    assert_int_equal(
        pix_store_photo_put(f.store, f.run, 77, "/photos/b.jpg", 1, 1, hash_of(1), &f.error),
        PIX_EINVALID);
    put_photo(&f, "/photos/c.jpg", 10, 100, 1);
    end_run(&f);
    reopen(&f);
    assert_int_equal(totals(&f).photos, 2);
    pix_store_close(f.store);
}

static void paths_are_bytes(void **state) {
    (void)state;
    fixture f = open_fixture();
    const char *paths[] = {"/photos/\xFF\xFE\x80.jpg",
                           "/photos/a\nb\t'\"%_.jpg",
                           "/photos/\xE2\x82.jpg",
                           "/photos/A.jpg",
                           "/photos/a.jpg",
                           "/photos/a.jpg "};
    enum { COUNT = sizeof paths / sizeof *paths };
    for (int i = 0; i < COUNT; i++)
        put_photo(&f, paths[i], i, 100, i);
    end_run(&f);
    begin_run(&f);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(see(&f, paths[i], i, 100), PIX_PHOTO_UNCHANGED);
        pix_photo_row row;
        assert_ok(pix_store_photo_get(f.store, i + 1, &row, &f.error), &f.error);
        assert_string_equal(row.path, paths[i]);
        assert_int_equal(row.path_size, strlen(paths[i]));
    }
    pix_store_close(f.store);
}

static void a_folder_holds_what_is_below_it_and_nothing_that_looks_alike(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t top;
    assert_ok(pix_store_root_put(f.store, "/", "uuid:0", true, &top, &f.error), &f.error);
    f.root = top;
    const char *outside[] = {"/Photos/a.jpg",   "/photos2/a.jpg", "/photos.jpg",
                             "/photos-1/a.jpg", "/photos0/a.jpg", "/photo/a.jpg",
                             "/phot_s/a.jpg",   "/x/photos/a.jpg"};
    const char *inside[] = {"/photos/a.jpg", "/photos/b/c.jpg", "/photos/\xFF\xFF.jpg",
                            "/photos/ .jpg", "/photos"};
    enum { OUTSIDE = sizeof outside / sizeof *outside, INSIDE = sizeof inside / sizeof *inside };
    for (int i = 0; i < OUTSIDE; i++)
        put_photo(&f, outside[i], 1, 1, i);
    for (int i = 0; i < INSIDE; i++)
        put_photo(&f, inside[i], 1, 1, i);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), INSIDE);
    int64_t photos;
    assert_ok(pix_store_forget(f.store, "/photos", &photos, &f.error), &f.error);
    assert_int_equal(photos, INSIDE);
    assert_int_equal(sweep(&f, "/", "/photos-1", NULL), OUTSIDE - 1);
    assert_int_equal(sweep(&f, "/", NULL, NULL), 1);
    assert_ok(pix_store_forget(f.store, "/", &photos, &f.error), &f.error);
    assert_int_equal(photos, OUTSIDE);
    pix_store_close(f.store);
}

static void folders_are_absolute_and_do_not_end_in_a_slash(void **state) {
    (void)state;
    fixture f = open_fixture();
    const char *bad[] = {"", "photos", "./photos", "/photos/", "//"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t value;
        assert_int_equal(pix_store_root_put(f.store, bad[i], "", false, &value, &f.error),
                         PIX_EINVALID);
        assert_int_equal(pix_store_forget(f.store, bad[i], &value, &f.error), PIX_EINVALID);
    }
    pix_store_close(f.store);
}

static void a_sweep_hides_what_the_run_did_not_see(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t other_root, own_root = f.root;
    assert_ok(pix_store_root_put(f.store, "/other", "uuid:2", false, &other_root, &f.error),
              &f.error);
    put_photo(&f, "/photos/seen.jpg", 1, 1, 1);
    put_photo(&f, "/photos/gone.jpg", 1, 1, 2);
    put_photo(&f, "/photos/changed.jpg", 1, 1, 3);
    put_photo(&f, "/photos/locked/a.jpg", 1, 1, 4);
    put_photo(&f, "/photos/locked2/a.jpg", 1, 1, 5);
    put_photo(&f, "/photos/deep/er/a.jpg", 1, 1, 6);
    put_failure(&f, "/photos/bad-gone.jpg", 1, 1, "truncated");
    put_failure(&f, "/photos/bad-here.jpg", 1, 1, "truncated");
    put_failure(&f, "/photos/locked/bad.jpg", 1, 1, "truncated");
    f.root = other_root;
    put_photo(&f, "/other/a.jpg", 1, 1, 7);
    f.root = own_root;
    end_run(&f);

    begin_run(&f);
    (void)see(&f, "/photos/seen.jpg", 1, 1);
    (void)see(&f, "/photos/changed.jpg", 2, 1);
    (void)see(&f, "/photos/bad-here.jpg", 1, 1);
    assert_int_equal(sweep(&f, "/photos/deep", NULL, NULL), 1);
    assert_int_equal(sweep(&f, "/photos", "/photos/locked", NULL), 2);
    end_run(&f);
    pix_store_totals all = totals(&f);
    assert_int_equal(all.photos, 4);
    assert_int_equal(all.missing, 3);
    assert_int_equal(all.failures, 2);
    assert_int_equal(number(f.path, "SELECT count(*) FROM failure WHERE path ="
                                    " CAST('/photos/bad-gone.jpg' AS BLOB)"),
                     0);
    pix_store_close(f.store);
}

static void a_photo_under_a_new_path_is_counted_as_moved(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    put_photo(&f, "/photos/b.jpg", 1, 1, 2);
    put_photo(&f, "/photos/c.jpg", 1, 1, 3);
    put_photo(&f, "/photos/copy-of-c.jpg", 1, 1, 3);
    end_run(&f);
    begin_run(&f);
    put_photo(&f, "/photos/new/a.jpg", 1, 1, 1);
    (void)see(&f, "/photos/copy-of-c.jpg", 1, 1);
    put_photo(&f, "/photos/copy-of-c.jpg", 2, 1, 3); /* touched: it did not come from anywhere */
    int64_t moved;
    assert_int_equal(sweep(&f, "/photos", NULL, &moved), 3);
    assert_int_equal(moved, 1);
    end_run(&f);

    begin_run(&f); /* and back */
    assert_int_equal(see(&f, "/photos/a.jpg", 1, 1), PIX_PHOTO_RETURNED);
    (void)see(&f, "/photos/copy-of-c.jpg", 2, 1);
    assert_int_equal(sweep(&f, "/photos", NULL, &moved), 1);
    assert_int_equal(moved, 1);
    pix_store_close(f.store);
}

/* Which share a row, and so the number of the run. */
static void only_what_a_small_run_finds_itself_has_moved(void **state) {
    (void)state;
    enum { SOME = 5 };
    fixture f = open_fixture();
    char path[64];
    int64_t moved, first = f.run;
    for (int i = 0; i < SOME; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        put_photo(&f, path, 1, 1, i);
        (void)snprintf(path, sizeof path, "/photos/copies/%d.jpg", i);
        put_photo(&f, path, 1, 1, i);
    }
    end_run(&f);
    for (int all = 0; all < 2; all++) { /* the folder with the copies, then every one */
        assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
        assert_int_equal(f.run, first);
        for (int i = 0; i < SOME; i++) {
            (void)snprintf(path, sizeof path, "/photos/copies/%d-%d.jpg", all, i);
            put_photo(&f, path, 1, 1, SOME * (all + 1) + i);
            (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
            if (all && i % 2)
                put_photo(&f, path, 2, 1, i); /* touched */
            else if (all)
                assert_int_equal(see(&f, path, 1, 1), PIX_PHOTO_UNCHANGED);
        }
        assert_int_equal(sweep(&f, all ? "/photos" : "/photos/copies", NULL, &moved), SOME);
        assert_int_equal(moved, 0);
        end_run(&f);
    }
    assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
    put_photo(&f, "/photos/copies/new.jpg", 1, 1, 2 * SOME);
    assert_int_equal(sweep(&f, "/photos/copies", NULL, &moved), SOME);
    assert_int_equal(moved, 1);
    pix_store_close(f.store);
}

static void only_the_open_run_may_see_or_sweep(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    end_run(&f);
    pix_swept swept;
    assert_int_equal(test_sweep(f.store, f.run, f.root, "/photos", NULL, 1000, &swept, &f.error),
                     PIX_EINVALID);
    int64_t old = f.run;
    begin_run(&f);
    assert_int_equal(test_sweep(f.store, old, f.root, "/photos", NULL, 1000, &swept, &f.error),
                     PIX_EINVALID);
    pix_photo_state seen;
    assert_int_equal(
        pix_store_photo_see(f.store, old, &f.recipe, "/photos/a.jpg", 1, 1, &seen, &f.error),
        PIX_EINVALID);
    assert_int_equal(totals(&f).photos, 1);
    pix_store_close(f.store);
}

typedef struct root_list {
    pix_store *store;
    int count;
    int64_t ids[8], photos[8], scanned_at[8];
    char paths[8][64], identities[8][64];
} root_list;

static pix_status copy_root(void *context, const pix_root *root) {
    root_list *list = context;
    list->ids[list->count] = root->id;
    list->photos[list->count] = root->photos;
    list->scanned_at[list->count] = root->scanned_at;
    (void)snprintf(list->paths[list->count], 64, "%s", root->path);
    (void)snprintf(list->identities[list->count++], 64, "%s", root->identity);
    return PIX_OK;
}

static root_list roots(fixture *f) {
    root_list list = {0};
    assert_ok(pix_store_roots(f->store, copy_root, &list, &f->error), &f->error);
    return list;
}

static pix_swept sweep_all(fixture *f, int64_t most) {
    pix_swept swept;
    assert_ok(test_sweep(f->store, f->run, f->root, "/photos", NULL, most, &swept, &f->error),
              &f->error);
    return swept;
}

/* Photos 0 to 5, of contents 0 to 5, in a run that has ended; another has begun. */
static fixture open_six(void) {
    fixture f = open_fixture();
    char path[64];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        put_photo(&f, path, 1, 1, i);
    }
    end_run(&f);
    begin_run(&f);
    return f;
}

static void too_many_at_once_are_held_and_stay(void **state) {
    (void)state;
    fixture f = open_six();
    put_failure(&f, "/photos/f.jpg", 1, 1, "bad");
    end_run(&f);
    begin_run(&f);
    (void)see(&f, "/photos/0.jpg", 1, 1);
    (void)see(&f, "/photos/1.jpg", 1, 1);
    pix_swept swept = sweep_all(&f, 3);
    assert_int_equal(swept.held, 4);
    assert_int_equal(swept.removed, 0);
    assert_int_equal(totals(&f).photos, 6);
    assert_int_equal(totals(&f).held, 4);
    assert_int_equal(totals(&f).failures, 1); /* it may return with the rest */
    end_run(&f);

    /* what returns is held no longer, and then the rest are few enough to go */
    begin_run(&f);
    for (int i = 0; i < 3; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        assert_int_equal(see(&f, path, 1, 1), PIX_PHOTO_UNCHANGED);
    }
    assert_int_equal(totals(&f).held, 3);
    assert_int_equal(sweep_all(&f, 2).held, 3);
    assert_int_equal(totals(&f).held, 3);
    swept = sweep_all(&f, 3);
    assert_int_equal(swept.removed, 3);
    assert_int_equal(swept.held, 0);
    assert_int_equal(totals(&f).held, 0);
    assert_int_equal(totals(&f).photos, 3);
    assert_int_equal(totals(&f).failures, 0);
    pix_store_close(f.store);
}

static void moved_photos_and_copies_do_not_count_among_the_many(void **state) {
    (void)state;
    fixture f = open_six();
    int64_t other;
    assert_ok(pix_store_root_put(f.store, "/other", "uuid:2", false, &other, &f.error), &f.error);
    assert_ok(
        pix_store_photo_put(f.store, f.run, other, "/other/5.jpg", 1, 1, hash_of(5), &f.error),
        &f.error);
    end_run(&f);
    begin_run(&f);
    (void)see(&f, "/photos/0.jpg", 1, 1);
    put_photo(&f, "/photos/new name.jpg", 1, 1, 1); /* 1 moved */
    put_photo(&f, "/photos/another.jpg", 1, 1, 0);  /* a copy of what stays */
    pix_swept swept = sweep_all(&f, 2);
    assert_int_equal(swept.removed, 2); /* 1, and 5, which the other root has */
    assert_int_equal(swept.moved, 1);
    assert_int_equal(swept.held, 3); /* 2, 3 and 4 */
    pix_store_close(f.store);
}

static void copies_that_go_together_are_the_last_of_their_content(void **state) {
    (void)state;
    fixture f = open_six();
    put_photo(&f, "/photos/5 again.jpg", 1, 1, 5);
    end_run(&f);
    begin_run(&f);
    for (int i = 0; i < 5; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        (void)see(&f, path, 1, 1);
    }
    assert_int_equal(sweep_all(&f, 1).held, 2);
    pix_store_close(f.store);
}

static pix_judgement judge(void *context, const char *path) {
    (void)context;
    return strcmp(path, "/photos/1.jpg") == 0   ? PIX_JUDGED_BACK
           : strcmp(path, "/photos/2.jpg") == 0 ? PIX_JUDGED_UNKNOWN
                                                : PIX_JUDGED_GONE;
}

static void parts_of_a_root_are_judged_together(void **state) {
    (void)state;
    fixture f = open_six();
    const char *folders[] = {"/photos/0.jpg", "/photos/1.jpg", "/photos/3.jpg"};
    pix_sweep what = {.folders = folders, .folder_count = 3, .photos = 6, .few = 2};
    pix_swept swept;
    assert_ok(pix_store_sweep(f.store, f.run, f.root, &what, &swept, &f.error), &f.error);
    assert_int_equal(swept.held, 3);
    assert_int_equal(swept.removed, 0);
    assert_int_equal(totals(&f).photos, 6);
    pix_store_close(f.store);
}

static bool is_one_or_two(void *context, const char *path) {
    (void)context;
    return strcmp(path, "/photos/1.jpg") == 0 || strcmp(path, "/photos/2.jpg") == 0;
}

static void what_nobody_wants_goes_and_does_not_count(void **state) {
    (void)state;
    const char *folder = "/photos";
    for (int few = 3; few >= 2; few--) {
        fixture f = open_six();
        (void)see(&f, "/photos/5.jpg", 1, 1);
        pix_sweep what = {.folders = &folder,
                          .folder_count = 1,
                          .photos = 6,
                          .few = few,
                          .unwanted = is_one_or_two};
        pix_swept swept;
        assert_ok(pix_store_sweep(f.store, f.run, f.root, &what, &swept, &f.error), &f.error);
        assert_int_equal(swept.held, few == 3 ? 0 : 3); /* 0, 3 and 4 */
        assert_int_equal(swept.removed, few == 3 ? 5 : 2);
        pix_store_close(f.store);
    }
}

static void what_went_within_the_hour_is_held_with_the_rest(void **state) {
    (void)state;
    fixture f = open_six();
    int64_t moved;
    assert_int_equal(sweep(&f, "/photos/0.jpg", NULL, &moved), 1);
    assert_int_equal(sweep(&f, "/photos/1.jpg", NULL, &moved), 1);
    assert_int_equal(totals(&f).photos, 4);
    pix_swept swept;
    assert_ok(test_sweep(f.store, f.run, f.root, "/photos/2.jpg", NULL, 2, &swept, &f.error),
              &f.error);
    assert_int_equal(swept.held, 3);
    assert_int_equal(swept.photos, 2); /* the two; the caller told of none */
    assert_int_equal(totals(&f).photos, 6);
    assert_int_equal(totals(&f).held, 3);

    /* what returns counts no more, nor does what went long ago or was approved */
    end_run(&f);
    begin_run(&f);
    (void)see(&f, "/photos/0.jpg", 1, 1);
    (void)see(&f, "/photos/1.jpg", 1, 1);
    (void)see(&f, "/photos/2.jpg", 1, 1);
    assert_int_equal(sweep(&f, "/photos/3.jpg", NULL, &moved), 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(number(f.path, "SELECT count(*) FROM gone"), 1);
    execute(f.path, "UPDATE gone SET since = since - 3601");
    assert_ok(test_sweep(f.store, f.run, f.root, "/photos/4.jpg", NULL, 1, &swept, &f.error),
              &f.error);
    assert_int_equal(swept.removed, 1);
    int64_t gone;
    assert_ok(pix_store_held_judge(f.store, "/photos", judge, NULL, &gone, &f.error), &f.error);
    assert_ok(test_sweep(f.store, f.run, f.root, "/photos/5.jpg", NULL, 1, &swept, &f.error),
              &f.error);
    assert_int_equal(swept.removed, 1);
    pix_store_close(f.store);
}

static void note_elsewhere(void *context, const char *path, int64_t photos, bool noted) {
    pix_bytes *text = context;
    char line[128];
    (void)snprintf(line, sizeof line, "%s %lld%s;", path, (long long)photos, noted ? " noted" : "");
    assert_int_equal(pix_bytes_append_text(text, line), PIX_OK);
}

/* What a sweep of everything says is elsewhere; *removed is how many went. */
static const char *elsewhere(fixture *f, int64_t *removed) {
    static pix_bytes text;
    const char *folder = "/photos";
    pix_sweep what = {.folders = &folder,
                      .folder_count = 1,
                      .few = 100,
                      .elsewhere = note_elsewhere,
                      .context = &text};
    pix_swept swept;
    pix_bytes_clear(&text);
    assert_int_equal(pix_bytes_append_text(&text, ""), PIX_OK);
    assert_ok(pix_store_sweep(f->store, f->run, f->root, &what, &swept, &f->error), &f->error);
    *removed = swept.removed;
    end_run(f);
    begin_run(f);
    return text.data;
}

static void meet(fixture *f, const char *path, const char *identity) {
    assert_ok(pix_store_mount_meet(f->store, f->run, path, identity, &f->error), &f->error);
}

static void photos_go_only_where_they_were_last_seen(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t removed;
    meet(&f, "/photos/usb", "uuid:1");
    meet(&f, "/photos/usb/deep", "uuid:2");
    put_photo(&f, "/photos/0.jpg", 1, 1, 0);
    put_photo(&f, "/photos/usb/1.jpg", 1, 1, 1);
    put_photo(&f, "/photos/usb/deep/2.jpg", 1, 1, 2);
    put_photo(&f, "/photos/usb2/3.jpg", 1, 1, 3); /* a name that only begins alike */
    put_failure(&f, "/photos/usb/f.jpg", 1, 1, "bad");
    end_run(&f);
    begin_run(&f);
    assert_string_equal(elsewhere(&f, &removed), "/photos/usb 1;/photos/usb/deep 1;");
    assert_int_equal(removed, 2); /* 0 and 3 */
    assert_int_equal(totals(&f).failures, 1);

    meet(&f, "/photos/usb", "uuid:3"); /* another drive there */
    assert_string_equal(elsewhere(&f, &removed), "/photos/usb 1;/photos/usb/deep 1;");
    assert_int_equal(removed, 0);

    /* the outer one there, without the inner one; the photo now also on the other drive */
    meet(&f, "/photos/usb", "uuid:1");
    assert_string_equal(elsewhere(&f, &removed), "/photos/usb/deep 1;");
    assert_int_equal(removed, 1);
    meet(&f, "/photos/usb", "uuid:3");
    assert_int_equal(see(&f, "/photos/usb/1.jpg", 1, 1), PIX_PHOTO_RETURNED);
    assert_int_equal(see(&f, "/photos/usb/deep/2.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_string_equal(elsewhere(&f, &removed), "");
    assert_int_equal(removed, 0);
    meet(&f, "/photos/usb", "uuid:3");
    assert_string_equal(elsewhere(&f, &removed), "");
    assert_int_equal(removed, 2);
    assert_int_equal(totals(&f).failures, 0);
    assert_ok(pix_store_purge(f.store, 90, &f.error), &f.error);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(number(f.path, "SELECT count(*) FROM mount"), 1); /* of what may return */
    pix_store_close(f.store);
}

static void a_drive_that_hides_photos_removes_none(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t removed;
    put_photo(&f, "/photos/usb/1.jpg", 1, 1, 1);
    end_run(&f);
    begin_run(&f);
    meet(&f, "/photos/usb", "uuid:1");
    assert_string_equal(elsewhere(&f, &removed), "/photos/usb 1;");
    assert_int_equal(removed, 0);
    assert_ok(pix_store_mount_assume(f.store, "/photos/usb", "uuid:1", &f.error), &f.error);
    meet(&f, "/photos/usb", "uuid:1");
    assert_string_equal(elsewhere(&f, &removed), "");
    assert_int_equal(removed, 1);
    pix_store_close(f.store);
}

static void photos_on_another_drive_with_the_same_are_looked_for_there(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t removed;
    put_photo(&f, "/photos/usb/1.jpg", 1, 1, 1); /* as before mounts were noted */
    put_photo(&f, "/photos/usb/2.jpg", 1, 1, 2);
    put_photo(&f, "/photos/usb/3.jpg", 1, 1, 3);
    end_run(&f);
    for (int drive = 1; drive <= 2; drive++) {
        const char *identity = drive == 1 ? "uuid:1" : "uuid:2";
        for (int times = 0; times < 2; times++) { /* one that is stopped, and a whole one */
            begin_run(&f);
            meet(&f, "/photos/usb", identity);
            (void)see(&f, "/photos/usb/1.jpg", 1, 1);
            if (drive == 1)
                (void)see(&f, "/photos/usb/2.jpg", 1, 1);
            if (times == 0)
                end_run(&f);
        }
        assert_string_equal(elsewhere(&f, &removed), "/photos/usb 1 noted;");
        assert_int_equal(removed, 0);
        meet(&f, "/photos/usb", identity);
        (void)see(&f, "/photos/usb/1.jpg", 1, 1);
        if (drive == 1)
            (void)see(&f, "/photos/usb/2.jpg", 1, 1);
        assert_string_equal(elsewhere(&f, &removed), "");
        assert_int_equal(removed, 1);
        end_run(&f);
    }
    pix_store_close(f.store);
}

/* Cards that are read in turn, and files that lie below where a drive is mounted. */
static void a_drive_with_more_photos_does_not_take_those_of_another(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t removed;
    put_photo(&f, "/photos/usb/0.jpg", 1, 1, 0);
    end_run(&f);
    begin_run(&f);
    meet(&f, "/photos/usb", "uuid:1");
    put_photo(&f, "/photos/usb/1.jpg", 1, 1, 1);
    put_photo(&f, "/photos/usb/2.jpg", 1, 1, 2);
    end_run(&f);
    for (int times = 0; times < 3; times++) {
        begin_run(&f);
        meet(&f, "/photos/usb", "uuid:2");
        for (int i = 3; i < 9; i++) {
            char path[32];
            (void)snprintf(path, sizeof path, "/photos/usb/%d.jpg", i);
            if (times == 0)
                put_photo(&f, path, 1, 1, i);
            else
                (void)see(&f, path, 1, 1);
        }
        assert_string_equal(elsewhere(&f, &removed), "/photos/usb 3;");
        assert_int_equal(removed, 0);
        end_run(&f);
    }
    pix_store_close(f.store);
}

static void held_photos_are_judged_one_by_one(void **state) {
    (void)state;
    fixture f = open_six();
    (void)see(&f, "/photos/0.jpg", 1, 1);
    assert_int_equal(sweep_all(&f, 1).held, 5);
    end_run(&f);
    int64_t gone;
    assert_ok(pix_store_held_judge(f.store, "/photos/3.jpg", judge, NULL, &gone, &f.error),
              &f.error);
    assert_int_equal(gone, 1);
    assert_int_equal(totals(&f).held, 4);
    assert_ok(pix_store_held_judge(f.store, "/photos", judge, NULL, &gone, &f.error), &f.error);
    assert_int_equal(gone, 2); /* 4 and 5 */
    assert_int_equal(totals(&f).photos, 3);
    assert_int_equal(totals(&f).held, 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    reopen(&f);
    assert_int_equal(totals(&f).held, 1);
    int64_t photos;
    assert_ok(pix_store_forget(f.store, "/photos/2.jpg", &photos, &f.error), &f.error);
    assert_int_equal(totals(&f).held, 0);
    begin_run(&f);
    assert_int_equal(see(&f, "/photos/4.jpg", 1, 1), PIX_PHOTO_RETURNED);
    pix_store_close(f.store);
}

static int64_t move(fixture *f, const char *from, const char *to) {
    int64_t photos;
    assert_ok(pix_store_move(f->store, from, to, &photos, &f->error), &f->error);
    assert_ok(pix_store_commit(f->store, &f->error), &f->error);
    assert_int_equal(number(f->path,
                            "SELECT count(*) FROM image i LEFT JOIN root r ON r.id = root_id"
                            " WHERE r.id IS NULL OR NOT (i.path = r.path OR"
                            " substr(i.path, 1, length(r.path) + 1) ="
                            " CAST(r.path || '/' AS BLOB))"),
                     0); /* every photo lies in its root */
    return photos;
}

static int64_t roots_in(const fixture *f) {
    return number(f->path, "SELECT count(*) FROM root");
}

static int64_t put_root(fixture *f, const char *path) {
    int64_t id;
    assert_ok(pix_store_root_put(f->store, path, "", false, &id, &f->error), &f->error);
    return id;
}

static void a_moved_root_takes_its_photos_and_failures_along(void **state) {
    (void)state;
    fixture f = open_six();
    put_failure(&f, "/photos/bad.jpg", 1, 1, "bad");
    (void)see(&f, "/photos/0.jpg", 1, 1);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 5);
    end_run(&f);
    assert_int_equal(move(&f, "/photos", "/elsewhere/photos"), 6);
    assert_int_equal(roots_in(&f), 1);
    begin_run(&f);
    assert_int_equal(see(&f, "/elsewhere/photos/0.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/elsewhere/photos/1.jpg", 1, 1), PIX_PHOTO_RETURNED);
    assert_int_equal(see(&f, "/elsewhere/photos/bad.jpg", 1, 1), PIX_PHOTO_FAILED_BEFORE);
    assert_int_equal(see(&f, "/photos/0.jpg", 1, 1), PIX_PHOTO_NEW);
    pix_store_close(f.store);
}

static void roots_below_a_moved_folder_come_along(void **state) {
    (void)state;
    fixture f = open_fixture();
    f.root = put_root(&f, "/home/anna/a\xFF");
    put_photo(&f, "/home/anna/a\xFF/1.jpg", 1, 1, 1);
    f.root = put_root(&f, "/home/anna/b");
    put_photo(&f, "/home/anna/b/2.jpg", 1, 1, 2);
    f.root = put_root(&f, "/home/annabel");
    put_photo(&f, "/home/annabel/3.jpg", 1, 1, 3);
    end_run(&f);
    assert_int_equal(move(&f, "/home/anna", "/Users/anna"), 2);
    assert_int_equal(roots_in(&f), 4);
    begin_run(&f);
    assert_int_equal(see(&f, "/Users/anna/a\xFF/1.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/home/annabel/3.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    end_run(&f);
    /* into a root that is there */
    assert_int_equal(move(&f, "/Users/anna", "/home/annabel/anna"), 2);
    assert_int_equal(roots_in(&f), 2);
    /* around one */
    f.root = put_root(&f, "/x/anna/b");
    assert_int_equal(move(&f, "/home/annabel", "/x"), 3);
    assert_int_equal(roots_in(&f), 2);
    pix_store_close(f.store);
}

static void a_part_of_a_root_becomes_a_root_or_part_of_another(void **state) {
    (void)state;
    fixture f = open_six();
    put_photo(&f, "/photos/part/a.jpg", 1, 1, 7);
    end_run(&f);
    assert_int_equal(move(&f, "/photos/part", "/alone"), 1);
    assert_int_equal(roots_in(&f), 2);
    assert_int_equal(move(&f, "/alone", "/photos/again"), 1);
    assert_int_equal(roots_in(&f), 1);
    assert_int_equal(move(&f, "/photos/0.jpg", "/photos/zero.jpg"), 1);
    pix_store_close(f.store);
}

static void what_is_known_in_the_new_place_stays(void **state) {
    (void)state;
    fixture f = open_six();
    f.root = put_root(&f, "/new");
    put_photo(&f, "/new/0.jpg", 2, 2, 9);
    put_photo(&f, "/new/own.jpg", 2, 2, 10);
    end_run(&f);
    assert_int_equal(move(&f, "/photos", "/new"), 5);
    assert_int_equal(roots_in(&f), 1);
    assert_int_equal(totals(&f).photos, 7);
    begin_run(&f);
    assert_int_equal(see(&f, "/new/0.jpg", 2, 2), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/new/1.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    pix_store_close(f.store);
}

static void a_photo_moved_back_takes_the_place_of_the_missing_one(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a/1.jpg", 1, 1, 1);
    put_photo(&f, "/photos/a/2.jpg", 1, 1, 2);
    end_run(&f);
    begin_run(&f);
    put_photo(&f, "/photos/b/1.jpg", 1, 1, 1);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 2);
    end_run(&f);
    assert_int_equal(move(&f, "/photos/b", "/photos/a"), 1);
    assert_int_equal(totals(&f).photos, 1);
    begin_run(&f);
    assert_int_equal(see(&f, "/photos/a/1.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/a/2.jpg", 1, 1), PIX_PHOTO_RETURNED);
    pix_store_close(f.store);
}

static void moves_that_make_no_sense_are_refused(void **state) {
    (void)state;
    fixture f = open_six();
    end_run(&f);
    static const struct {
        const char *from, *to;
        pix_status status;
    } cases[] = {{"/photos", "/photos/a", PIX_EINVALID}, {"/photos/a", "/photos", PIX_EINVALID},
                 {"/photos", "/photos", PIX_EINVALID},   {"/", "/photos", PIX_EINVALID},
                 {"/photos", "/", PIX_EINVALID},         {"/photo", "/a", PIX_ENOTFOUND},
                 {"photos", "/a", PIX_EINVALID},         {"/photos", "/a/", PIX_EINVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t photos;
        assert_int_equal(pix_store_move(f.store, cases[i].from, cases[i].to, &photos, &f.error),
                         cases[i].status);
        assert_int_equal(photos, 0);
    }
    assert_int_equal(totals(&f).photos, 6);
    pix_store_close(f.store);
}

static void nested_roots_merge(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t id, sibling;
    assert_ok(pix_store_root_put(f.store, "/photos/2020", "uuid:9", true, &id, &f.error), &f.error);
    assert_int_equal(id, f.root);
    assert_ok(pix_store_root_put(f.store, "/photos2", "uuid:2", false, &sibling, &f.error),
              &f.error);
    assert_int_not_equal(sibling, f.root);
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    put_failure(&f, "/photos/bad.jpg", 1, 1, "truncated");
    root_list list = roots(&f);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.paths[0], "/photos");
    assert_string_equal(list.identities[0], "uuid:1");
    assert_int_equal(list.photos[0], 1);
    assert_int_equal(list.photos[1], 0);

    int64_t top;
    assert_ok(pix_store_root_put(f.store, "/", "uuid:0", true, &top, &f.error), &f.error);
    list = roots(&f);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.ids[0], top);
    assert_int_equal(list.photos[0], 1);
    f.root = top;
    assert_int_equal(see(&f, "/photos/a.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/bad.jpg", 1, 1), PIX_PHOTO_FAILED_BEFORE);
    assert_int_equal(sweep(&f, "/", NULL, NULL), 0);
    assert_int_equal(totals(&f).failures, 1);
    pix_store_close(f.store);
}

static void a_root_knows_its_identity_and_its_last_complete_scan(void **state) {
    (void)state;
    fixture f = open_fixture();
    assert_int_equal(roots(&f).scanned_at[0], 0);
    (void)sweep(&f, "/photos/2020", NULL, NULL);
    assert_int_equal(roots(&f).scanned_at[0], 0);
    (void)sweep(&f, "/photos", NULL, NULL);
    assert_true(roots(&f).scanned_at[0] > 1600000000);
    int64_t id;
    assert_ok(pix_store_root_put(f.store, "/photos", "uuid:new", true, &id, &f.error), &f.error);
    assert_int_equal(id, f.root);
    assert_string_equal(roots(&f).identities[0], "uuid:new");
    pix_store_close(f.store);
}

static pix_status use_the_store(void *context, const pix_root *root) {
    root_list *list = context;
    root_list inner = {0};
    pix_error error;
    int64_t id;
    assert_ok(pix_store_roots(list->store, copy_root, &inner, &error), &error);
    assert_ok(pix_store_root_put(list->store, root->path, "seen", false, &id, &error), &error);
    list->count += inner.count;
    return list->count > 100 ? PIX_ELIMIT : PIX_OK;
}

static pix_status stop(void *context, const pix_root *root) {
    (void)root;
    ++*(int *)context;
    return PIX_ECANCELLED;
}

static void a_callback_may_use_the_store_and_may_stop(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t id;
    assert_ok(pix_store_root_put(f.store, "/a", "", false, &id, &f.error), &f.error);
    assert_ok(pix_store_root_put(f.store, "/b", "", false, &id, &f.error), &f.error);
    root_list list = {.store = f.store};
    assert_ok(pix_store_roots(f.store, use_the_store, &list, &f.error), &f.error);
    assert_int_equal(list.count, 9);
    int calls = 0;
    assert_int_equal(pix_store_roots(f.store, stop, &calls, &f.error), PIX_ECANCELLED);
    assert_int_equal(calls, 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    pix_store_close(f.store);
}

static void forgetting_a_folder_leaves_nothing_of_it(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/secret/a.jpg", 1, 1, 1);
    put_photo(&f, "/photos/secret/shared.jpg", 1, 1, 2);
    put_photo(&f, "/photos/shared.jpg", 1, 1, 2);
    put_failure(&f, "/photos/secret/bad.jpg", 1, 1, "truncated");
    int64_t photos;
    assert_ok(pix_store_forget(f.store, "/photos/secret", &photos, &f.error), &f.error);
    assert_int_equal(photos, 2);
    end_run(&f);
    assert_int_equal(totals(&f).photos, 1);
    assert_int_equal(totals(&f).failures, 0);
    assert_int_equal(number(f.path, "SELECT count(*) FROM content"), 1);
    assert_int_equal(number(f.path, "SELECT count(*) FROM embedding"), 1);
    assert_int_equal(roots(&f).count, 1);
    assert_ok(pix_store_forget(f.store, "/photos", &photos, &f.error), &f.error);
    assert_int_equal(roots(&f).count, 0);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    pix_store_close(f.store);

    pix_bytes bytes = {0};
    assert_ok(pix_file_read(f.path, 1 << 24, &bytes, &f.error), &f.error);
    assert_null(memmem(bytes.data, bytes.size, "secret", 6));
    pix_bytes_free(&bytes);
}

static void a_purge_drops_what_has_long_been_missing(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/old.jpg", 1, 1, 1);
    put_photo(&f, "/photos/recent.jpg", 1, 1, 2);
    put_photo(&f, "/photos/here.jpg", 1, 1, 3);
    put_photo(&f, "/photos/changed.jpg", 1, 1, 4);
    put_photo(&f, "/photos/changed.jpg", 2, 1, 5);
    end_run(&f);
    begin_run(&f);
    (void)see(&f, "/photos/here.jpg", 1, 1);
    (void)see(&f, "/photos/changed.jpg", 2, 1);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 2);
    end_run(&f);
    execute(f.path, "UPDATE image SET missing_since = missing_since - 30 * 86400"
                    " WHERE path = CAST('/photos/old.jpg' AS BLOB)");
    assert_ok(pix_store_purge(f.store, 29, &f.error), &f.error);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(number(f.path, "SELECT count(*) FROM image"), 3);
    assert_int_equal(number(f.path, "SELECT count(*) FROM content"), 3);
    assert_int_equal(number(f.path, "SELECT count(*) FROM embedding"), 3);
    assert_int_equal(totals(&f).missing, 1);
    assert_ok(pix_store_purge(f.store, 0, &f.error), &f.error);
    assert_int_equal(totals(&f).missing, 0);
    assert_int_equal(totals(&f).photos, 2);
    assert_int_equal(pix_store_purge(f.store, -1, &f.error), PIX_EINVALID);
    pix_store_close(f.store);
}

static void a_clock_that_jumps_ahead_purges_nothing(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/gone.jpg", 1, 1, 1);
    end_run(&f);
    begin_run(&f);
    assert_int_equal(sweep(&f, "/photos", NULL, NULL), 1);
    end_run(&f);
    begin_run(&f);
    end_run(&f);
    /* as if all that had been a hundred days ago, by a clock that is right again or not yet */
    execute(f.path, "UPDATE image SET missing_since = missing_since - 100 * 86400");
    execute(f.path, "UPDATE run SET started_at = started_at - 100 * 86400 WHERE id < 3");
    assert_ok(pix_store_purge(f.store, 90, &f.error), &f.error);
    assert_int_equal(totals(&f).missing, 1);
    begin_run(&f);
    end_run(&f);
    assert_ok(pix_store_purge(f.store, 90, &f.error), &f.error);
    assert_int_equal(totals(&f).missing, 0);
    pix_store_close(f.store);
}

static pix_status copy_model(void *context, const pix_store_model *model) {
    pix_store_model **next = context;
    *(*next)++ = *model;
    return PIX_OK;
}

static void a_model_is_known_by_its_fingerprint(void **state) {
    (void)state;
    fixture f = open_fixture();
    int64_t id, other;
    assert_ok(pix_store_model_put(f.store, "renamed", fingerprint, DIMENSION, &id, &f.error),
              &f.error);
    assert_int_equal(id, f.model);
    assert_int_equal(
        pix_store_model_put(f.store, "tiny", fingerprint, DIMENSION + 1, &id, &f.error),
        PIX_EMISMATCH);
    assert_int_equal(pix_store_model_put(f.store, "tiny", "abc", DIMENSION, &id, &f.error),
                     PIX_EINVALID);
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, 3, &other, &f.error),
              &f.error);
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, 3, &id, &f.error), &f.error);
    assert_int_equal(id, other);

    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    put_photo(&f, "/photos/copy.jpg", 1, 1, 1);
    put_photo(&f, "/photos/b.jpg", 1, 1, 2);
    put_failure(&f, "/photos/b.jpg", 2, 1, "truncated");
    put_content(&f, &f.recipe, 3);
    pix_store_model models[4], *next = models;
    assert_ok(pix_store_models(f.store, copy_model, &next, &f.error), &f.error);
    assert_int_equal(next - models, 2);
    assert_string_equal(models[0].name, "renamed");
    assert_string_equal(models[0].fingerprint, fingerprint);
    assert_int_equal(models[0].dimension, DIMENSION);
    assert_int_equal(models[0].embeddings, 2);
    assert_int_equal(models[1].embeddings, 0);
    pix_store_close(f.store);
}

static void totals_count_what_is_present(void **state) {
    (void)state;
    fixture f = open_fixture();
    pix_store_totals all = totals(&f);
    assert_int_equal(all.photos + all.contents + all.missing + all.failures + all.file_bytes, 0);
    assert_string_equal(all.last_outcome, "");
    put_photo(&f, "/photos/a.jpg", 1, 1000, 1);
    put_photo(&f, "/photos/copy.jpg", 1, 1000, 1);
    put_photo(&f, "/photos/b.jpg", 1, INT64_C(5000000000), 2);
    put_photo(&f, "/photos/bad.jpg", 1, 10, 3);
    put_failure(&f, "/photos/bad.jpg", 2, 10, "truncated");
    end_run(&f);
    all = totals(&f);
    assert_int_equal(all.photos, 3);
    assert_int_equal(all.contents, 2);
    assert_int_equal(all.missing, 0);
    assert_int_equal(all.failures, 1);
    assert_int_equal(all.file_bytes, INT64_C(5000002000));
    assert_true(all.last_run_at > 1600000000);
    assert_string_equal(all.last_outcome, "complete");
    assert_int_equal(number(f.path, "SELECT seen FROM run"), 3);
    pix_store_close(f.store);
}

static void a_photo_tells_its_facts(void **state) {
    (void)state;
    fixture f = open_fixture();
    pix_content full = {.width = 4000,
                        .height = 3000,
                        .orientation = 6,
                        .format = "heif",
                        .taken_at = "2020-05-04T03:02:01",
                        .camera = "Canon \xFF",
                        .has_location = true,
                        .latitude = 52.5,
                        .longitude = -13.25};
    assert_ok(
        pix_store_content_put(f.store, &f.recipe, hash_of(1), &full, axis(1), DIMENSION, &f.error),
        &f.error);
    assert_ok(
        pix_store_photo_put(f.store, f.run, f.root, "/photos/a.heic", 1, 1, hash_of(1), &f.error),
        &f.error);
    full.camera = full.taken_at = NULL;
    full.latitude = NAN;
    assert_ok(
        pix_store_content_put(f.store, &f.recipe, hash_of(2), &full, axis(1), DIMENSION, &f.error),
        &f.error);
    assert_ok(
        pix_store_photo_put(f.store, f.run, f.root, "/photos/b.heic", 1, 1, hash_of(2), &f.error),
        &f.error);
    pix_photo_row row;
    assert_ok(pix_store_photo_get(f.store, 1, &row, &f.error), &f.error);
    assert_int_equal(row.id, 1);
    assert_string_equal(row.path, "/photos/a.heic");
    assert_int_equal(row.width, 4000);
    assert_int_equal(row.height, 3000);
    assert_string_equal(row.format, "heif");
    assert_string_equal(row.taken_at, "2020-05-04T03:02:01");
    assert_string_equal(row.camera, "Canon \xFF");
    assert_true(row.has_location);
    assert_true(row.latitude == 52.5 && row.longitude == -13.25);
    assert_ok(pix_store_photo_get(f.store, 2, &row, &f.error), &f.error);
    assert_string_equal(row.path, "/photos/b.heic");
    assert_null(row.taken_at);
    assert_null(row.camera);
    assert_false(row.has_location);
    assert_int_equal(pix_store_photo_get(f.store, 3, &row, &f.error), PIX_ENOTFOUND);

    full.taken_at = "2020-05-04T\x1B[31m"; /* of an index that another program wrote */
    full.latitude = 1e300;
    assert_ok(
        pix_store_content_put(f.store, &f.recipe, hash_of(3), &full, axis(1), DIMENSION, &f.error),
        &f.error);
    assert_ok(
        pix_store_photo_put(f.store, f.run, f.root, "/photos/c.heic", 1, 1, hash_of(3), &f.error),
        &f.error);
    assert_ok(pix_store_photo_get(f.store, 3, &row, &f.error), &f.error);
    assert_null(row.taken_at);
    assert_false(row.has_location);
    pix_store_close(f.store);
}

static pix_status order_failures(void *context, const pix_failure *failure) {
    const char *name = strrchr(failure->path, '/');
    return pix_bytes_append_text(context, name);
}

static void failures_are_listed_in_the_order_of_their_bytes(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_failure(&f, "/photos/b", 1, 1, "x");
    put_failure(&f, "/photos/\xFF", 1, 1, "x");
    put_failure(&f, "/photos/a", 1, 1, "x");
    put_failure(&f, "/photos/B", 1, 1, "x");
    pix_bytes order = {0};
    assert_ok(pix_store_failures(f.store, order_failures, &order, &f.error), &f.error);
    assert_string_equal(order.data, "/B/a/b/\xFF");
    pix_bytes_free(&order);
    pix_store_close(f.store);
}

static void a_batch_is_seen_by_readers_when_it_is_committed(void **state) {
    (void)state;
    fixture f = open_fixture();
    fixture reader = {0};
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader.store, &reader.error), &reader.error);
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    assert_int_equal(totals(&reader).photos, 0);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(totals(&reader).photos, 1);
    put_photo(&f, "/photos/b.jpg", 1, 1, 1);
    pix_store_close(f.store);
    assert_int_equal(totals(&reader).photos, 1);
    pix_store_close(reader.store);
}

/* On a full disk the side files of the log cannot be made; a limit of no bytes stands in for it. */
static void a_full_disk_does_not_keep_readers_out(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    end_run(&f);
    pix_store_close(f.store);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    pix_status status = pix_store_open(f.path, PIX_STORE_READ, &f.store, &f.error);
    int64_t photos = status ? -1 : totals(&f).photos;
    pix_store_close(f.store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_ok(status, &f.error);
    assert_int_equal(photos, 1);
}

static void a_snapshot_sees_one_state(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a", 1, 1, 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    fixture reader = f;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader.store, &reader.error), &reader.error);
    assert_ok(pix_store_snapshot_begin(reader.store, &reader.error), &reader.error);
    assert_int_equal(totals(&reader).photos, 1);
    assert_ok(pix_store_snapshot_begin(reader.store, &reader.error), &reader.error);
    put_photo(&f, "/photos/b", 1, 1, 2);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_int_equal(totals(&reader).photos, 1);
    pix_store_snapshot_end(reader.store);
    assert_int_equal(totals(&reader).photos, 1);
    pix_store_snapshot_end(reader.store);
    assert_int_equal(totals(&reader).photos, 2);
    pix_store_close(reader.store);

    put_photo(&f, "/photos/c", 1, 1, 3);
    assert_ok(pix_store_snapshot_begin(f.store, &f.error), &f.error);
    assert_int_equal(totals(&f).photos, 3);
    assert_int_equal(pix_store_commit(f.store, &f.error), PIX_EINVALID);
    pix_store_snapshot_end(f.store);
    put_photo(&f, "/photos/d", 1, 1, 4);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_ok(pix_store_snapshot_begin(f.store, &f.error), &f.error);
    int64_t id;
    assert_int_equal(pix_store_root_put(f.store, "/new", "", false, &id, &f.error), PIX_EINVALID);
    pix_store_snapshot_end(f.store);
    end_run(&f);
    assert_int_equal(totals(&f).photos, 4);
    pix_store_close(f.store);
}

static void small_runs_of_a_day_are_one_row(void **state) {
    (void)state;
    static const char count[] = "SELECT count(*) FROM run", seen[] = "SELECT sum(seen) FROM run";
    fixture f = open_fixture();
    int64_t first = f.run;
    end_run(&f);
    for (int i = 0; i < 3; i++) {
        assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
        assert_int_equal(f.run, first);
        assert_string_equal(totals(&f).last_outcome, "complete");
        end_run(&f);
        assert_string_equal(totals(&f).last_outcome, "complete");
    }
    assert_int_equal(number(f.path, count), 1);
    assert_int_equal(number(f.path, seen), 12);
    /* In one, or after it was killed, the last that ended is told of: not one of hours ago. */
    execute(f.path, "UPDATE run SET started_at = started_at - 3600");
    int64_t ended = totals(&f).last_run_at;
    assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    reopen(&f);
    assert_int_equal(totals(&f).last_run_at, ended);
    assert_string_equal(totals(&f).last_outcome, "complete");
    assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
    assert_int_equal(f.run, first);
    end_run(&f);
    assert_int_equal(number(f.path, count), 1);
    begin_run(&f);
    assert_int_not_equal(f.run, first);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error); /* it was killed then */
    reopen(&f);
    assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
    end_run(&f);
    assert_int_equal(number(f.path, count), 3);
    static const char *const changes[] = {"UPDATE run SET started_at = started_at - 90000",
                                          "UPDATE run SET started_at = started_at + 90000"};
    for (int i = 0; i < 2; i++) { /* of the day before, or by a clock that was wrong */
        execute(f.path, changes[i]);
        assert_ok(pix_store_run_go_on(f.store, f.model, &f.run, &f.error), &f.error);
        end_run(&f);
        assert_int_equal(number(f.path, count), 4 + i);
    }
    pix_store_close(f.store);
}

static void a_reader_cannot_change_anything(void **state) {
    (void)state;
    fixture f = open_fixture();
    end_run(&f);
    pix_store_close(f.store);
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &f.store, &f.error), &f.error);
    int64_t id;
    assert_int_equal(pix_store_run_begin(f.store, f.model, &id, &f.error), PIX_EINVALID);
    assert_non_null(strstr(f.error.text, f.path));
    assert_int_equal(pix_store_root_put(f.store, "/new", "", false, &id, &f.error), PIX_EINVALID);
    assert_int_equal(pix_store_forget(f.store, "/photos", &id, &f.error), PIX_EINVALID);
    assert_int_equal(pix_store_commit(f.store, &f.error), PIX_EINVALID);
    assert_int_equal(roots(&f).count, 1);
    pix_store_close(f.store);
}

static void the_index_is_private_to_its_owner(void **state) {
    (void)state;
    fixture f = {0};
    const char *folder = test_folder();
    (void)snprintf(f.path, sizeof f.path, "%s/new/deep/a?b#c%%20.db", folder);
    mode_t old = umask(0);
    reopen(&f);
    assert_ok(pix_store_model_put(f.store, "tiny", fingerprint, DIMENSION, &f.model, &f.error),
              &f.error);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    (void)umask(old);
    const char *names[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[300];
        struct stat info;
        (void)snprintf(name, sizeof name, "%s%s", f.path, names[i]);
        assert_int_equal(stat(name, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    struct stat info;
    (void)snprintf(f.path, sizeof f.path, "%s/new/deep", folder);
    assert_int_equal(stat(f.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    pix_store_close(f.store);
}

static void the_file_has_the_format_the_design_fixes(void **state) {
    (void)state;
    fixture f = open_fixture();
    end_run(&f);
    assert_int_equal(number(f.path, "PRAGMA page_size"), 16384);
    assert_int_equal(number(f.path, "PRAGMA user_version"), pix_schema_current.version);
    assert_int_equal(number(f.path, "PRAGMA application_id"), 0x70697867);
    assert_int_equal(number(f.path, "SELECT count(*) FROM pragma_journal_mode"
                                    " WHERE journal_mode = 'wal'"),
                     1);
    assert_int_equal(number(f.path,
                            "SELECT count(*) FROM pragma_table_list"
                            " WHERE schema = 'main' AND strict AND name NOT LIKE 'sqlite%'"),
                     14);
    assert_int_equal(number(f.path, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                                    " AND name NOT LIKE 'sqlite%'"),
                     14);
    pix_store_close(f.store);
}

static pix_status expect_empty_model(void *context, const pix_store_model *model) {
    assert_string_equal(model->name, "");
    assert_string_equal(model->fingerprint, "");
    ++*(int *)context;
    return PIX_OK;
}

static pix_status expect_empty_root(void *context, const pix_root *root) {
    assert_string_equal(root->path, "");
    assert_string_equal(root->identity, "");
    ++*(int *)context;
    return PIX_OK;
}

static pix_status expect_empty_failure(void *context, const pix_failure *failure) {
    assert_string_equal(failure->path, "");
    assert_string_equal(failure->stage, "");
    assert_string_equal(failure->reason, "");
    ++*(int *)context;
    return PIX_OK;
}

/* A file that someone else made need not keep to the schema. */
static void nulls_where_the_schema_has_none_do_no_harm(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    end_run(&f);
    pix_store_close(f.store);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON;"
                                  "CREATE TABLE new AS SELECT * FROM model;"
                                  "DROP TABLE model; ALTER TABLE new RENAME TO model;"
                                  "UPDATE model SET name = NULL, fingerprint = NULL;"
                                  "CREATE TABLE new AS SELECT * FROM root;"
                                  "DROP TABLE root; ALTER TABLE new RENAME TO root;"
                                  "UPDATE root SET path = NULL, identity = NULL;"
                                  "CREATE TABLE new AS SELECT * FROM failure;"
                                  "DROP TABLE failure; ALTER TABLE new RENAME TO failure;"
                                  "INSERT INTO failure (id) VALUES (1);"
                                  "CREATE TABLE new AS SELECT * FROM image;"
                                  "DROP TABLE image; ALTER TABLE new RENAME TO image;"
                                  "CREATE INDEX image_content ON image (content_id, missing_since);"
                                  "UPDATE image SET path = NULL",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &f.store, &f.error), &f.error);
    int rows = 0;
    assert_ok(pix_store_models(f.store, expect_empty_model, &rows, &f.error), &f.error);
    assert_ok(pix_store_roots(f.store, expect_empty_root, &rows, &f.error), &f.error);
    assert_ok(pix_store_failures(f.store, expect_empty_failure, &rows, &f.error), &f.error);
    assert_int_equal(rows, 3);
    pix_photo_row row;
    assert_int_equal(pix_store_photo_get(f.store, 1, &row, &f.error), PIX_EFORMAT);
    pix_store_close(f.store);
}

/* Opening `path` fails with `status` and one line that begins with the path and has `words`. */
static void assert_refused(const char *path, pix_store_mode mode, pix_status status,
                           const char *words) {
    pix_store *store;
    pix_error error = {0};
    assert_int_equal(pix_store_open(path, mode, &store, &error), status);
    assert_null(store);
    if (strncmp(error.text, path, strlen(path)) != 0 || !strstr(error.text, words) ||
        strchr(error.text, '\n'))
        fail_msg("%s", error.text);
}

static void a_file_that_is_no_index_is_refused_and_left_alone(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[256];
    (void)snprintf(path, sizeof path, "%s/missing.db", folder);
    assert_refused(path, PIX_STORE_READ, PIX_ENOTFOUND, "no index");
    assert_false(test_exists(path));
    (void)snprintf(path, sizeof path, "%s/empty.db", folder);
    test_write_file(path, "", 0);
    assert_refused(path, PIX_STORE_READ, PIX_ENOTFOUND, "no index");
    assert_refused(folder, PIX_STORE_READ, PIX_EUNSUPPORTED, "not a regular file");
    assert_refused(folder, PIX_STORE_WRITE, PIX_EUNSUPPORTED, "not a regular file");
    (void)snprintf(path, sizeof path, "%s.lock", folder);
    assert_false(test_exists(path));

    static char text[8192];
    memset(text, 'x', sizeof text);
    (void)snprintf(path, sizeof path, "%s/letter.txt", folder);
    test_write_file(path, text, sizeof text);
    assert_refused(path, PIX_STORE_READ, PIX_EFORMAT, "not a pixgrep index");
    assert_refused(path, PIX_STORE_WRITE, PIX_EFORMAT, "not a pixgrep index");
    pix_bytes after = {0};
    pix_error error;
    assert_ok(pix_file_read(path, 1 << 20, &after, &error), &error);
    assert_int_equal(after.size, sizeof text);
    assert_memory_equal(after.data, text, sizeof text);
    pix_bytes_free(&after);

    (void)snprintf(path, sizeof path, "%s/other.db", folder);
    execute(path, "CREATE TABLE image (id INTEGER)");
    assert_refused(path, PIX_STORE_READ, PIX_EFORMAT, "not a pixgrep index");
    assert_refused(path, PIX_STORE_WRITE, PIX_EFORMAT, "not a pixgrep index");
    assert_int_equal(number(path, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(number(path, "SELECT count(*) FROM pragma_journal_mode"
                                  " WHERE journal_mode = 'delete'"),
                     1);
}

static void an_index_of_another_version_is_refused_by_name(void **state) {
    (void)state;
    fixture f = open_fixture();
    end_run(&f);
    pix_store_close(f.store);
    execute(f.path, "PRAGMA user_version = 1000");
    assert_refused(f.path, PIX_STORE_READ, PIX_EUNSUPPORTED, "newer pixgrep");
    assert_refused(f.path, PIX_STORE_WRITE, PIX_EUNSUPPORTED, "newer pixgrep");
    execute(f.path, "PRAGMA user_version = -1");
    assert_refused(f.path, PIX_STORE_READ, PIX_EFORMAT, "not a pixgrep index");
}

/* Whether the counts that are kept are those that counting gives. */
static void assert_tallied(const char *path) {
    assert_int_equal(number(path, "SELECT photos FROM tally WHERE model_id = 0"),
                     number(path, "SELECT count(*) FROM image WHERE missing_since IS NULL"));
    assert_int_equal(
        number(path, "SELECT count(*) FROM model LEFT JOIN tally ON model_id = id WHERE photos IS"
                     " NOT (SELECT count(*) FROM embedding e JOIN image USING (content_id)"
                     "      WHERE missing_since IS NULL AND e.model_id = model.id)"),
        0);
}

static void photos_are_tallied_whatever_becomes_of_them(void **state) {
    (void)state;
    fixture f = open_fixture();
    pix_recipe other = f.recipe, better = f.recipe;
    better.exact = true;
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, DIMENSION, &other.model_id,
                                  &f.error),
              &f.error);
    uint64_t random = 1;
    for (int round = 0; round < 400; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        char path[64];
        int64_t forgotten;
        const int photo = (int)(random >> 33) % 30, content = (int)(random >> 41) % 12;
        (void)snprintf(path, sizeof path, "/photos/%d/%d", photo % 3, photo);
        switch ((random >> 50) % 9) {
        case 0:
            put_failure(&f, path, 2, 2, "bad");
            break;
        case 1:
            put_content(&f, &other, content);
            break;
        case 2:
            put_content(&f, &better, content);
            break;
        case 3:
            path[9] = '\0';
            if (round % 5 == 0)
                assert_ok(pix_store_forget(f.store, path, &forgotten, &f.error), &f.error);
            break;
        case 4:
            (void)see(&f, path, 1, 1);
            break;
        case 5:
            if (round % 3 == 0) {
                end_run(&f);
                assert_ok(pix_store_run_begin(f.store, f.model, &f.run, &f.error), &f.error);
                (void)sweep(&f, "/photos", NULL, NULL);
            }
            break;
        case 6:
            if (round % 7 == 0)
                assert_ok(pix_store_purge(f.store, 0, &f.error), &f.error);
            break;
        default:
            put_photo(&f, path, 1, 1, content);
        }
        if (round % 20 == 0) {
            assert_ok(pix_store_commit(f.store, &f.error), &f.error);
            assert_tallied(f.path);
        }
    }
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_tallied(f.path);
    pix_store_close(f.store);
}

/* Whether both files have the same tables and indexes, word for word. */
static void assert_same_schema(const char *path, const char *other) {
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
                   "ATTACH '%s' AS other; CREATE TEMP TABLE t AS"
                   " SELECT name, sql FROM main.sqlite_schema EXCEPT"
                   " SELECT name, sql FROM other.sqlite_schema;"
                   "INSERT INTO t SELECT name, sql FROM other.sqlite_schema EXCEPT"
                   " SELECT name, sql FROM main.sqlite_schema;"
                   "CREATE TEMP TABLE none (name TEXT CHECK (name = ''));"
                   "INSERT INTO none SELECT name FROM t",
                   other);
    execute(path, sql);
}

static void an_older_index_is_brought_up_to_date_by_the_writer(void **state) {
    (void)state;
    fixture new = open_fixture();
    end_run(&new);
    pix_store_close(new.store);
    char path[256], *tables = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/old.db", test_folder());
    FILE *file = fopen(test_golden("schema/1.sql"), "r");
    assert_non_null(file);
    assert_true(getdelim(&tables, &size, '\0', file) > 0);
    assert_int_equal(fclose(file), 0);
    execute(path, tables);
    free(tables);
    execute(path,
            "PRAGMA application_id = 0x70697867; PRAGMA user_version = 1;"
            "INSERT INTO content (hash, width, height, orientation, format, taken_at)"
            " VALUES (zeroblob(32), 4, 3, 1, 'png', '2020-01-01T00:00:00');"
            "INSERT INTO model VALUES (1, 'a', 'one', 4, 0), (2, 'b', 'two', 4, 0);"
            "INSERT INTO root VALUES (1, x'2F70', '', 0, 0, 0);"
            "INSERT INTO run (id, started_at, model_id) VALUES (1, 0, 1);"
            "INSERT INTO image VALUES (1, 1, x'2F702F61', 1, 1, 1, 1, 1, NULL),"
            " (2, 1, x'2F702F62', 1, 1, 1, 1, 1, NULL), (3, 1, x'2F702F63', 1, 1, 1, 1, 1, 5);"
            "INSERT INTO embedding VALUES (1, 1, 1, 'fp32', 0, 0, 1, zeroblob(16))");
    assert_refused(path, PIX_STORE_READ, PIX_EUNSUPPORTED, "run pixgrepd index");
    pix_store *store;
    pix_error error;
    assert_ok(pix_store_open(path, PIX_STORE_WRITE, &store, &error), &error);
    pix_store_close(store);
    assert_int_equal(number(path, "PRAGMA user_version"), pix_schema_current.version);
    assert_int_equal(number(path, "SELECT count(*) FROM content INDEXED BY content_taken"
                                  " WHERE taken_at < '2021'"),
                     1);
    assert_same_schema(path, new.path);
    assert_tallied(path);
    assert_int_equal(number(path, "SELECT photos FROM tally WHERE model_id = 1"), 2);
    assert_int_equal(number(path, "SELECT count(*) FROM tally"), 3);
    assert_int_equal(number(path, "SELECT count(*) FROM writing"), 0);
    assert_ok(pix_store_open(path, PIX_STORE_READ, &store, &error), &error);
    pix_store_close(store);
}

/* About a mebibyte each. */
static void commit_much(fixture *f, int *content, int times) {
    static char camera[1 << 20];
    memset(camera, 'c', sizeof camera - 1);
    const pix_content large = {
        .width = 1, .height = 1, .orientation = 1, .format = "png", .camera = camera};
    for (int i = 0; i < times; i++, ++*content) {
        assert_ok(pix_store_content_put(f->store, &f->recipe, hash_of(*content), &large,
                                        axis(*content), DIMENSION, &f->error),
                  &f->error);
        assert_ok(pix_store_commit(f->store, &f->error), &f->error);
    }
}

static int64_t log_size(const fixture *f) {
    char log[300];
    struct stat info;
    (void)snprintf(log, sizeof log, "%s-wal", f->path);
    assert_int_equal(stat(log, &info), 0);
    return info.st_size;
}

/* A daemon's reader lives for months: only while it reads does the log grow beyond some mebibytes,
 * and that is made up for afterwards. */
static void a_reader_that_rests_does_not_let_the_log_grow(void **state) {
    (void)state;
    enum { SOME = 24 << 20, COMMITS = 40 };
    fixture f = open_fixture();
    pix_store *reader;
    int content = 1000;
    int64_t photos;
    put_photo(&f, "/photos/a", 1, 1, 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    assert_ok(pix_store_snapshot_begin(reader, &f.error), &f.error);
    assert_ok(pix_store_photo_count(reader, &photos, &f.error), &f.error);
    pix_store_snapshot_end(reader);
    commit_much(&f, &content, COMMITS);
    assert_true(log_size(&f) < SOME);
    assert_ok(pix_store_snapshot_begin(reader, &f.error), &f.error);
    assert_ok(pix_store_photo_count(reader, &photos, &f.error), &f.error);
    commit_much(&f, &content, 2 * COMMITS);
    const int64_t grown = log_size(&f);
    assert_true(grown / 2 > SOME);
    pix_store_snapshot_end(reader);
    commit_much(&f, &content, COMMITS);
    assert_true(log_size(&f) <= 64 << 20);
    assert_true(log_size(&f) < grown);
    pix_store_close(reader);
    pix_store_close(f.store);
}

static void every_commit_changes_the_generation(void **state) {
    (void)state;
    fixture f = open_fixture();
    char before[PIX_GENERATION_SIZE], after[PIX_GENERATION_SIZE];
    int64_t photos;
    put_photo(&f, "/photos/a", 1, 1, 1);
    end_run(&f);
    assert_ok(pix_store_generation(f.store, before, &f.error), &f.error);
    assert_ok(pix_store_generation(f.store, after, &f.error), &f.error);
    assert_string_equal(before, after);
    assert_ok(pix_store_forget(f.store, "/photos/a", &photos, &f.error), &f.error);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    assert_ok(pix_store_generation(f.store, after, &f.error), &f.error);
    assert_string_not_equal(before, after);
    pix_store_close(f.store);
}

static void a_damaged_index_is_reported_not_trusted(void **state) {
    (void)state;
    fixture f = open_fixture();
    char path[64];
    for (int i = 0; i < 400; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        put_photo(&f, path, i, 100, i);
    }
    end_run(&f);
    pix_store_close(f.store);
    struct stat info;
    assert_int_equal(stat(f.path, &info), 0);

    assert_int_equal(truncate(f.path, info.st_size - 16384), 0);
    assert_refused(f.path, PIX_STORE_READ, PIX_EFORMAT, "damaged");
    assert_refused(f.path, PIX_STORE_WRITE, PIX_EFORMAT, "damaged");
    assert_int_equal(truncate(f.path, 50), 0);
    assert_refused(f.path, PIX_STORE_READ, PIX_EFORMAT, "damaged");
}

static void damage_met_later_ends_the_batch_with_a_reason(void **state) {
    (void)state;
    fixture f = open_fixture();
    char path[64];
    for (int i = 0; i < 400; i++) {
        (void)snprintf(path, sizeof path, "/photos/%d.jpg", i);
        put_photo(&f, path, i, 100, i);
    }
    end_run(&f);
    int64_t page = number(f.path, "SELECT rootpage FROM sqlite_schema WHERE name = 'image'");
    pix_store_close(f.store);
    char bytes[16384];
    memset(bytes, 0xEE, sizeof bytes);
    FILE *file = fopen(f.path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (page - 1) * 16384, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    assert_int_equal(fclose(file), 0);

    f.store = NULL;
    reopen(&f);
    begin_run(&f);
    pix_photo_state seen;
    assert_int_equal(
        pix_store_photo_see(f.store, f.run, &f.recipe, "/photos/1.jpg", 1, 100, &seen, &f.error),
        PIX_EFORMAT);
    assert_non_null(strstr(f.error.text, "damaged"));
    assert_int_equal(pix_store_commit(f.store, &f.error), PIX_EFORMAT);
    assert_non_null(strstr(f.error.text, f.path));
    assert_non_null(strstr(f.error.text, "damaged"));
    assert_non_null(strstr(f.error.text, "open the index again"));
    pix_store_close(f.store);
}

typedef struct worker {
    fixture *f;
    int number;
    bool good;
} worker;

static void *work(void *context) {
    worker *w = context;
    pix_error error;
    char path[64];
    w->good = true;
    for (int i = 0; i < 200 && w->good; i++) {
        uint8_t hash[PIX_SHA256_BYTES] = {(uint8_t)w->number, (uint8_t)i};
        float vector[DIMENSION] = {1};
        pix_photo_state state;
        (void)snprintf(path, sizeof path, "/photos/%d/%d.jpg", w->number, i);
        w->good =
            !pix_store_photo_see(w->f->store, w->f->run, &w->f->recipe, path, i, 1, &state,
                                 &error) &&
            state == PIX_PHOTO_NEW &&
            !pix_store_content_put(w->f->store, &w->f->recipe, hash, &facts, vector, DIMENSION,
                                   &error) &&
            !pix_store_photo_put(w->f->store, w->f->run, w->f->root, path, i, 1, hash, &error) &&
            (i % 50 != 0 || !pix_store_commit(w->f->store, &error));
    }
    return NULL;
}

static void any_thread_may_call(void **state) {
    (void)state;
    fixture f = open_fixture();
    pthread_t threads[4];
    worker workers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){.f = &f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(workers[i].good);
    }
    end_run(&f);
    assert_int_equal(totals(&f).photos, 800);
    pix_store_close(f.store);
}

static int64_t rename_photos(fixture *f, const char *from, const char *to) {
    int64_t photos;
    assert_ok(pix_store_rename(f->store, f->run, f->root, from, to, &photos, &f->error), &f->error);
    return photos;
}

static void renamed_photos_are_known_at_once(void **state) {
    (void)state;
    fixture f = open_fixture();
    put_photo(&f, "/photos/a.jpg", 1, 1, 1);
    put_photo(&f, "/photos/b.jpg", 2, 2, 2);
    put_photo(&f, "/photos/old/c\xff.jpg", 3, 3, 3);
    put_photo(&f, "/photos/old/deep/d.jpg", 4, 4, 4);
    put_photo(&f, "/photos/older/e.jpg", 5, 5, 5);
    put_failure(&f, "/photos/old/bad.jpg", 6, 6, "broken");
    assert_int_equal(rename_photos(&f, "/photos/old", "/photos/new"), 2);
    assert_int_equal(see(&f, "/photos/new/c\xff.jpg", 3, 3), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/new/deep/d.jpg", 4, 4), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/new/bad.jpg", 6, 6), PIX_PHOTO_FAILED_BEFORE);
    assert_int_equal(see(&f, "/photos/old/deep/d.jpg", 4, 4), PIX_PHOTO_NEW);
    assert_int_equal(see(&f, "/photos/older/e.jpg", 5, 5), PIX_PHOTO_UNCHANGED);
    assert_int_equal(rename_photos(&f, "/photos/nothing", "/photos/b.jpg"), 0);
    assert_int_equal(see(&f, "/photos/b.jpg", 2, 2), PIX_PHOTO_UNCHANGED);
    assert_int_equal(rename_photos(&f, "/photos/a.jpg", "/photos/b.jpg"), 1);
    assert_int_equal(see(&f, "/photos/b.jpg", 1, 1), PIX_PHOTO_UNCHANGED);
    assert_int_equal(see(&f, "/photos/a.jpg", 1, 1), PIX_PHOTO_NEW);
    assert_int_equal(totals(&f).photos, 4);
    /* One that was mended, and found under its new name, before the rename is told of. */
    put_failure(&f, "/photos/was/bad.jpg", 7, 7, "broken");
    put_photo(&f, "/photos/is/bad.jpg", 8, 8, 8);
    assert_int_equal(totals(&f).failures, 2);
    assert_int_equal(rename_photos(&f, "/photos/was", "/photos/is"), 0);
    assert_int_equal(totals(&f).failures, 1);
    assert_int_equal(see(&f, "/photos/is/bad.jpg", 8, 8), PIX_PHOTO_UNCHANGED);
    assert_int_equal(
        pix_store_rename(f.store, f.run, f.root, "/photos/x", "photos/y", &f.root, &f.error),
        PIX_EINVALID);
    pix_store_close(f.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_photo_goes_through_its_states),
        cmocka_unit_test(a_missing_photo_that_comes_back_changed_waits_for_its_content),
        cmocka_unit_test(a_run_over_unchanged_photos_changes_no_row),
        cmocka_unit_test(a_failed_file_is_tried_again_only_when_it_changes),
        cmocka_unit_test(a_failure_keeps_the_time_it_was_first_seen),
        cmocka_unit_test(a_photo_that_fails_is_hidden_until_it_is_good_again),
        cmocka_unit_test(a_vector_counts_only_for_its_recipe),
        cmocka_unit_test(a_missing_photo_returns_though_the_new_model_lacks_its_vector),
        cmocka_unit_test(a_vector_made_anew_gets_a_new_id),
        cmocka_unit_test(only_unit_vectors_of_the_right_size_are_stored),
        cmocka_unit_test(a_refused_change_leaves_the_batch_alone),
        cmocka_unit_test(paths_are_bytes),
        cmocka_unit_test(a_folder_holds_what_is_below_it_and_nothing_that_looks_alike),
        cmocka_unit_test(folders_are_absolute_and_do_not_end_in_a_slash),
        cmocka_unit_test(a_sweep_hides_what_the_run_did_not_see),
        cmocka_unit_test(a_photo_under_a_new_path_is_counted_as_moved),
        cmocka_unit_test(only_what_a_small_run_finds_itself_has_moved),
        cmocka_unit_test(only_the_open_run_may_see_or_sweep),
        cmocka_unit_test(too_many_at_once_are_held_and_stay),
        cmocka_unit_test(moved_photos_and_copies_do_not_count_among_the_many),
        cmocka_unit_test(copies_that_go_together_are_the_last_of_their_content),
        cmocka_unit_test(parts_of_a_root_are_judged_together),
        cmocka_unit_test(what_nobody_wants_goes_and_does_not_count),
        cmocka_unit_test(what_went_within_the_hour_is_held_with_the_rest),
        cmocka_unit_test(photos_go_only_where_they_were_last_seen),
        cmocka_unit_test(a_drive_that_hides_photos_removes_none),
        cmocka_unit_test(photos_on_another_drive_with_the_same_are_looked_for_there),
        cmocka_unit_test(a_drive_with_more_photos_does_not_take_those_of_another),
        cmocka_unit_test(held_photos_are_judged_one_by_one),
        cmocka_unit_test(a_moved_root_takes_its_photos_and_failures_along),
        cmocka_unit_test(roots_below_a_moved_folder_come_along),
        cmocka_unit_test(a_part_of_a_root_becomes_a_root_or_part_of_another),
        cmocka_unit_test(what_is_known_in_the_new_place_stays),
        cmocka_unit_test(a_photo_moved_back_takes_the_place_of_the_missing_one),
        cmocka_unit_test(moves_that_make_no_sense_are_refused),
        cmocka_unit_test(nested_roots_merge),
        cmocka_unit_test(a_root_knows_its_identity_and_its_last_complete_scan),
        cmocka_unit_test(a_callback_may_use_the_store_and_may_stop),
        cmocka_unit_test(forgetting_a_folder_leaves_nothing_of_it),
        cmocka_unit_test(a_purge_drops_what_has_long_been_missing),
        cmocka_unit_test(a_clock_that_jumps_ahead_purges_nothing),
        cmocka_unit_test(a_model_is_known_by_its_fingerprint),
        cmocka_unit_test(totals_count_what_is_present),
        cmocka_unit_test(photos_are_tallied_whatever_becomes_of_them),
        cmocka_unit_test(a_photo_tells_its_facts),
        cmocka_unit_test(failures_are_listed_in_the_order_of_their_bytes),
        cmocka_unit_test(a_batch_is_seen_by_readers_when_it_is_committed),
        cmocka_unit_test(a_full_disk_does_not_keep_readers_out),
        cmocka_unit_test(a_snapshot_sees_one_state),
        cmocka_unit_test(small_runs_of_a_day_are_one_row),
        cmocka_unit_test(a_reader_cannot_change_anything),
        cmocka_unit_test(the_index_is_private_to_its_owner),
        cmocka_unit_test(the_file_has_the_format_the_design_fixes),
        cmocka_unit_test(nulls_where_the_schema_has_none_do_no_harm),
        cmocka_unit_test(a_file_that_is_no_index_is_refused_and_left_alone),
        cmocka_unit_test(an_index_of_another_version_is_refused_by_name),
        cmocka_unit_test(an_older_index_is_brought_up_to_date_by_the_writer),
        cmocka_unit_test(a_reader_that_rests_does_not_let_the_log_grow),
        cmocka_unit_test(every_commit_changes_the_generation),
        cmocka_unit_test(a_damaged_index_is_reported_not_trusted),
        cmocka_unit_test(damage_met_later_ends_the_batch_with_a_reason),
        cmocka_unit_test(renamed_photos_are_known_at_once),
        cmocka_unit_test(any_thread_may_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
