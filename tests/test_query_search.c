#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/search.h"
#include "storage/store.h"
#include "tests/support.h"
#include "tests/sweep.h"

enum { DIMENSION = 2 };

static const char fingerprint_a[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char fingerprint_b[] =
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const char fingerprint_c[] =
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/* A library under construction: one run of one model over /p. */
typedef struct library {
    char path[128];
    pix_store *store;
    pix_recipe recipe;
    int64_t run, root;
} library;

static void begin_run(library *l, const char *model, const char *fingerprint) {
    pix_error error;
    l->recipe = (pix_recipe){.precision = "fp32"};
    assert_ok(pix_store_open(l->path, PIX_STORE_WRITE, &l->store, &error), &error);
    assert_ok(
        pix_store_model_put(l->store, model, fingerprint, DIMENSION, &l->recipe.model_id, &error),
        &error);
    assert_ok(pix_store_root_put(l->store, "/p", "test", false, &l->root, &error), &error);
    assert_ok(pix_store_run_begin(l->store, l->recipe.model_id, &l->run, &error), &error);
}

static void end_run(library *l) {
    pix_error error;
    pix_run_counts counts = {0};
    assert_ok(pix_store_run_end(l->store, l->run, &counts, "complete", &error), &error);
    assert_ok(pix_store_commit(l->store, &error), &error);
    pix_store_close(l->store);
}

/* /p/N.jpg, whose vector has the angle N/100 with the query [1, 0]. */
static void put_photo(library *l, int number) {
    pix_error error;
    char path[32];
    (void)snprintf(path, sizeof path, "/p/%d.jpg", number);
    uint8_t content[PIX_SHA256_BYTES] = {(uint8_t)number, (uint8_t)(number >> 8)};
    const float vector[DIMENSION] = {(float)cos(number / 100.0), (float)sin(number / 100.0)};
    pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};
    assert_ok(
        pix_store_content_put(l->store, &l->recipe, content, &facts, vector, DIMENSION, &error),
        &error);
    assert_ok(pix_store_photo_put(l->store, l->run, l->root, path, 1, 1, content, &error), &error);
}

static void make_library(library *l, const char *model, const char *fingerprint, int first,
                         int count) {
    (void)snprintf(l->path, sizeof l->path, "%s/index.db", test_folder());
    begin_run(l, model, fingerprint);
    for (int i = 0; i < count; i++)
        put_photo(l, first + i);
    end_run(l);
}

static void assert_opens_with_note(const library *l, const char *model, const char *fingerprint,
                                   const char *expected) {
    pix_search *search;
    pix_error error;
    pix_bytes note = {0};
    assert_ok(pix_search_open(&(pix_search_index){.database = l->path,
                                                  .model = model,
                                                  .fingerprint = fingerprint,
                                                  .dimension = DIMENSION},
                              &search, &note, &error),
              &error);
    assert_string_equal(note.data ? note.data : "", expected);
    pix_bytes_free(&note);
    pix_search_close(search);
}

static void assert_refused(const char *database, const char *model, const char *fingerprint,
                           const char *expected) {
    pix_search *search;
    pix_error error;
    pix_bytes note = {0};
    assert_int_not_equal(pix_search_open(&(pix_search_index){.database = database,
                                                             .model = model,
                                                             .fingerprint = fingerprint,
                                                             .dimension = DIMENSION},
                                         &search, &note, &error),
                         PIX_OK);
    assert_null(search);
    assert_string_equal(error.text, expected);
    pix_bytes_free(&note);
}

typedef struct found {
    size_t count;
    int numbers[8];
    double scores[8];
} found;

/* The `k` best of the library. */
static found search_all(const library *l, size_t k) {
    pix_search *search;
    pix_error error;
    pix_bytes note = {0};
    pix_hit hits[8];
    found f = {0};
    const float query[DIMENSION] = {1, 0};
    assert_ok(pix_search_open(&(pix_search_index){.database = l->path,
                                                  .model = "A",
                                                  .fingerprint = fingerprint_a,
                                                  .dimension = DIMENSION},
                              &search, &note, &error),
              &error);
    k = pix_search_bound(search, k);
    assert_true(k <= 8);
    assert_ok(pix_search_best(search, query, 1, k, hits, &f.count, NULL, &error), &error);
    for (size_t i = 0; i < f.count; i++) {
        pix_photo_row photo;
        assert_ok(pix_search_photo(search, hits[i].image_id, &photo, &error), &error);
        assert_int_equal(photo.path_size, strlen(photo.path));
        assert_int_equal(photo.width, 640);
        f.scores[i] = hits[i].score;
        f.numbers[i] = atoi(photo.path + strlen("/p/"));
    }
    pix_search_close(search);
    pix_bytes_free(&note);
    return f;
}

