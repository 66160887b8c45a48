#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/vector_index.h"
#include "tests/store_writer.h"
#include "tests/sweep.h"

enum { DIMENSION = 24 };

static const char other_fingerprint[] =
    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/* One query, without a report. */
static pix_status search(writer *f, int64_t model_id, const float *vector, int dimension, size_t k,
                         pix_hit *hits, size_t *count, pix_error *error) {
    const pix_vector_query query = {
        .model_id = model_id, .vectors = vector, .count = 1, .dimension = dimension, .k = k};
    return pix_vector_index_search(f->store, &query, hits, count, NULL, error);
}

static void hash_of(int number, uint8_t hash[PIX_SHA256_BYTES]) {
    memset(hash, 0, PIX_SHA256_BYTES);
    memcpy(hash, &number, sizeof number);
}

static void put_vector(writer *f, const pix_recipe *recipe, int content, const float *vector) {
    const pix_content facts = {.width = 1, .height = 1, .orientation = 1, .format = "png"};
    uint8_t hash[PIX_SHA256_BYTES];
    hash_of(content, hash);
    assert_ok(pix_store_content_put(f->store, recipe, hash, &facts, vector, DIMENSION, &f->error),
              &f->error);
}

static void put_photo(writer *f, int photo, int content) {
    char path[64];
    uint8_t hash[PIX_SHA256_BYTES];
    hash_of(content, hash);
    (void)snprintf(path, sizeof path, "/p/%d", photo);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, 1, 1, hash, &f->error),
              &f->error);
}

static uint64_t random_state;

