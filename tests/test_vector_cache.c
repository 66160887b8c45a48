#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "storage/vector_cache.h"
#include "storage/vector_index.h"
#include "tests/support.h"
#include "tests/vectors.h"

static const char fingerprint[] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char other_fingerprint[] =
    "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

enum { MOST_DIMENSIONS = 768, HITS = 4000 };

typedef struct fixture {
    char folder[200], path[256], pixv[300];
    int dimension;
    pix_store *store;
    pix_error error;
    int64_t root, run;
    pix_recipe recipe;
    test_random random;
} fixture;

static void begin_run(fixture *f) {
    assert_ok(pix_store_open(f->path, PIX_STORE_WRITE, &f->store, &f->error), &f->error);
    assert_ok(pix_store_model_put(f->store, "tiny", fingerprint, f->dimension, &f->recipe.model_id,
                                  &f->error),
              &f->error);
    assert_ok(pix_store_root_put(f->store, "/p", "", false, &f->root, &f->error), &f->error);
    assert_ok(pix_store_run_begin(f->store, f->recipe.model_id, &f->run, &f->error), &f->error);
}

static fixture open_fixture(int dimension) {
    fixture f = {.recipe = {.precision = "fp32"}, .dimension = dimension};
    (void)snprintf(f.folder, sizeof f.folder, "%s", test_folder());
    (void)snprintf(f.path, sizeof f.path, "%s/index.db", f.folder);
    (void)snprintf(f.pixv, sizeof f.pixv, "%s/index.%.12s.pixv", f.folder, fingerprint);
    begin_run(&f);
    return f;
}

static void hash_of(int number, uint8_t hash[PIX_SHA256_BYTES]) {
    memset(hash, 0, PIX_SHA256_BYTES);
    memcpy(hash, &number, sizeof number);
}

static void put_vector(fixture *f, int content, const float *vector) {
    const pix_content facts = {.width = 1, .height = 1, .orientation = 1, .format = "png"};
    uint8_t hash[PIX_SHA256_BYTES];
    hash_of(content, hash);
    assert_ok(
        pix_store_content_put(f->store, &f->recipe, hash, &facts, vector, f->dimension, &f->error),
        &f->error);
}

static void put_photo(fixture *f, int photo, int content) {
    char path[64];
    uint8_t hash[PIX_SHA256_BYTES];
    hash_of(content, hash);
    (void)snprintf(path, sizeof path, "/p/%d/%d", photo % 7, photo);
    assert_ok(pix_store_photo_put(f->store, f->run, f->root, path, 1, 1, hash, &f->error),
              &f->error);
}

/* Photos `first` to `end`, each with a vector of its own like those of photos. */
static void put_photos(fixture *f, int first, int end) {
    float vector[MOST_DIMENSIONS];
    for (int i = first; i < end; i++) {
        test_vector(&f->random, vector, (size_t)f->dimension, 0.5, 20, 0);
        put_vector(f, i, vector);
        put_photo(f, i, i);
    }
}

static void commit(fixture *f) {
    assert_ok(pix_store_commit(f->store, &f->error), &f->error);
}

/* The way texts lie, whatever it is; counts how often it was asked for. */
static pix_status text_mean(void *context, float *mean, pix_error *error) {
    fixture *f = context;
    test_random r = {.state = 1};
    (void)error;
    test_vector(&r, mean, (size_t)f->dimension, 0.3, 1, 0.8);
    return PIX_OK;
}

static void update_as(fixture *f, pix_vector_update_kind kind) {
    const pix_vector_update update = {
        .kind = kind, .model_id = f->recipe.model_id, .text_mean = text_mean, .context = f};
    assert_ok(pix_vector_index_update(f->store, &update, &f->error), &f->error);
}

static void settle(fixture *f) {
    commit(f);
    update_as(f, PIX_VECTORS_SETTLE);
}

static pix_search_report search(fixture *f, pix_store *store, const float *vectors, size_t queries,
                                size_t k, const pix_selection *selection, pix_hit *hits,
                                size_t *counts) {
    const pix_vector_query query = {.model_id = f->recipe.model_id,
                                    .vectors = vectors,
                                    .count = queries,
                                    .dimension = f->dimension,
                                    .k = k,
                                    .selection = selection};
    pix_search_report report;
    assert_ok(pix_vector_index_search(store, &query, hits, counts, &report, &f->error), &f->error);
    return report;
}

static void assert_same_hits(const pix_hit *hits, const pix_hit *expected, size_t count,
                             const char *what) {
    for (size_t i = 0; i < count; i++)
        if (hits[i].image_id != expected[i].image_id || hits[i].score != expected[i].score)
            fail_msg("%s, rank %zu: photo %lld %.17g instead of %lld %.17g", what, i,
                     (long long)hits[i].image_id, hits[i].score, (long long)expected[i].image_id,
                     expected[i].score);
}

/* One search with the file and one without, inside one snapshot: the same hits, and what the first
 * did. */
