#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/background.h"
#include "tests/store_writer.h"

enum { DIMENSION = 4, WORDS = 10 };

/* A photo whose vector lies in the first two axes, `angle` from the first. */
static void put_photo(writer *f, int number, double angle) {
    const pix_content facts = {.width = 1, .height = 1, .orientation = 1, .format = "png"};
    const float vector[DIMENSION] = {(float)cos(angle), (float)sin(angle)};
    uint8_t hash[PIX_SHA256_BYTES] = {0};
    char path[64];
    memcpy(hash, &number, sizeof number);
    (void)snprintf(path, sizeof path, "/p/%d", number);
    assert_ok(
        pix_store_content_put(f->store, &f->recipe, hash, &facts, vector, DIMENSION, &f->error),
        &f->error);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, 1, 1, hash, &f->error),
              &f->error);
}

static bool is_due(writer *f) {
    bool due;
    assert_ok(pix_store_background_due(f->store, f->recipe.model_id, &due, &f->error), &f->error);
    return due;
}

/* Word w has the score cos(0.1 * w) with a photo of angle 0. */
static void make(writer *f, size_t words) {
    float vectors[WORDS][DIMENSION] = {{0}};
    for (int w = 0; w < WORDS; w++) {
        vectors[w][0] = (float)cos(0.1 * w);
        vectors[w][2] = (float)sin(0.1 * w);
    }
    assert_ok(pix_store_background_make(f->store, f->recipe.model_id, vectors[0], words, DIMENSION,
                                        &f->error),
              &f->error);
}

static pix_background get(writer *f) {
    pix_background out;
    assert_ok(pix_store_background_get(f->store, f->recipe.model_id, DIMENSION, &out, &f->error),
              &f->error);
    return out;
}

static void it_is_the_mean_and_what_a_fifth_of_the_words_miss(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    pix_background b = get(&f);
    assert_int_equal(b.vectors, 0);
    assert_null(b.mean);
    put_photo(&f, 1, 0);
    put_photo(&f, 2, 1.5);
    put_photo(&f, 3, 3);
    make(&f, WORDS);
    b = get(&f);
    assert_int_equal(b.vectors, 3);
    assert_float_equal(b.mean[0], (1 + cos(1.5) + cos(3)) / 3, 1e-6);
    assert_float_equal(b.mean[1], (sin(1.5) + sin(3)) / 3, 1e-6);
    assert_float_equal(b.mean[2], 0, 1e-7);
    assert_true(b.has_level); /* of ten words the two worst do not count: 0.9 and 0.8 */
    assert_float_equal(b.level, cos(0.7), 1e-6);
    pix_background_free(&b);
    assert_null(b.mean);
    pix_store_close(f.store);
}

static void a_model_without_words_has_no_level(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    put_photo(&f, 1, 0);
    make(&f, 0);
    pix_background b = get(&f);
    assert_int_equal(b.vectors, 1);
    assert_false(b.has_level);
    pix_background_free(&b);
    pix_store_close(f.store);
}

static void a_small_library_is_due_with_every_change(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    assert_false(is_due(&f));
    put_photo(&f, 1, 0);
    assert_true(is_due(&f));
    make(&f, 0);
    assert_false(is_due(&f));
    put_photo(&f, 1, 1); /* the same content, encoded anew */
    assert_true(is_due(&f));
    make(&f, 0);
    assert_false(is_due(&f));
    int64_t photos;
    assert_ok(pix_store_forget(f.store, "/p", &photos, &f.error), &f.error);
    assert_int_equal(photos, 1);
    assert_true(is_due(&f));
    make(&f, 0);
    assert_false(is_due(&f));
    assert_int_equal(get(&f).vectors, 0);
    pix_store_close(f.store);
}

static void a_large_library_is_due_when_a_tenth_changed(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    for (int i = 0; i < 3000; i++)
        put_photo(&f, i, i / 3000.0);
    make(&f, 0);
    for (int i = 3000; i < 3332; i++)
        put_photo(&f, i, 1);
    assert_false(is_due(&f)); /* 332 of 3,332 */
    put_photo(&f, 3332, 1);
    assert_true(is_due(&f));
    pix_store_close(f.store);
}

static void execute(const char *path, const char *sql) {
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message))
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* They are not found either, until they are made anew. */
static void damaged_vectors_do_not_count(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    for (int i = 1; i <= 3; i++)
        put_photo(&f, i, i - 1);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    execute(f.path, "UPDATE embedding SET vector = x'00' WHERE id = 2");
    execute(f.path, "UPDATE embedding SET vector = zeroblob(16) WHERE id = 3");
    make(&f, WORDS);
    pix_background b = get(&f);
    assert_int_equal(b.vectors, 1);
    assert_float_equal(b.mean[0], 1, 1e-6);
    pix_background_free(&b);
    pix_store_close(f.store);
}

static void damage_is_told_by_name_and_mended(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    put_photo(&f, 1, 0);
    make(&f, WORDS);
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    static const char *const damages[] = {
        "UPDATE background SET mean = x'00'",
        "UPDATE background SET mean = x'0000c07f000000000000000000000000'", /* NaN */
        "UPDATE background SET mean = x'00007a44000000000000000000000000'", /* 1000 */
    };
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        pix_background b;
        execute(f.path, damages[i]);
        assert_int_equal(
            pix_store_background_get(f.store, f.recipe.model_id, DIMENSION, &b, &f.error),
            PIX_EFORMAT);
        assert_null(b.mean);
        assert_non_null(strstr(f.error.text, f.path));
        assert_true(is_due(&f));
        make(&f, WORDS);
        assert_ok(pix_store_commit(f.store, &f.error), &f.error);
        assert_false(is_due(&f));
    }
    assert_int_equal(
        pix_store_background_make(f.store, f.recipe.model_id, NULL, 0, DIMENSION + 1, &f.error),
        PIX_EMISMATCH);
    pix_store_close(f.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_mean_and_what_a_fifth_of_the_words_miss),
        cmocka_unit_test(a_model_without_words_has_no_level),
        cmocka_unit_test(a_small_library_is_due_with_every_change),
        cmocka_unit_test(a_large_library_is_due_when_a_tenth_changed),
        cmocka_unit_test(damaged_vectors_do_not_count),
        cmocka_unit_test(damage_is_told_by_name_and_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