static uint64_t random_bits(void) { /* splitmix64 */
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static int random_below(int limit) {
    return (int)(random_bits() % (uint64_t)limit);
}

static void random_unit(float *vector) {
    double sum = 0;
    for (int i = 0; i < DIMENSION; i++) {
        vector[i] = (float)((double)random_bits() / 0x1p63 - 1);
        sum += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)((double)vector[i] / sqrt(sum));
}

static void unit_near(const float *centre, float *vector) {
    double sum = 0;
    for (int i = 0; i < DIMENSION; i++) {
        vector[i] = centre[i] + (float)(((double)random_bits() / 0x1p63 - 1) * 1e-4);
        sum += (double)vector[i] * (double)vector[i];
    }
    for (int i = 0; i < DIMENSION; i++)
        vector[i] = (float)((double)vector[i] / sqrt(sum));
}

/* The score as vector_index.h and dot.h define it, written out again: eight running sums. */
static double reference_score(const float *a, const float *b) {
    double s[8] = {0};
    for (int i = 0; i < DIMENSION; i++) {
        double product = (double)a[i] * (double)b[i];
        s[i & 7] = s[i & 7] + product;
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static int by_rank(const void *a, const void *b) {
    const pix_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->image_id > y->image_id) - (x->image_id < y->image_id);
}

enum { CONTENTS = 1500, PHOTOS = 3000 };

/* What the test knows of the library it made. */
typedef struct library {
    float vectors[CONTENTS][DIMENSION];
    int content_of[PHOTOS];
    bool shown[PHOTOS];
} library;

static size_t brute_force(writer *f, const library *lib, const float *query, pix_hit *hits) {
    size_t count = 0;
    for (int i = 0; i < PHOTOS; i++) {
        pix_photo_row row;
        char path[64];
        assert_ok(pix_store_photo_get(f->store, i + 1, &row, &f->error), &f->error);
        (void)snprintf(path, sizeof path, "/p/%d", i);
        assert_string_equal(row.path, path); /* ids are 1, 2, ... in the order of putting */
        if (lib->shown[i])
            hits[count++] =
                (pix_hit){.image_id = row.id,
                          .score = reference_score(query, lib->vectors[lib->content_of[i]])};
    }
    qsort(hits, count, sizeof *hits, by_rank);
    return count;
}

/* Vectors spread out, in tight clusters, equal to an earlier one, its opposite, and single axes;
 * photos that share contents, later photos of earlier contents, photos that fail or go missing. */
static void make_library(writer *f, library *lib) {
    for (int i = 0; i < CONTENTS; i++) {
        float *v = lib->vectors[i];
        int kind = i == 0 ? 0 : random_below(6);
        int earlier = i == 0 ? 0 : random_below(i);
        if (kind <= 1)
            random_unit(v);
        else if (kind == 2)
            unit_near(lib->vectors[earlier], v);
        else if (kind == 3)
            memcpy(v, lib->vectors[earlier], sizeof lib->vectors[0]);
        else
            for (int d = 0; d < DIMENSION; d++)
                v[d] = kind == 4 ? -lib->vectors[earlier][d] : d == i % DIMENSION ? 1.0F : 0.0F;
    }
    for (int i = 0; i < PHOTOS; i++) {
        lib->content_of[i] = random_below(CONTENTS);
        lib->shown[i] = random_below(8) != 0;
        put_vector(f, &f->recipe, lib->content_of[i], lib->vectors[lib->content_of[i]]);
        put_photo(f, i, lib->content_of[i]);
    }
    for (int i = 0; i < PHOTOS; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/p/%d", i);
        if (!lib->shown[i])
            assert_ok(pix_store_failure_put(f->store, f->run, f->root, path, 2, 2, "decode", "bad",
                                            &f->error),
                      &f->error);
    }
}

static void the_search_equals_brute_force(void **state) {
    (void)state;
    static library lib;
    static pix_hit expected[PHOTOS], hits[PHOTOS + 1];
    const size_t ks[] = {1, 2, 3, 10, 100, 1000, PHOTOS, PHOTOS + 1};
    for (uint64_t seed = 1; seed < 4; seed++) {
        random_state = seed;
        writer f = open_new_index(DIMENSION);
        make_library(&f, &lib);
        for (int q = 0; q < 8; q++) {
            float query[DIMENSION];
            if (q % 2 == 0)
                random_unit(query);
            else
                memcpy(query, lib.vectors[random_below(CONTENTS)], sizeof query);
            size_t total = brute_force(&f, &lib, query, expected);
            for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
                size_t count;
                assert_ok(
                    search(&f, f.recipe.model_id, query, DIMENSION, ks[i], hits, &count, &f.error),
                    &f.error);
                assert_int_equal(count, ks[i] < total ? ks[i] : total);
                for (size_t h = 0; h < count; h++)
                    if (hits[h].image_id != expected[h].image_id ||
                        hits[h].score != expected[h].score)
                        fail_msg("k %zu, rank %zu: photo %lld %.17g instead of %lld %.17g", ks[i],
                                 h, (long long)hits[h].image_id, hits[h].score,
                                 (long long)expected[h].image_id, expected[h].score);
            }
        }
        pix_store_close(f.store);
    }
}

static void queries_that_share_a_pass_get_what_each_gets_alone(void **state) {
    (void)state;
    enum { QUERIES = 9, K = 40 };
    static library lib;
    static pix_hit together[QUERIES * K], alone[K];
    static float queries[QUERIES][DIMENSION];
    random_state = 9;
    writer f = open_new_index(DIMENSION);
    make_library(&f, &lib);
    for (int q = 0; q < QUERIES; q++)
        random_unit(queries[q]);
    memcpy(queries[1], queries[0], sizeof queries[0]);
    size_t counts[QUERIES], count;
    const pix_vector_query query = {.model_id = f.recipe.model_id,
                                    .vectors = queries[0],
                                    .count = QUERIES,
                                    .dimension = DIMENSION,
                                    .k = K};
    pix_search_report report;
    assert_ok(pix_vector_index_search(f.store, &query, together, counts, &report, &f.error),
              &f.error);
    assert_true(report.bytes > 0 && report.rescored >= (int64_t)QUERIES * K);
    for (int q = 0; q < QUERIES; q++) {
        assert_ok(search(&f, f.recipe.model_id, queries[q], DIMENSION, K, alone, &count, &f.error),
                  &f.error);
        assert_int_equal(counts[q], count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(together[(size_t)q * K + i].image_id, alone[i].image_id);
            assert_true(together[(size_t)q * K + i].score == alone[i].score);
        }
    }
    pix_store_close(f.store);
}

/* Rising scores make every vector enter the heap, falling ones none after the first k. */
static void the_order_of_the_scores_does_not_matter(void **state) {
    (void)state;
    enum { COUNT = 500, K = 20 };
    for (int rising = 0; rising < 2; rising++) {
        writer f = open_new_index(DIMENSION);
        for (int i = 0; i < COUNT; i++) {
            double angle = 1.5 * (rising ? COUNT - i : i) / COUNT;
            float vector[DIMENSION] = {(float)cos(angle), (float)sin(angle)};
            put_vector(&f, &f.recipe, i, vector);
            put_photo(&f, i, i);
        }
        const float query[DIMENSION] = {1};
        pix_hit hits[K];
        size_t count;
        assert_ok(search(&f, f.recipe.model_id, query, DIMENSION, K, hits, &count, &f.error),
                  &f.error);
        assert_int_equal(count, K);
        for (int i = 0; i < K; i++)
            assert_int_equal(hits[i].image_id, rising ? COUNT - i : i + 1);
        pix_store_close(f.store);
    }
}

static void equal_scores_go_to_the_lower_id(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const float vector[DIMENSION] = {1};
    /* Contents 0, 1, 2 with one vector; their photos interleave: 0 has ids 3 and 4, 1 has 2 and 5,
     * 2 has 1 and 6.  Embeddings come in the order 0, 1, 2. */
    const int contents[] = {2, 1, 0, 0, 1, 2};
    for (int i = 0; i < 3; i++)
        put_vector(&f, &f.recipe, i, vector);
    for (int i = 0; i < 6; i++)
        put_photo(&f, i, contents[i]);
    for (size_t k = 1; k <= 7; k++) {
        pix_hit hits[7];
        size_t count;
        assert_ok(search(&f, f.recipe.model_id, vector, DIMENSION, k, hits, &count, &f.error),
                  &f.error);
        assert_int_equal(count, k < 6 ? k : 6);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(hits[i].image_id, i + 1);
            assert_true(hits[i].score == 1.0);
        }
    }
    pix_store_close(f.store);
}