static pix_search_report compare(fixture *f, pix_store *store, const float *query, size_t k,
                                 const pix_selection *selection) {
    static pix_hit hits[HITS], expected[HITS];
    size_t count, total;
    assert_ok(pix_store_snapshot_begin(store, &f->error), &f->error);
    pix_search_report report = search(f, store, query, 1, k, selection, hits, &count);
    pix_vector_cache *cache = pix_vector_cache_of(store, f->recipe.model_id);
    pix_vector_file *file = cache->file;
    cache->file = NULL;
    pix_search_report plain = search(f, store, query, 1, k, selection, expected, &total);
    cache->file = file;
    pix_store_snapshot_end(store);
    assert_false(plain.used_cache);
    assert_int_equal(count, total);
    assert_same_hits(hits, expected, count, "with the file");
    return report;
}

static void random_query(fixture *f, float *query) {
    test_vector(&f->random, query, (size_t)f->dimension, 0.5, 20,
                test_random_below(&f->random, 2) ? 0.8 : 0);
}

/* Some searches of several sizes. */
static void compare_some(fixture *f, pix_store *store, bool with_file) {
    static const size_t ks[] = {1, 10, 100, HITS};
    float query[MOST_DIMENSIONS];
    for (size_t i = 0; i < 3 * sizeof ks / sizeof *ks; i++) {
        random_query(f, query);
        pix_search_report report = compare(f, store, query, ks[i % 4], NULL);
        if (with_file && (!report.used_cache || report.trouble.status))
            fail_msg("the file was not used: %s",
                     report.trouble.status ? report.trouble.text : "?");
    }
}

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

/* The score as dot.h defines it, written out again: eight running sums. */
static double reference_score(const float *a, const float *b, size_t dimension) {
    double s[8] = {0};
    for (size_t i = 0; i < dimension; i++)
        s[i & 7] = s[i & 7] + (double)a[i] * (double)b[i];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

static int by_rank(const void *a, const void *b) {
    const pix_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->image_id > y->image_id) - (x->image_id < y->image_id);
}

enum { PHOTOS = 2000, QUERIES = 1000, BEST = 100, AT_ONCE = 50 };

/* Vectors like those of photos, tight clusters, equal ones, opposites, single axes. */
static void make_vectors(fixture *f, float *vectors, size_t dimension) {
    for (size_t i = 0; i < PHOTOS; i++) {
        float *v = vectors + i * dimension;
        const float *earlier = vectors + test_random_below(&f->random, i + 1) * dimension;
        size_t kind = i < 100 ? 0 : test_random_below(&f->random, 8);
        test_vector(&f->random, v, dimension, 0.5, 20, 0);
        for (size_t d = 0; d < dimension && kind >= 4; d++)
            v[d] = kind == 4   ? earlier[d]
                   : kind == 5 ? earlier[d] + 1e-6F * v[d]
                   : kind == 6 ? -earlier[d]
                               : (float)(d == i % dimension);
        test_normalise(v, dimension);
    }
}

static void make_queries(fixture *f, const float *vectors, float *queries, size_t dimension) {
    for (size_t q = 0; q < QUERIES; q++) {
        float *query = queries + q * dimension;
        random_query(f, query);
        if (q % 5 == 0)
            memcpy(query, vectors + test_random_below(&f->random, PHOTOS) * dimension,
                   dimension * sizeof *query);
        if (q % 50 == 1)
            for (size_t d = 0; d < dimension; d++)
                query[d] = d == q % dimension;
    }
}

/* Ids of photos are 1, 2, ... in the order of putting. */
static void find_expected(const float *vectors, const float *queries, size_t dimension,
                          pix_hit *expected) {
    static pix_hit all[PHOTOS];
    for (size_t q = 0; q < QUERIES; q++) {
        for (size_t i = 0; i < PHOTOS; i++)
            all[i] = (pix_hit){.image_id = (int64_t)i + 1,
                               .score = reference_score(queries + q * dimension,
                                                        vectors + i * dimension, dimension)};
        qsort(all, PHOTOS, sizeof *all, by_rank);
        memcpy(expected + q * BEST, all, BEST * sizeof *all);
    }
}

