#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "storage/selection.h"
#include "storage/vector_index.h"
#include "tests/store_writer.h"

enum { DIMENSION = 4 };

static void close_fixture(writer *f) {
    pix_store_close(f->store);
}

/* A photo under `path` whose content is called `content`; photos of one content share its facts. */
static void put(writer *f, const char *path, const char *content, const pix_content *facts) {
    static const float vector[DIMENSION] = {1};
    uint8_t hash[PIX_SHA256_BYTES];
    pix_sha256_of(content, strlen(content), hash);
    assert_ok(
        pix_store_content_put(f->store, &f->recipe, hash, facts, vector, DIMENSION, &f->error),
        &f->error);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, 1, 1, hash, &f->error),
              &f->error);
}

static void put_all(writer *f, const pix_content *facts, const char *const *paths, size_t count) {
    for (size_t i = 0; i < count; i++)
        put(f, paths[i], paths[i], &facts[i]);
    assert_ok(pix_store_commit(f->store, &f->error), &f->error);
}

/* The names of the photos a filter lets through, in the order of their ids: "a b". */
static const char *found(writer *f, const pix_filter *filter) {
    static char names[1024];
    pix_selection *selection;
    assert_ok(pix_selection_new(f->store, f->recipe.model_id, filter, &selection, &f->error),
              &f->error);
    names[0] = '\0';
    int64_t count = 0;
    for (int64_t id = 1; id < 200; id++) {
        if (!pix_selection_has_image(selection, id))
            continue;
        pix_photo_row row;
        assert_ok(pix_store_photo_get(f->store, id, &row, &f->error), &f->error);
        size_t length = strlen(names);
        (void)snprintf(names + length, sizeof names - length, "%s%s", length ? " " : "",
                       strrchr(row.path, '/') + 1);
        count++;
    }
    assert_int_equal(count, pix_selection_images(selection));
    assert_false(pix_selection_has_image(selection, 0));
    assert_false(pix_selection_has_image(selection, -1));
    assert_false(pix_selection_has_image(selection, INT64_MAX));
    pix_selection_free(selection);
    return names;
}

#define FOUND(names, ...) assert_string_equal(found(&f, &(pix_filter){__VA_ARGS__}), names)
#define LIST(...)                                                                                  \
    (const char *const[]) {                                                                        \
        __VA_ARGS__                                                                                \
    }

static const pix_content plain = {.width = 8, .height = 6, .orientation = 1, .format = "jpeg"};

static void an_empty_filter_lets_every_present_photo_through(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    FOUND("", .camera = NULL);
    put(&f, "/p/a", "1", &plain);
    put(&f, "/p/b", "1", &plain);
    put(&f, "/p/c", "2", &plain);
    put(&f, "/p/d", "3", &plain);
    assert_ok(pix_store_failure_put(f.store, f.run, f.root, "/p/d", 2, 2, "read", "no", &f.error),
              &f.error);
    FOUND("a b c", .camera = NULL);
    close_fixture(&f);
}