static void each_model_has_its_own_vectors(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    pix_recipe other = f.recipe;
    assert_ok(pix_store_model_put(f.store, "other", other_fingerprint, DIMENSION, &other.model_id,
                                  &f.error),
              &f.error);
    const float x[DIMENSION] = {1}, y[DIMENSION] = {0, 1};
    put_vector(&f, &f.recipe, 0, x);
    put_vector(&f, &other, 0, y);
    put_vector(&f, &other, 1, x);
    put_photo(&f, 0, 0);
    put_photo(&f, 1, 1);
    pix_hit hits[2];
    size_t count;
    assert_ok(search(&f, f.recipe.model_id, x, DIMENSION, 2, hits, &count, &f.error), &f.error);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].image_id, 1);
    assert_ok(search(&f, other.model_id, x, DIMENSION, 2, hits, &count, &f.error), &f.error);
    assert_int_equal(count, 2);
    assert_int_equal(hits[0].image_id, 2);
    assert_true(hits[0].score == 1.0 && hits[1].score == 0.0);
    pix_store_close(f.store);
}

static void an_unfit_query_is_refused(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const float good[DIMENSION] = {1}, zero[DIMENSION] = {0}, bad[DIMENSION] = {NAN};
    pix_hit hit;
    size_t count = 7;
    int64_t model = f.recipe.model_id;
    assert_ok(search(&f, model, good, DIMENSION, 1, &hit, &count, &f.error), &f.error);
    assert_int_equal(count, 0);
    assert_ok(search(&f, model, good, DIMENSION, 0, NULL, &count, &f.error), &f.error);
    assert_int_equal(search(&f, model, zero, DIMENSION, 1, &hit, &count, &f.error), PIX_EINVALID);
    assert_string_equal(f.error.text, "query: a vector of length 0, not 1");
    assert_int_equal(search(&f, model, bad, DIMENSION, 1, &hit, &count, NULL), PIX_EINVALID);
    assert_int_equal(search(&f, model, good, DIMENSION - 1, 1, &hit, &count, &f.error),
                     PIX_EMISMATCH);
    assert_int_equal(search(&f, model + 1, good, DIMENSION, 1, &hit, &count, &f.error),
                     PIX_ENOTFOUND);
    pix_store_close(f.store);
}