static void a_thousand_queries_equal_brute_force(int dimension) {
    const size_t n = (size_t)dimension;
    fixture f = open_fixture(dimension);
    float *vectors = calloc(PHOTOS * n, sizeof *vectors);
    float *queries = calloc(QUERIES * n, sizeof *queries);
    pix_hit *expected = calloc((size_t)QUERIES * BEST, sizeof *expected);
    pix_hit *hits = calloc((size_t)AT_ONCE * BEST, sizeof *hits);
    assert_true(vectors && queries && expected && hits);
    make_vectors(&f, vectors, n);
    make_queries(&f, vectors, queries, n);
    find_expected(vectors, queries, n, expected);
    for (int i = 0; i < PHOTOS; i++) {
        put_vector(&f, i, vectors + (size_t)i * n);
        put_photo(&f, i, i);
    }
    settle(&f);
    const pix_kernels *kernels;
    for (size_t isa = 0; (kernels = pix_kernels_at(isa)); isa++) {
        assert_int_equal(setenv(PIX_ISA_VARIABLE, pix_kernels_name(kernels), 1), 0);
        for (size_t q = 0; q < QUERIES;) {
            static const size_t ks[] = {10, BEST, 1};
            const size_t k = ks[q % 3], left = QUERIES - q, wish = 1 + q % AT_ONCE;
            const size_t some = wish < left ? wish : left;
            size_t counts[AT_ONCE];
            pix_search_report report =
                search(&f, f.store, queries + q * n, some, k, NULL, hits, counts);
            assert_true(report.used_cache && report.trouble.status == PIX_OK);
            assert_string_equal(report.kernels, pix_kernels_name(kernels));
            for (size_t i = 0; i < some; i++) {
                assert_int_equal(counts[i], k);
                assert_same_hits(hits + i * k, expected + (q + i) * BEST, k, report.kernels);
            }
            q += some;
        }
    }
    assert_int_equal(unsetenv(PIX_ISA_VARIABLE), 0);
    pix_store_close(f.store);
    free(vectors);
    free(queries);
    free(expected);
    free(hits);
}

static void a_thousand_queries_equal_brute_force_in_few_dimensions(void **state) {
    (void)state;
    a_thousand_queries_equal_brute_force(24);
}

static void a_thousand_queries_equal_brute_force_in_many_dimensions(void **state) {
    (void)state;
    a_thousand_queries_equal_brute_force(MOST_DIMENSIONS);
}

static void few_vectors_are_read_and_many_are_not(void **state) {
    (void)state;
    fixture f = open_fixture(512);
    put_photos(&f, 0, 3000);
    settle(&f);
    int64_t rescored = 0;
    float query[MOST_DIMENSIONS];
    for (int i = 0; i < 20; i++) {
        random_query(&f, query);
        pix_search_report report = compare(&f, f.store, query, 10, NULL);
        assert_true(report.used_cache && report.uncached == 0);
        rescored += report.rescored;
    }
    assert_true(rescored < 2000);
    pix_store_close(f.store);
}

static void threads_find_the_same(void **state) {
    (void)state;
    fixture f = open_fixture(16);
    put_photos(&f, 0, 25000); /* enough for several threads */
    settle(&f);
    compare_some(&f, f.store, true);
    pix_store_close(f.store);
}

static void vectors_newer_than_the_file_are_found(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 300);
    settle(&f);
    put_photos(&f, 300, 350);
    compare_some(&f, f.store, true);
    commit(&f);
    pix_store *reader;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    compare_some(&f, reader, true);
    float query[MOST_DIMENSIONS];
    random_query(&f, query);
    assert_int_equal(compare(&f, reader, query, 5, NULL).uncached, 50);
    settle(&f);
    assert_int_equal(compare(&f, reader, query, 5, NULL).uncached, 0);
    for (int i = 350; i < 400; i++) { /* full and partly full last blocks */
        put_photos(&f, i, i + 1);
        settle(&f);
        assert_int_equal(compare(&f, reader, query, 500, NULL).uncached, 0);
    }
    pix_store_close(reader);
    pix_store_close(f.store);
}

static void a_growing_file_is_published_some_hundreds_at_a_time(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 300);
    settle(&f);
    ino_t inode = 0;
    struct stat info;
    float query[MOST_DIMENSIONS];
    random_query(&f, query);
    for (int i = 300; i < 900; i += 20) {
        put_photos(&f, i, i + 20);
        commit(&f);
        update_as(&f, PIX_VECTORS_GROW);
        assert_int_equal(stat(f.pixv, &info), 0);
        assert_true(inode == 0 || inode == info.st_ino);
        inode = info.st_ino;
        int64_t uncached = compare(&f, f.store, query, 50, NULL).uncached;
        assert_true(uncached < 256 && uncached == (i + 20 - 300) % 260);
    }
    pix_store_close(f.store);
}

static void forget(fixture *f, const char *folder) {
    int64_t photos;
    assert_ok(pix_store_forget(f->store, folder, &photos, &f->error), &f->error);
    assert_true(photos > 0);
}

static void vectors_that_have_left_are_not_found(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 1000);
    settle(&f);
    pix_store *reader;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    compare_some(&f, reader, true);
    forget(&f, "/p/3");
    compare_some(&f, f.store, true);
    compare_some(&f, reader, true);
    commit(&f);
    compare_some(&f, reader, true);
    settle(&f);
    compare_some(&f, reader, true);
    pix_vector_cache *cache = pix_vector_cache_of(reader, f.recipe.model_id);
    assert_int_equal(cache->file->state.dead, 143);
    pix_store_close(reader);
    pix_store_close(f.store);
}

