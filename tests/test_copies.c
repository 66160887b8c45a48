#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/copies.h"
#include "tests/support.h"

static void the_larger_then_the_earlier_then_the_older_is_better(void **state) {
    (void)state;
    static const pix_copy best_first[] = {
        {.image_id = 9, .pixels = 4000, .taken_at = ""},
        {.image_id = 8, .pixels = 3000, .taken_at = "2001-01-01T00:00:00", .mtime_ns = 50},
        {.image_id = 7, .pixels = 3000, .taken_at = "2002-01-01T00:00:00", .mtime_ns = -5},
        {.image_id = 6, .pixels = 3000, .taken_at = "2002-01-01T00:00:00", .mtime_ns = 10},
        {.image_id = 4, .pixels = 3000, .taken_at = "", .mtime_ns = 10},
        {.image_id = 5, .pixels = 3000, .taken_at = "", .mtime_ns = 10},
        {.image_id = 3, .pixels = 3000, .taken_at = "", .mtime_ns = 11},
        {.image_id = 1, .pixels = 0, .taken_at = "1900-01-01T00:00:00", .mtime_ns = INT64_MIN},
    };
    enum { COUNT = sizeof best_first / sizeof *best_first };
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < COUNT; k++) {
            int order = pix_copy_compare(&best_first[i], &best_first[k]);
            if ((order < 0) != (i < k) || (order > 0) != (i > k))
                fail_msg("%d against %d: %d", i, k, order);
        }
}

typedef struct fixture {
    pix_store *store;
    pix_error error;
    int64_t root, run;
    pix_recipe recipe;
} fixture;

static void put(fixture *f, const char *path, const char *content, int64_t mtime_ns, int width) {
    static const float vector[2] = {0, 1};
    const pix_content facts = {.width = width,
                               .height = 3,
                               .orientation = 1,
                               .format = "png",
                               .taken_at = "2023-01-01T00:00:00"};
    uint8_t hash[PIX_SHA256_BYTES];
    pix_sha256_of(content, strlen(content), hash);
    assert_ok(pix_store_content_put(f->store, &f->recipe, hash, &facts, vector, 2, &f->error),
              &f->error);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, mtime_ns, 1, hash, &f->error),
              &f->error);
}

static void copies_come_by_content_the_oldest_first(void **state) {
    (void)state;
    char path[256];
    static const char fingerprint[] =
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    fixture f = {.recipe = {.precision = "fp32"}};
    (void)snprintf(path, sizeof path, "%s/index.db", test_folder());
    assert_ok(pix_store_open(path, PIX_STORE_WRITE, &f.store, &f.error), &f.error);
    assert_ok(pix_store_model_put(f.store, "m", fingerprint, 2, &f.recipe.model_id, &f.error),
              &f.error);
    assert_ok(pix_store_root_put(f.store, "/p", "", false, &f.root, &f.error), &f.error);
    assert_ok(pix_store_run_begin(f.store, f.recipe.model_id, &f.run, &f.error), &f.error);
    put(&f, "/p/b/1", "one", 30, 4);
    put(&f, "/p/a/2", "two", 10, 5);
    put(&f, "/p/a/3", "one", 20, 4);
    put(&f, "/p/b/4", "one", 20, 4);
    put(&f, "/p/b/5", "one", 5, 4);
    assert_ok(pix_store_failure_put(f.store, f.run, f.root, "/p/b/5", 1, 1, "read", "x", &f.error),
              &f.error);
    pix_copies copies;
    assert_ok(pix_copies_read(f.store, NULL, &copies, &f.error), &f.error);
    static const int64_t ids[] = {3, 4, 1, 2};
    assert_int_equal(copies.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(copies.items[i].image_id, ids[i]);
    assert_int_equal(copies.items[0].content_id, copies.items[2].content_id);
    assert_int_not_equal(copies.items[2].content_id, copies.items[3].content_id);
    assert_int_equal(copies.items[0].pixels, 12);
    assert_int_equal(copies.items[3].mtime_ns, 10);
    assert_string_equal(copies.items[3].taken_at, "2023-01-01T00:00:00");
    pix_copies_free(&copies);

    pix_selection *selection;
    const pix_filter in_a = {.folders = (const char *const[]){"/p/a"}, .folder_count = 1};
    assert_ok(pix_selection_new(f.store, 0, &in_a, &selection, &f.error), &f.error);
    assert_ok(pix_copies_read(f.store, selection, &copies, &f.error), &f.error);
    assert_int_equal(copies.count, 2);
    assert_int_equal(copies.items[0].image_id, 3);
    assert_int_equal(copies.items[1].image_id, 2);
    pix_copies_free(&copies);
    pix_selection_free(selection);
    pix_store_close(f.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_larger_then_the_earlier_then_the_older_is_better),
        cmocka_unit_test(copies_come_by_content_the_oldest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