static void execute(writer *f, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* What shows no unit vector shows no photo, ends nothing, and is made anew by the next run. */
static void a_damaged_vector_is_not_found_and_mended(void **state) {
    (void)state;
    static const char *const damages[] = {"x'0000803F'",
                                          "x''",
                                          "zeroblob(96)",
                                          "zeroblob(100)",
                                          "zeroblob(100000)",
                                          "x'000080BF' || vector",
                                          "substr(vector, 1, 92) || x'0000C07F'",
                                          "substr(vector, 1, 92) || x'0000807F'",
                                          "substr(vector, 1, 92) || x'0000803F'"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        writer f = open_new_index(DIMENSION);
        float vector[DIMENSION] = {1};
        int64_t dropped;
        for (int photo = 0; photo < 3; photo++) {
            put_vector(&f, &f.recipe, photo, vector);
            put_photo(&f, photo, photo);
        }
        assert_ok(pix_store_commit(f.store, &f.error), &f.error);
        assert_ok(pix_store_vectors_mend(f.store, f.recipe.model_id, &dropped, &f.error), &f.error);
        assert_int_equal(dropped, 0);
        char sql[160];
        (void)snprintf(sql, sizeof sql,
                       "UPDATE embedding SET vector = CAST(%s AS BLOB) WHERE id = 2", damages[i]);
        execute(&f, sql);
        for (int cached = 0; cached < 2; cached++) {
            pix_hit hits[4];
            size_t count;
            pix_search_report report;
            const pix_vector_query query = {.model_id = f.recipe.model_id,
                                            .vectors = vector,
                                            .count = 1,
                                            .dimension = DIMENSION,
                                            .k = 4};
            assert_ok(pix_vector_index_search(f.store, &query, hits, &count, &report, &f.error),
                      &f.error);
            assert_int_equal(report.used_cache, cached);
            assert_int_equal(report.damaged, !cached); /* the file does not hold it */
            assert_int_equal(count, 2);
            assert_int_equal(hits[0].image_id, 1);
            assert_int_equal(hits[1].image_id, 3);
            const pix_vector_update update = {.kind = PIX_VECTORS_SETTLE,
                                              .model_id = f.recipe.model_id};
            assert_ok(pix_vector_index_update(f.store, &update, &f.error), &f.error);
        }
        float got[DIMENSION];
        bool found;
        assert_int_equal(
            pix_store_vector_get(f.store, f.recipe.model_id, 2, got, DIMENSION, &found, &f.error),
            PIX_EFORMAT);
        assert_ok(pix_store_vectors_mend(f.store, f.recipe.model_id, &dropped, &f.error), &f.error);
        assert_int_equal(dropped, 1);
        pix_photo_state seen;
        assert_ok(pix_store_photo_see(f.store, f.run, &f.recipe, "/p/1", 1, 1, &seen, &f.error),
                  &f.error);
        assert_int_equal(seen, PIX_PHOTO_UNENCODED);
        pix_store_close(f.store);
    }
}

/* Damaged after the .pixv file was made: what is read of the store decides. */
static void a_vector_damaged_behind_the_file_is_not_found(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    float vector[DIMENSION] = {1};
    for (int photo = 0; photo < 40; photo++) {
        put_vector(&f, &f.recipe, photo, vector);
        put_photo(&f, photo, photo);
    }
    assert_ok(pix_store_commit(f.store, &f.error), &f.error);
    const pix_vector_update update = {.kind = PIX_VECTORS_SETTLE, .model_id = f.recipe.model_id};
    assert_ok(pix_vector_index_update(f.store, &update, &f.error), &f.error);
    execute(&f, "UPDATE embedding SET vector = zeroblob(96) WHERE id <= 10");
    pix_hit hits[5];
    size_t count;
    pix_search_report report;
    const pix_vector_query query = {.model_id = f.recipe.model_id,
                                    .vectors = vector,
                                    .count = 1,
                                    .dimension = DIMENSION,
                                    .k = 5};
    assert_ok(pix_vector_index_search(f.store, &query, hits, &count, &report, &f.error), &f.error);
    assert_true(report.used_cache);
    assert_int_equal(report.damaged, 10);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(hits[i].image_id, 11 + i);

    /* Each is counted once, whatever the number of queries that meet it. */
    enum { QUERIES = 3 };
    float queries[QUERIES][DIMENSION] = {{1}, {1}, {1}};
    pix_hit all[QUERIES * 5];
    size_t counts[QUERIES];
    const pix_vector_query several = {.model_id = f.recipe.model_id,
                                      .vectors = queries[0],
                                      .count = QUERIES,
                                      .dimension = DIMENSION,
                                      .k = 5};
    assert_ok(pix_vector_index_search(f.store, &several, all, counts, &report, &f.error), &f.error);
    assert_true(report.used_cache);
    assert_int_equal(report.damaged, 10);
    pix_store_close(f.store);
}

static void a_returned_photo_is_found_again_and_a_missing_one_is_not(void **state) {
    (void)state;
    writer f = open_new_index(DIMENSION);
    const float vector[DIMENSION] = {1};
    put_vector(&f, &f.recipe, 0, vector);
    put_photo(&f, 0, 0);
    put_photo(&f, 1, 0);
    for (int present = 2; present >= 0; present--) {
        pix_run_counts counts = {0};
        pix_photo_state seen;
        pix_swept swept;
        assert_ok(pix_store_run_end(f.store, f.run, &counts, "complete", &f.error), &f.error);
        assert_ok(pix_store_run_begin(f.store, f.recipe.model_id, &f.run, &f.error), &f.error);
        for (int i = 0; i < present; i++) {
            assert_ok(pix_store_photo_see(f.store, f.run, &f.recipe, i ? "/p/0" : "/p/1", 1, 1,
                                          &seen, &f.error),
                      &f.error);
        }
        assert_ok(test_sweep(f.store, f.run, f.root, "/p", NULL, 1000, &swept, &f.error), &f.error);
        pix_hit hits[2];
        size_t count;
        assert_ok(search(&f, f.recipe.model_id, vector, DIMENSION, 2, hits, &count, &f.error),
                  &f.error);
        assert_int_equal(count, present);
        if (present == 1)
            assert_int_equal(hits[0].image_id, 2);
    }
    pix_photo_state seen;
    assert_ok(pix_store_photo_see(f.store, f.run, &f.recipe, "/p/0", 1, 1, &seen, &f.error),
              &f.error);
    assert_int_equal(seen, PIX_PHOTO_RETURNED);
    pix_hit hit;
    size_t count;
    assert_ok(search(&f, f.recipe.model_id, vector, DIMENSION, 1, &hit, &count, &f.error),
              &f.error);
    assert_int_equal(count, 1);
    assert_int_equal(hit.image_id, 1);
    pix_store_close(f.store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_equals_brute_force),
        cmocka_unit_test(queries_that_share_a_pass_get_what_each_gets_alone),
        cmocka_unit_test(the_order_of_the_scores_does_not_matter),
        cmocka_unit_test(equal_scores_go_to_the_lower_id),
        cmocka_unit_test(each_model_has_its_own_vectors),
        cmocka_unit_test(an_unfit_query_is_refused),
        cmocka_unit_test(a_damaged_vector_is_not_found_and_mended),
        cmocka_unit_test(a_vector_damaged_behind_the_file_is_not_found),
        cmocka_unit_test(a_returned_photo_is_found_again_and_a_missing_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