/* All that is near a query has gone: one pass is not enough. */
static void a_query_whose_best_have_all_left_finds_the_next(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    float vector[24], query[24] = {1};
    for (int i = 0; i < 3000; i++) {
        double angle = 1.5 * i / 3000;
        memset(vector, 0, sizeof vector);
        vector[0] = (float)cos(angle);
        vector[1 + i % 23] = (float)sin(angle);
        put_vector(&f, i, vector);
        char path[64];
        uint8_t hash[PIX_SHA256_BYTES];
        hash_of(i, hash);
        (void)snprintf(path, sizeof path, "/p/%s/%d", i < 1000 ? "near" : "far", i);
        assert_ok(pix_store_photo_put(f.store, f.run, f.root, path, 1, 1, hash, &f.error),
                  &f.error);
    }
    settle(&f);
    pix_store *reader;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    for (int i = 0; i < 1000; i++) { /* hidden, not gone */
        char path[64];
        (void)snprintf(path, sizeof path, "/p/near/%d", i);
        assert_ok(
            pix_store_failure_put(f.store, f.run, f.root, path, 2, 2, "decode", "bad", &f.error),
            &f.error);
    }
    commit(&f);
    pix_search_report report = compare(&f, reader, query, 10, NULL);
    assert_true(report.used_cache && report.rescored > 1000);
    forget(&f, "/p/near");
    commit(&f);
    assert_true(compare(&f, reader, query, 10, NULL).used_cache);
    settle(&f);
    report = compare(&f, reader, query, 10, NULL);
    assert_true(report.used_cache && report.rescored < 1000);
    pix_store_close(reader);
    pix_store_close(f.store);
}

static void a_selection_is_searched_with_the_file(void **state) {
    (void)state;
    fixture f = open_fixture(64);
    put_photos(&f, 0, 2000);
    for (int i = 0; i < 2000; i += 3) /* copies in other folders */
        put_photo(&f, 2001 + i, i);
    settle(&f);
    put_photos(&f, 5000, 5020);
    commit(&f);
    float query[MOST_DIMENSIONS];
    static const char *const folders[] = {"/p/0", "/p/4", "/p/5/2007", "/p/none"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        pix_selection *selection;
        const pix_filter filter = {.folders = &folders[i], .folder_count = 1};
        assert_ok(pix_selection_new(f.store, f.recipe.model_id, &filter, &selection, &f.error),
                  &f.error);
        for (size_t k = 1; k < 2000; k = 5 * k + 2) {
            random_query(&f, query);
            assert_true(compare(&f, f.store, query, k, selection).used_cache);
        }
        pix_selection_free(selection);
    }
    pix_store_close(f.store);
}

static void a_file_that_is_a_quarter_dead_is_made_anew(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 1400);
    settle(&f);
    struct stat before, after;
    assert_int_equal(stat(f.pixv, &before), 0);
    forget(&f, "/p/1");
    settle(&f);
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size);
    forget(&f, "/p/2");
    settle(&f);
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino != after.st_ino && before.st_size > after.st_size);
    compare_some(&f, f.store, true);
    forget(&f, "/p/4");
    commit(&f);
    assert_int_equal(stat(f.pixv, &before), 0);
    update_as(&f, PIX_VECTORS_ERASE); /* whatever the share */
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino != after.st_ino && before.st_size > after.st_size);
    compare_some(&f, f.store, true);
    forget(&f, "/p");
    settle(&f);
    assert_int_equal(access(f.pixv, F_OK), -1);
    pix_store_close(f.store);
}

static void a_file_that_has_outgrown_its_axes_is_made_anew(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 100);
    settle(&f);
    struct stat before, after;
    assert_int_equal(stat(f.pixv, &before), 0);
    put_photos(&f, 100, 399);
    settle(&f);
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    put_photos(&f, 399, 400);
    settle(&f);
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino != after.st_ino);
    compare_some(&f, f.store, true);
    pix_store_close(f.store);
}

static void each_model_has_its_own_file(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 200);
    settle(&f);
    fixture g = f;
    g.dimension = 40;
    (void)snprintf(g.pixv, sizeof g.pixv, "%s/index.%.12s.pixv", f.folder, other_fingerprint);
    assert_ok(pix_store_model_put(g.store, "other", other_fingerprint, g.dimension,
                                  &g.recipe.model_id, &g.error),
              &g.error);
    float vector[40];
    for (int i = 0; i < 200; i++) {
        test_vector(&g.random, vector, 40, 0.5, 20, 0);
        put_vector(&g, i, vector);
    }
    settle(&g);
    compare_some(&f, f.store, true);
    compare_some(&g, f.store, true);
    /* The first file covers the other's vectors, so that a search need not look at them. */
    float query[MOST_DIMENSIONS];
    random_query(&f, query);
    (void)compare(&f, f.store, query, 10, NULL);
    pix_vector_cache *cache = pix_vector_cache_of(f.store, f.recipe.model_id);
    assert_int_equal(cache->file->state.covered_id,
                     number(f.path, "SELECT max(id) FROM embedding"));
    assert_int_equal(access(g.pixv, F_OK), 0);
    pix_store_close(f.store);
}