static void folders_are_ranges_of_bytes(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const char *const paths[] = {"/p/a/1",    "/p/a/x/2",   "/p/a0/3",   "/p/A/4",
                                 "/p/a-/5",   "/p/a%/6",    "/p/a_/7",   "/p/a",
                                 "/p/\xff/8", "/p/a\xff/9", "/p/'; --/q"};
    enum { COUNT = sizeof paths / sizeof *paths };
    pix_content facts[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        facts[i] = plain;
    put_all(&f, facts, paths, COUNT);
    FOUND("1 2 a", .folders = LIST("/p/a"), .folder_count = 1);
    FOUND("2", .folders = LIST("/p/a/x"), .folder_count = 1);
    FOUND("6", .folders = LIST("/p/a%"), .folder_count = 1);
    FOUND("7", .folders = LIST("/p/a_"), .folder_count = 1);
    FOUND("8", .folders = LIST("/p/\xff"), .folder_count = 1);
    FOUND("q", .folders = LIST("/p/'; --"), .folder_count = 1);
    FOUND("1 2 4 a", .folders = LIST("/p/A", "/p/a", "/p/a/x", "/none"), .folder_count = 4);
    FOUND("1 2 3 4 5 6 7 a 8 9 q", .folders = LIST("/p/a", "/"), .folder_count = 2);
    FOUND("", .folders = LIST("/pp"), .folder_count = 1);
    pix_selection *selection;
    const pix_filter bad = {.folders = LIST("/p", "p"), .folder_count = 2};
    assert_int_equal(pix_selection_new(f.store, 1, &bad, &selection, &f.error), PIX_EINVALID);
    assert_null(selection);
    close_fixture(&f);
}

static void facts_are_compared(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const char *const paths[] = {"/p/wide", "/p/turned", "/p/square", "/p/heic", "/p/odd"};
    const pix_content facts[] = {
        {.width = 4000, .height = 3000, .orientation = 1, .format = "jpeg", .camera = "NIKON D70"},
        {.width = 4000, .height = 3000, .orientation = 6, .format = "jpeg", .camera = "Canon EOS"},
        {.width = 800, .height = 800, .orientation = 1, .format = "png"},
        {.width = 1080, .height = 1920, .orientation = 1, .format = "heic", .camera = "ÄÖ Ωmega"},
        {.width = INT32_MAX, .height = INT32_MAX, .orientation = 99, .format = "raw"}};
    put_all(&f, facts, paths, 5);
    FOUND("wide", .orientations = PIX_LANDSCAPE);
    FOUND("turned heic", .orientations = PIX_PORTRAIT);
    FOUND("square odd", .orientations = PIX_SQUARE);
    FOUND("wide square odd", .orientations = PIX_LANDSCAPE | PIX_SQUARE);
    FOUND("wide turned odd", .min_pixels = 12000000);
    FOUND("odd", .min_pixels = 12000001);
    FOUND("wide turned heic odd", .min_short = 801);
    FOUND("wide turned heic odd", .min_long = 1920, .min_short = 1080);
    FOUND("wide turned odd", .min_long = 1921);
    FOUND("wide turned", .formats = LIST("jpeg"), .format_count = 1);
    FOUND("square heic", .formats = LIST("png", "heic", "gif"), .format_count = 3);
    FOUND("wide", .camera = "nikon");
    FOUND("wide", .camera = "N d7");
    FOUND("turned", .camera = "EOS");
    FOUND("heic", .camera = "äö ωM");
    FOUND("", .camera = "nikon d700");
    FOUND("", .camera = "%");
    FOUND("", .camera = "' OR 1=1 --");
    FOUND("", .camera = "nikon", .formats = LIST("png"), .format_count = 1);
    FOUND("turned", .orientations = PIX_PORTRAIT, .folders = LIST("/p/turned", "/p/wide"),
          .folder_count = 2);
    close_fixture(&f);
}

static void times_are_a_range_and_unknown_ones_are_counted(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const char *const paths[] = {"/p/22", "/p/23", "/p/24", "/p/none", "/p/nonsense"};
    pix_content facts[] = {plain, plain, plain, plain, plain};
    facts[0].taken_at = "2022-12-31T23:59:59";
    facts[1].taken_at = "2023-01-01T00:00:00";
    facts[2].taken_at = "2024-02-29T12:00:00";
    facts[4].taken_at = "yesterday";
    put_all(&f, facts, paths, 5);
    FOUND("23 24", .since = "2023");
    FOUND("22 23", .until = "2024");
    FOUND("23", .since = "2023", .until = "2024");
    FOUND("22", .until = "2023-01-01");
    FOUND("24", .since = "2023-01-01T00:00:01");
    FOUND("23", .since = "2023", .until = "2024", .folders = LIST("/p"), .folder_count = 1);
    FOUND("23", .since = "2023", .until = "2024", .folders = LIST("/"), .folder_count = 1);
    const pix_filter none[] = {{.since = "2030"},
                               {.since = "2030", .folders = LIST("/p"), .folder_count = 1},
                               {.since = "2030", .folders = LIST("/"), .folder_count = 1},
                               {.since = "2030", .folders = LIST("/p/none"), .folder_count = 1},
                               {.since = "2023", .camera = "x"},
                               {.since = "2023"},
                               {.camera = "x"}};
    const int64_t undated[] = {2, 2, 2, 1, 0, 0, 0};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        pix_selection *selection;
        assert_ok(pix_selection_new(f.store, 0, &none[i], &selection, &f.error), &f.error);
        if (pix_selection_undated(selection) != undated[i])
            fail_msg("filter %zu: %lld without a time", i,
                     (long long)pix_selection_undated(selection));
        pix_selection_free(selection);
    }
    close_fixture(&f);
}