static void the_best_come_first_with_their_facts(void **state) {
    (void)state;
    library l;
    make_library(&l, "A", fingerprint_a, 10, 5);
    found f = search_all(&l, 3);
    assert_int_equal(f.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f.numbers[i], 10 + i);
        assert_true(fabs(f.scores[i] - cos((10 + i) / 100.0)) < 1e-6);
    }
}

static void a_wish_for_more_than_there_is_gives_all(void **state) {
    (void)state;
    library l;
    make_library(&l, "A", fingerprint_a, 1, 5);
    found f = search_all(&l, (size_t)INT32_MAX);
    assert_int_equal(f.count, 5);
}

static void a_missing_index_says_how_to_make_one(void **state) {
    (void)state;
    char path[128], expected[256];
    (void)snprintf(path, sizeof path, "%s/none.db", test_folder());
    (void)snprintf(expected, sizeof expected, "no index at %s; run: pixgrepd index DIR", path);
    assert_refused(path, "A", fingerprint_a, expected);
    assert_false(test_exists(path));
}

static void an_empty_library_says_so_and_finds_nothing(void **state) {
    (void)state;
    library l;
    make_library(&l, "A", fingerprint_a, 0, 0);
    assert_opens_with_note(&l, "A", fingerprint_a,
                           "no photos in the index; run: pixgrepd index DIR");
    found f = search_all(&l, 3);
    assert_int_equal(f.count, 0);
}

static void another_model_is_a_mismatch_that_names_both(void **state) {
    (void)state;
    library l;
    make_library(&l, "ViT-B-32", fingerprint_a, 0, 1234);
    assert_opens_with_note(&l, "ViT-B-32", fingerprint_a, "");
    assert_refused(l.path, "ViT-L-14", fingerprint_b,
                   "0 of 1,234 photos encoded with ViT-L-14, 1,234 with ViT-B-32; run: pixgrepd "
                   "index, or ask with --model ViT-B-32");
    assert_refused(l.path, "ViT-B-32", fingerprint_c,
                   "0 of 1,234 photos encoded with ViT-B-32 (cccccccccccc), 1,234 with other "
                   "weights of that name (aaaaaaaaaaaa); run: pixgrepd index");
}

static void a_partly_encoded_library_is_a_note(void **state) {
    (void)state;
    library l;
    make_library(&l, "ViT-B-32", fingerprint_a, 0, 1002);
    begin_run(&l, "ViT-L-14", fingerprint_b);
    put_photo(&l, 7);
    end_run(&l);
    assert_opens_with_note(&l, "ViT-L-14", fingerprint_b,
                           "1 of 1,002 photos encoded with ViT-L-14; run pixgrepd index");
    assert_opens_with_note(&l, "ViT-B-32", fingerprint_a, "");
}

static void photos_that_are_gone_are_not_found(void **state) {
    (void)state;
    library l;
    make_library(&l, "A", fingerprint_a, 1, 3);
    begin_run(&l, "A", fingerprint_a);
    put_photo(&l, 2);
    pix_swept swept;
    pix_error error;
    assert_ok(test_sweep(l.store, l.run, l.root, "/p", NULL, 1000, &swept, &error), &error);
    assert_int_equal(swept.removed, 2);
    end_run(&l);
    found f = search_all(&l, 5);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.numbers[0], 2);
    assert_opens_with_note(&l, "A", fingerprint_a, "");
    begin_run(&l, "A", fingerprint_a);
    assert_ok(test_sweep(l.store, l.run, l.root, "/p", NULL, 1000, &swept, &error), &error);
    end_run(&l);
    assert_opens_with_note(&l, "A", fingerprint_a,
                           "no photos: all 3 known ones are missing; is their drive there?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_come_first_with_their_facts),
        cmocka_unit_test(a_wish_for_more_than_there_is_gives_all),
        cmocka_unit_test(a_missing_index_says_how_to_make_one),
        cmocka_unit_test(an_empty_library_says_so_and_finds_nothing),
        cmocka_unit_test(another_model_is_a_mismatch_that_names_both),
        cmocka_unit_test(a_partly_encoded_library_is_a_note),
        cmocka_unit_test(photos_that_are_gone_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