static void assert_no_temporary(const fixture *f) {
    DIR *folder = opendir(f->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        assert_null(strstr(entry->d_name, ".tmp"));
    closedir(folder);
}

static void the_file_is_private_and_nothing_else_is_left(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    mode_t old = umask(0);
    put_photos(&f, 0, 100);
    settle(&f);
    (void)umask(old);
    struct stat info;
    assert_int_equal(stat(f.pixv, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_no_temporary(&f);
    pix_store_close(f.store);
}

static void beside(const fixture *f, const char *name, char path[300]) {
    (void)snprintf(path, 300, "%s/%s", f->folder, name);
}

/* What a killed process left goes when the next one opens the index; what is others' stays. */
static void what_killed_writers_left_goes(void **state) {
    (void)state;
    static const char *const left[] = {"index.001122334455.pixv.tmp", "index.ffffffffffff.pixv.tmp",
                                       "index.db.salvaged", "index.db.salvaged-wal"};
    static const char *const others[] = {"index.tmp", "index.db.tmp", "other.001122334455.pixv.tmp",
                                         "index.pixv.tmp.jpg", "index.ff.pixv.tmp"};
    fixture f = open_fixture(24);
    char path[300];
    put_photos(&f, 0, 10);
    settle(&f);
    pix_store_close(f.store);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        beside(&f, left[i], path);
        test_write_file(path, "left", 4);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        beside(&f, others[i], path);
        test_write_file(path, "kept", 4);
    }
    int locked = open(path, O_RDONLY | O_CLOEXEC); /* of an index called index.ff.db, being made */
    assert_int_equal(flock(locked, LOCK_EX), 0);
    begin_run(&f);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        beside(&f, left[i], path);
        assert_false(test_exists(path));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        beside(&f, others[i], path);
        assert_true(test_exists(path));
    }
    close(locked);
    compare_some(&f, f.store, true);
    pix_store_close(f.store);
}

/* As on a full disk: no write goes beyond some bytes. */
static void a_file_that_cannot_be_made_leaves_nothing(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 500);
    commit(&f);
    struct rlimit all;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t size = 100; size < 40000; size += 3000) {
        const struct rlimit some = {.rlim_cur = size, .rlim_max = all.rlim_max};
        const pix_vector_update update = {.kind = PIX_VECTORS_SETTLE,
                                          .model_id = f.recipe.model_id};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &some), 0);
        pix_status status = pix_vector_index_update(f.store, &update, &f.error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
        assert_int_equal(status, PIX_EIO);
        assert_no_temporary(&f);
    }
    (void)signal(SIGXFSZ, handler);
    settle(&f);
    compare_some(&f, f.store, true);
    pix_store_close(f.store);
}

static void a_read_only_medium_is_searched_with_the_file(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 500);
    settle(&f);
    pix_store_close(f.store);
    assert_int_equal(chmod(f.path, 0400), 0);
    assert_int_equal(chmod(f.pixv, 0400), 0);
    assert_int_equal(chmod(f.folder, 0500), 0);
    pix_store *reader;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    compare_some(&f, reader, true);
    pix_store_close(reader);
    assert_int_equal(chmod(f.folder, 0700), 0);
}

/* What can be wrong with a file. */
typedef enum damage {
    GONE,
    EMPTY,
    CUT_IN_HEAD,
    CUT_IN_SLOT,
    CUT_IN_BLOCKS,
    MAGIC,
    VERSION,
    AXES,
    BOTH_STATES,
    TAIL,
    DEAD_BITS,
    FIRST_BLOCK,
    LAST_FULL_BLOCK,
    ZEROED_PAGE,
    EXCHANGED_BLOCKS,
    IDS,
    CHECKS,
    OF_ANOTHER_MODEL,
    OF_ANOTHER_INDEX,
    A_FOLDER,
    A_PIPE,
    DAMAGES
} damage;

static const char *const damage_words[DAMAGES] = {[GONE] = "No such file",
                                                  [EMPTY] = "truncated",
                                                  [CUT_IN_HEAD] = "truncated",
                                                  [CUT_IN_SLOT] = "truncated",
                                                  [CUT_IN_BLOCKS] = "truncated",
                                                  [MAGIC] = "not a .pixv file",
                                                  [VERSION] = "another version",
                                                  [AXES] = "head is damaged",
                                                  [BOTH_STATES] = "state is damaged",
                                                  [TAIL] = "last block is damaged",
                                                  [DEAD_BITS] = "dead vectors is damaged",
                                                  [FIRST_BLOCK] = "a block is damaged",
                                                  [LAST_FULL_BLOCK] = "a block is damaged",
                                                  [ZEROED_PAGE] = "a block is damaged",
                                                  [EXCHANGED_BLOCKS] = "a block is damaged",
                                                  [IDS] = "a block is damaged",
                                                  [CHECKS] = "a block is damaged",
                                                  [OF_ANOTHER_MODEL] = "of another model",
                                                  [OF_ANOTHER_INDEX] = "of another index",
                                                  [A_FOLDER] = "not a regular file",
                                                  [A_PIPE] = "not a regular file"};