static void distances_are_those_of_a_globe(void **state) {
    (void)state;
    static const struct {
        double from[2], to[2], km;
    } cases[] = {
        {{48.8566, 2.3522}, {48.8566, 2.3522}, 0},
        {{48.8566, 2.3522}, {51.5074, -0.1278}, 343.56}, /* Paris to London */
        {{0, 0}, {0, 1}, 111.195},
        {{0, 179.5}, {0, -179.5}, 111.195}, /* across the antimeridian */
        {{0, 180}, {0, -180}, 0},
        {{90, 0}, {90, 135}, 0},           /* a pole is one place */
        {{89.5, 0}, {89.5, 180}, 111.195}, /* over the pole */
        {{90, 0}, {-90, 17}, 20015.115},
        {{10, 20}, {-10, -160}, 20015.115}, /* antipodes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double there =
            pix_distance_km(cases[i].from[0], cases[i].from[1], cases[i].to[0], cases[i].to[1]);
        double back =
            pix_distance_km(cases[i].to[0], cases[i].to[1], cases[i].from[0], cases[i].from[1]);
        if (!(fabs(there - cases[i].km) <= 0.1) || !(fabs(there - back) <= 1e-6))
            fail_msg("case %zu: %f km there, %f back, not %f", i, there, back, cases[i].km);
    }
}

static void places_lie_within_a_circle(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const char *const paths[] = {"/p/paris", "/p/fiji", "/p/pole", "/p/none", "/p/far"};
    pix_content facts[] = {plain, plain, plain, plain, plain};
    for (size_t i = 0; i < 5; i++)
        facts[i].has_location = i != 3;
    facts[0].latitude = 48.8566, facts[0].longitude = 2.3522;
    facts[1].latitude = -17, facts[1].longitude = -179.9;
    facts[2].latitude = 89.9, facts[2].longitude = -90;
    facts[4].latitude = 1e9, facts[4].longitude = -1e9;
    put_all(&f, facts, paths, 5);
    FOUND("paris", .has_place = true, .latitude = 48.9, .longitude = 2.4, .radius_km = 10);
    FOUND("", .has_place = true, .latitude = 48.9, .longitude = 2.4, .radius_km = 1);
    FOUND("fiji", .has_place = true, .latitude = -17, .longitude = 179.9, .radius_km = 30);
    FOUND("pole", .has_place = true, .latitude = 90, .longitude = 90, .radius_km = 20);
    FOUND("paris fiji pole", .has_place = true, .latitude = 0, .longitude = 0, .radius_km = 20038);
    close_fixture(&f);
}

static void execute(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void damaged_values_satisfy_no_wish(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const char *const paths[] = {"/p/good", "/p/bad"};
    pix_content facts[] = {plain, plain};
    facts[0].taken_at = "2023-05-01T00:00:00";
    put_all(&f, facts, paths, 2);
    execute(f.path, "PRAGMA ignore_check_constraints = 1;"
                    "UPDATE content SET width = -1, height = 9e18, orientation = -7,"
                    " format = '', taken_at = x'00' || '2023', camera = char(0, 65, 0x10FFFF),"
                    " latitude = 9e999, longitude = NULL WHERE taken_at IS NULL");
    FOUND("good bad", .camera = NULL);
    FOUND("good", .orientations = PIX_LANDSCAPE | PIX_PORTRAIT | PIX_SQUARE);
    FOUND("good", .min_short = 1);
    FOUND("good", .since = "2020");
    FOUND("good", .until = "2030");
    FOUND("good", .formats = LIST("jpeg", "png"), .format_count = 2);
    FOUND("", .camera = "a");
    FOUND("", .has_place = true, .radius_km = 1e9);
    execute(f.path, "UPDATE image SET id = -5 WHERE id = 2");
    pix_selection *selection;
    assert_int_equal(pix_selection_new(f.store, 0, &(pix_filter){0}, &selection, &f.error),
                     PIX_EFORMAT);
    assert_non_null(strstr(f.error.text, "index.db: id -5 is out of range"));
    assert_null(selection);
    close_fixture(&f);
}

static pix_status search(writer *f, const pix_selection *selection, const float *vector,
                         pix_hit hits[8], size_t *count) {
    const pix_vector_query query = {.model_id = f->recipe.model_id,
                                    .vectors = vector,
                                    .count = 1,
                                    .dimension = DIMENSION,
                                    .k = 8,
                                    .selection = selection};
    return pix_vector_index_search(f->store, &query, hits, count, NULL, &f->error);
}

static void a_search_finds_what_is_selected_and_nothing_else(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    put(&f, "/p/a/1", "one", &plain);
    put(&f, "/p/b/1", "one", &plain);
    put(&f, "/p/b/2", "two", &plain);
    put(&f, "/p/c/3", "three", &plain);
    const float query[DIMENSION] = {1};
    pix_hit hits[8];
    size_t count;
    pix_selection *selection;
    const pix_filter in_b = {.folders = LIST("/p/b"), .folder_count = 1};
    assert_ok(pix_selection_new(f.store, f.recipe.model_id, &in_b, &selection, &f.error), &f.error);
    assert_int_equal(pix_selection_images(selection), 2);
    assert_int_equal(pix_selection_embeddings(selection), 2);
    assert_ok(search(&f, selection, query, hits, &count), &f.error);
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].image_id, 2);
    assert_int_equal(hits[1].image_id, 3);
    pix_selection_free(selection);

    const pix_filter in_none = {.folders = LIST("/p/d"), .folder_count = 1};
    assert_ok(pix_selection_new(f.store, f.recipe.model_id, &in_none, &selection, &f.error),
              &f.error);
    assert_ok(search(&f, selection, query, hits, &count), &f.error);
    assert_int_equal(count, 0);
    pix_selection_free(selection);

    /* Another model's vectors are not its own. */
    assert_ok(pix_selection_new(f.store, f.recipe.model_id + 1, &in_b, &selection, &f.error),
              &f.error);
    assert_int_equal(pix_selection_images(selection), 2);
    assert_int_equal(pix_selection_embeddings(selection), 0);
    pix_selection_free(selection);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_filter_lets_every_present_photo_through),
        cmocka_unit_test(folders_are_ranges_of_bytes),
        cmocka_unit_test(facts_are_compared),
        cmocka_unit_test(times_are_a_range_and_unknown_ones_are_counted),
        cmocka_unit_test(distances_are_those_of_a_globe),
        cmocka_unit_test(places_lie_within_a_circle),
        cmocka_unit_test(damaged_values_satisfy_no_wish),
        cmocka_unit_test(a_search_finds_what_is_selected_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