typedef struct layout {
    off_t slots, slot, blocks;
    size_t block, count, lines;
    unsigned active;
} layout;

static layout layout_of(fixture *f) {
    pix_vector_file *file;
    assert_ok(pix_vector_file_open(f->pixv, fingerprint, f->dimension, false, &file, &f->error),
              &f->error);
    layout l = {.slots = file->slots_at,
                .slot = file->slot_bytes,
                .blocks = file->blocks_at,
                .block = file->block_bytes,
                .count = (size_t)file->state.count,
                .lines = file->lines,
                .active = (unsigned)(file->state.sequence % 2)};
    pix_vector_file_close(file);
    return l;
}

static void change_byte(int fd, off_t at) {
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void exchange(int fd, off_t a, off_t b, size_t size) {
    static uint8_t one[1 << 16], other[1 << 16];
    assert_true(size <= sizeof one);
    assert_int_equal(pread(fd, one, size, a), size);
    assert_int_equal(pread(fd, other, size, b), size);
    assert_int_equal(pwrite(fd, one, size, b), size);
    assert_int_equal(pwrite(fd, other, size, a), size);
}

static void copy_file(const char *from, const char *to) {
    char command[1024];
    (void)snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static void replace(fixture *f, damage what, const char *elsewhere) {
    assert_int_equal(unlink(f->pixv), 0);
    if (what == A_FOLDER)
        assert_int_equal(mkdir(f->pixv, 0700), 0);
    else if (what == A_PIPE)
        assert_int_equal(mkfifo(f->pixv, 0600), 0);
    else if (what != GONE)
        copy_file(elsewhere, f->pixv);
}

static void cut(const fixture *f, off_t size) {
    assert_int_equal(truncate(f->pixv, size), 0);
}

static void damage_file(fixture *f, damage what) {
    const layout l = layout_of(f);
    const off_t active = l.slots + (off_t)l.active * l.slot;
    const off_t last = l.blocks + (off_t)((l.count / 16 - 1) * l.block);
    static const uint8_t zeros[4096];
    int fd = open(f->pixv, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    switch (what) {
    case EMPTY:
        cut(f, 0);
        break;
    case CUT_IN_HEAD:
        cut(f, 100);
        break;
    case CUT_IN_SLOT:
        cut(f, l.slots + 50);
        break;
    case CUT_IN_BLOCKS:
        cut(f, last + 10);
        break;
    case MAGIC:
        change_byte(fd, 0);
        break;
    case VERSION:
        change_byte(fd, 8);
        break;
    case AXES:
        change_byte(fd, 4096 + 77);
        break;
    case BOTH_STATES:
        change_byte(fd, l.slots + 20);
        change_byte(fd, l.slots + l.slot + 20);
        break;
    case TAIL:
        change_byte(fd, active + 4096 + 5);
        break;
    case DEAD_BITS:
        change_byte(fd, l.slots + l.slot * (l.active + 1) - 4096);
        break;
    case FIRST_BLOCK:
        change_byte(fd, l.blocks);
        break;
    case LAST_FULL_BLOCK:
        change_byte(fd, last + 99);
        break;
    case ZEROED_PAGE:
        assert_int_equal(pwrite(fd, zeros, sizeof zeros, l.blocks + 4096), sizeof zeros);
        break;
    case EXCHANGED_BLOCKS:
        exchange(fd, l.blocks, last, l.block);
        break;
    case IDS:
        change_byte(fd, l.blocks + (off_t)(l.lines + PIX_FACT_ID) * PIX_LINE);
        break;
    case CHECKS:
        change_byte(fd, l.blocks + (off_t)l.block - 1);
        break;
    default:
        fail_msg("damage %d", what);
    }
    close(fd);
}

/* Searches stay right and say why they are slow; the indexer makes the file anew. */
static void damage_is_noticed_and_mended(void **state) {
    (void)state;
    fixture f = open_fixture(24), g = open_fixture(24);
    put_photos(&f, 0, 999);
    settle(&f);
    forget(&f, "/p/3");
    settle(&f);
    put_photos(&g, 0, 999); /* as many, so that only the run tells */
    settle(&g);
    put_photos(&g, 999, 1000);
    settle(&g);
    char other_model[300];
    (void)snprintf(other_model, sizeof other_model, "%s/other.pixv", f.folder);
    const pix_vector_file_plan plan = {
        .fingerprint = other_fingerprint,
        .dimension = 24,
        .capacity = 512,
        .axes = (const double[72]){0},
    };
    pix_vector_file *file;
    assert_ok(pix_vector_file_create(other_model, &plan, &file, &f.error), &f.error);
    assert_ok(pix_vector_file_publish(file, &f.error), &f.error);
    pix_vector_file_close(file);
    for (int what = 0; what < DAMAGES; what++) {
        /* Into a fresh process's store, and under the feet of one that has used it. */
        pix_store *fresh, *used;
        assert_ok(pix_store_open(f.path, PIX_STORE_READ, &used, &f.error), &f.error);
        compare_some(&f, used, true);
        pix_store_close(f.store);
        if (what == GONE || what >= OF_ANOTHER_MODEL)
            replace(&f, what, what == OF_ANOTHER_MODEL ? other_model : g.pixv);
        else
            damage_file(&f, what);
        assert_ok(pix_store_open(f.path, PIX_STORE_READ, &fresh, &f.error), &f.error);
        float query[MOST_DIMENSIONS];
        random_query(&f, query);
        pix_search_report report = compare(&f, fresh, query, 10, NULL);
        if (report.used_cache || report.trouble.status == PIX_OK ||
            !strstr(report.trouble.text, damage_words[what]) ||
            !strstr(report.trouble.text, f.pixv))
            fail_msg("damage %d: used %d, %s", what, report.used_cache, report.trouble.text);
        compare_some(&f, used, false);
        begin_run(&f);
        if (what == A_FOLDER) /* not a thing to remove unasked */
            assert_int_equal(rmdir(f.pixv), 0);
        settle(&f);
        compare_some(&f, fresh, true);
        compare_some(&f, used, true);
        compare_some(&f, f.store, true);
        pix_store_close(fresh);
        pix_store_close(used);
        forget(&f, what % 2 ? "/p/1" : "/p/2"); /* so that there are dead ones the next time */
        settle(&f);
        put_photos(&f, 0, 999);
        put_photos(&f, 999, 1000 + what % 3);
        settle(&f);
        forget(&f, "/p/3");
        settle(&f);
    }
    pix_store_close(f.store);
    pix_store_close(g.store);
}

static void no_end(const char *line) {
    (void)!write(STDERR_FILENO, line, strlen(line));
    _exit(2);
}

/* While it is searched; the guard is for ever, so in a process of its own. */
static void cut_under_a_search(fixture *f) {
    pix_mapping_guard(no_end);
    compare_some(f, f->store, true);
    assert_ok(pix_store_snapshot_begin(f->store, &f->error), &f->error);
    float query[MOST_DIMENSIONS];
    random_query(f, query);
    assert_true(compare(f, f->store, query, 10, NULL).used_cache);
    cut(f, layout_of(f).blocks + 5000);
    pix_search_report report = compare(f, f->store, query, 10, NULL);
    assert_false(report.used_cache);
    assert_non_null(strstr(report.trouble.text, "a block is damaged"));
    pix_store_snapshot_end(f->store);
    compare_some(f, f->store, false);
    settle(f);
    compare_some(f, f->store, true);
}

static void a_file_cut_under_a_search_ends_nothing(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 2000);
    settle(&f);
    pix_store_close(f.store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        begin_run(&f);
        cut_under_a_search(&f);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As a daemon meets it, which keeps its store open from run to run. */
static void damage_is_mended_by_a_store_that_stays_open(void **state) {
    (void)state;
    static const damage met[] = {GONE, FIRST_BLOCK, LAST_FULL_BLOCK, IDS, CUT_IN_BLOCKS};
    fixture f = open_fixture(24);
    put_photos(&f, 0, 999);
    settle(&f);
    for (size_t i = 0; i < sizeof met / sizeof *met; i++) {
        if (met[i] == GONE)
            replace(&f, met[i], NULL);
        else
            damage_file(&f, met[i]);
        compare_some(&f, f.store, false);
        settle(&f);
        compare_some(&f, f.store, true);
        put_photos(&f, 999 + (int)i, 1000 + (int)i);
        settle(&f);
        compare_some(&f, f.store, true);
    }
    pix_store_close(f.store);
}

/* The index as it is on disk goes elsewhere, or comes back from there: what is committed is all in
 * one file. */
static void copy_index(fixture *f, const char *copy, bool back) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    copy_file(back ? copy : f->path, back ? f->path : copy);
}

static void assert_another_index(fixture *f) {
    pix_store *reader;
    float query[MOST_DIMENSIONS];
    assert_ok(pix_store_open(f->path, PIX_STORE_READ, &reader, &f->error), &f->error);
    random_query(f, query);
    pix_search_report report = compare(f, reader, query, 500, NULL);
    assert_false(report.used_cache);
    assert_non_null(strstr(report.trouble.text, "of another index"));
    pix_store_close(reader);
}

/* A copy made in the middle of a run knows of the run, but not of what came later in it. */
static void a_copy_put_back_is_another_index(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    char copy[300];
    (void)snprintf(copy, sizeof copy, "%s/copy.db", f.folder);
    put_photos(&f, 0, 400);
    commit(&f);
    copy_index(&f, copy, false);
    forget(&f, "/p/3"); /* alive in the copy, dead in the file */
    settle(&f);
    pix_store_close(f.store);
    copy_index(&f, copy, true);
    assert_another_index(&f);
    begin_run(&f);
    settle(&f);
    compare_some(&f, f.store, true);
    copy_index(&f, copy, false);
    put_photos(&f, 1000, 1300); /* under the ids of others when the copy goes on */
    settle(&f);
    pix_store_close(f.store);
    copy_index(&f, copy, true);
    assert_another_index(&f);
    begin_run(&f);
    f.random.state += 99;
    put_photos(&f, 1000, 1500);
    commit(&f);
    assert_another_index(&f);
    update_as(&f, PIX_VECTORS_GROW);
    compare_some(&f, f.store, true);
    pix_store_close(f.store);
}

/* As after years of nights in which nothing changed: the file is not taken for another index's. */
static void a_file_that_nothing_changes_stays_known(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 50);
    settle(&f);
    struct stat before, after;
    assert_int_equal(stat(f.pixv, &before), 0);
    for (int i = 0; i < PIX_WRITINGS_KEPT + 300; i++) {
        pix_store_close(f.store);
        begin_run(&f);
        commit(&f);
        if (i % 250 == 0)
            update_as(&f, PIX_VECTORS_SETTLE);
    }
    compare_some(&f, f.store, true);
    assert_int_equal(stat(f.pixv, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_int_equal(number(f.path, "SELECT count(*) FROM writing"), PIX_WRITINGS_KEPT);
    pix_store_close(f.store);
}

/* Adds, forgets, commits and publishes until it is killed. */
static void write_for_ever(fixture *f) {
    begin_run(f);
    for (int i = 0;; i++) {
        int first = 1000 + (i % 40) * 50;
        put_photos(f, first, first + 50);
        commit(f);
        update_as(f, i % 3 ? PIX_VECTORS_GROW : PIX_VECTORS_SETTLE);
        char folder[16];
        (void)snprintf(folder, sizeof folder, "/p/%d", (int)test_random_below(&f->random, 7));
        if (i % 4 == 0)
            forget(f, folder);
        if (i % 5 == 0) {
            commit(f);
            update_as(f, i % 10 ? PIX_VECTORS_SETTLE : PIX_VECTORS_ERASE);
        }
    }
}

/* Whatever the other process is at, and wherever it dies, a search sees one state. */
static void searches_are_right_while_another_process_writes(void **state) {
    (void)state;
    fixture f = open_fixture(24);
    put_photos(&f, 0, 1000);
    settle(&f);
    pix_store_close(f.store);
    pix_store *reader;
    assert_ok(pix_store_open(f.path, PIX_STORE_READ, &reader, &f.error), &f.error);
    int used = 0, changes = 0, total = 0;
    uint64_t sequence = 0;
    for (int round = 0; round < 6; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_ever(&f);
        const int64_t start = pix_now_ns(), least = 300000000 + (int64_t)round * 37000000;
        const int before = changes;
        /* Until the file has changed, too, or for 30 seconds. */
        for (int64_t past = 0; past < least || (changes - before < 2 && past < 100 * least);
             past = pix_now_ns() - start, total++) {
            float query[MOST_DIMENSIONS];
            random_query(&f, query);
            pix_search_report report = compare(&f, reader, query, total % 3 ? 10 : 300, NULL);
            const pix_vector_file *file = pix_vector_cache_of(reader, f.recipe.model_id)->file;
            used += report.used_cache;
            changes += file && file->state.sequence != sequence;
            sequence = file ? file->state.sequence : 0;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        compare_some(&f, reader, false);
        f.random.state += 12345;
    }
    pix_store_close(reader);
    assert_true(changes >= 6);
    assert_true(used > total * 9 / 10); /* the rest met a run that the snapshot did not know */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_queries_equal_brute_force_in_few_dimensions),
        cmocka_unit_test(a_thousand_queries_equal_brute_force_in_many_dimensions),
        cmocka_unit_test(few_vectors_are_read_and_many_are_not),
        cmocka_unit_test(threads_find_the_same),
        cmocka_unit_test(vectors_newer_than_the_file_are_found),
        cmocka_unit_test(a_growing_file_is_published_some_hundreds_at_a_time),
        cmocka_unit_test(vectors_that_have_left_are_not_found),
        cmocka_unit_test(a_query_whose_best_have_all_left_finds_the_next),
        cmocka_unit_test(a_selection_is_searched_with_the_file),
        cmocka_unit_test(a_file_that_is_a_quarter_dead_is_made_anew),
        cmocka_unit_test(a_file_that_has_outgrown_its_axes_is_made_anew),
        cmocka_unit_test(each_model_has_its_own_file),
        cmocka_unit_test(the_file_is_private_and_nothing_else_is_left),
        cmocka_unit_test(what_killed_writers_left_goes),
        cmocka_unit_test(a_file_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(a_read_only_medium_is_searched_with_the_file),
        cmocka_unit_test(damage_is_noticed_and_mended),
        cmocka_unit_test(damage_is_mended_by_a_store_that_stays_open),
        cmocka_unit_test(a_file_cut_under_a_search_ends_nothing),
        cmocka_unit_test(a_copy_put_back_is_another_index),
        cmocka_unit_test(a_file_that_nothing_changes_stays_known),
        cmocka_unit_test(searches_are_right_while_another_process_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
