/* Indexes with chance damage: whatever is asked of one is answered or refused in words, and salvage
 * leaves one that works, or says that it cannot.
 *
 * PIXGREP_ROUNDS=N does N rounds instead of a few; each is the same every time. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "storage/background.h"
#include "storage/copies.h"
#include "storage/salvage.h"
#include "storage/selection.h"
#include "storage/vector_index.h"
#include "tests/store_writer.h"
#include "tests/vectors.h"

enum { DIMENSION = 64, PHOTOS = 300, PAGE = 16384, FEW_ROUNDS = 100 };

static char index_path[256];
static pix_bytes whole, whole_log; /* an index of PHOTOS photos; its end is in the log alone */
static int round_number;
static char last_words[1024];

/* The status, if it is an error, comes with words. */
static pix_status told(pix_status status, pix_error *error) {
    if (status && (error->status != status || error->text[0] == '\0'))
        fail_msg("round %d: status %d without a word", round_number, status);
    if (status)
        (void)snprintf(last_words, sizeof last_words, "%s", error->text);
    *error = (pix_error){0};
    return status;
}

static void add_photos(writer *w, int first, int end) {
    test_random random = {.state = (uint64_t)first};
    pix_content facts = {.width = 640, .height = 480, .orientation = 1, .format = "jpeg"};
    for (int i = first; i < end; i++) {
        uint8_t hash[PIX_SHA256_BYTES] = {0};
        float vector[DIMENSION];
        char path[64];
        memcpy(hash, &i, sizeof i);
        test_vector(&random, vector, DIMENSION, 0.5, 5, 0);
        facts.taken_at = i % 3 ? "2020-01-02T03:04:05" : NULL;
        facts.has_location = i % 2;
        (void)snprintf(path, sizeof path, "/p/%d/%d.jpg", i % 5, i);
        assert_ok(
            pix_store_content_put(w->store, &w->recipe, hash, &facts, vector, DIMENSION, &w->error),
            &w->error);
        assert_ok(pix_store_photo_put(w->store, w->run, w->root, path, i, 1, hash, &w->error),
                  &w->error);
    }
    assert_ok(pix_store_failure_put(w->store, w->run, w->root, "/p/bad.jpg", 1, first, "decode",
                                    "bad", &w->error),
              &w->error);
    assert_ok(pix_store_commit(w->store, &w->error), &w->error);
}

static const char *beside(const char *suffix) {
    static char name[300];
    (void)snprintf(name, sizeof name, "%s%s", index_path, suffix);
    return name;
}

static int make_index(void **state) {
    (void)state;
    (void)snprintf(index_path, sizeof index_path, "%s/index.db", test_folder());
    writer w;
    assert_ok(open_writer(&w, index_path, DIMENSION), &w.error);
    add_photos(&w, 0, PHOTOS - 20);
    float words[2 * DIMENSION] = {1};
    words[DIMENSION + 1] = 1;
    assert_ok(pix_store_background_make(w.store, w.recipe.model_id, words, 2, DIMENSION, &w.error),
              &w.error);
    assert_ok(pix_store_commit(w.store, &w.error), &w.error);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(index_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                     SQLITE_OK);
    add_photos(&w, PHOTOS - 20, PHOTOS);
    assert_ok(pix_file_read(index_path, 1 << 26, &whole, &w.error), &w.error);
    assert_ok(pix_file_read(beside("-wal"), 1 << 26, &whole_log, &w.error), &w.error);
    sqlite3_close(db);
    pix_store_close(w.store);
    return 0;
}

static int free_index(void **state) {
    (void)state;
    pix_bytes_free(&whole);
    pix_bytes_free(&whole_log);
    return 0;
}

static void scribble(test_random *random, char *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        data[i] = (char)test_random_bits(random);
}

/* Some bytes, a page, the end or the head of `bytes`. */
static void damage_bytes(test_random *random, pix_bytes *bytes) {
    const size_t pages = bytes->size / PAGE + (bytes->size < PAGE);
    const size_t page = test_random_below(random, pages) * PAGE;
    const size_t length = bytes->size - page < PAGE ? bytes->size - page : PAGE;
    switch (test_random_below(random, 8)) {
    case 0:
        memset(bytes->data + page, 0, length);
        break;
    case 1:
        scribble(random, bytes->data + page, length);
        break;
    case 2: /* another page */
        memmove(bytes->data + page, bytes->data + test_random_below(random, pages) * PAGE, length);
        break;
    case 3:
        bytes->size = test_random_below(random, bytes->size);
        break;
    case 4:
        scribble(random, bytes->data + test_random_below(random, 100), 4);
        break;
    case 5: /* the head of a page: its kind, its cells */
        scribble(random, bytes->data + page + test_random_below(random, 16),
                 1 + test_random_below(random, 8));
        break;
    default:
        for (size_t i = test_random_below(random, 40) + 1; i > 0; i--)
            scribble(random, bytes->data + test_random_below(random, bytes->size), 1);
    }
}

/* Values that the schema takes and nobody stores. */
static void damage_values(test_random *random) {
    static const char *const columns[][2] = {{"image", "mtime_ns"},
                                             {"image", "size_bytes"},
                                             {"image", "missing_since"},
                                             {"image", "id"},
                                             {"image", "content_id"},
                                             {"image", "root_id"},
                                             {"image", "run_id"},
                                             {"image", "path"},
                                             {"content", "id"},
                                             {"content", "width"},
                                             {"content", "height"},
                                             {"content", "orientation"},
                                             {"content", "format"},
                                             {"content", "taken_at"},
                                             {"content", "camera"},
                                             {"content", "latitude"},
                                             {"content", "hash"},
                                             {"embedding", "id"},
                                             {"embedding", "vector"},
                                             {"embedding", "exact"},
                                             {"embedding", "precision"},
                                             {"embedding", "model_id"},
                                             {"model", "id"},
                                             {"model", "dimension"},
                                             {"model", "fingerprint"},
                                             {"model", "name"},
                                             {"root", "path"},
                                             {"root", "identity"},
                                             {"root", "scanned_at"},
                                             {"failure", "path"},
                                             {"failure", "first_at"},
                                             {"failure", "reason"},
                                             {"failure", "tries"},
                                             {"tally", "photos"},
                                             {"background", "mean"},
                                             {"background", "level"},
                                             {"background", "embeddings"},
                                             {"background", "last_id"},
                                             {"writing", "commits"},
                                             {"writing", "id"},
                                             {"run", "started_at"},
                                             {"run", "ended_at"},
                                             {"run", "outcome"},
                                             {"run", "id"},
                                             {"sqlite_sequence", "seq"},
                                             {"held", "image_id"}};
    static const char *const values[] = {"NULL",
                                         "0",
                                         "-1",
                                         "1",
                                         "9223372036854775807",
                                         "-9223372036854775808",
                                         "4294967296",
                                         "2147483648",
                                         "1e308",
                                         "-9e999",
                                         "x''",
                                         "x'00'",
                                         "x'2F'",
                                         "''",
                                         "'a' || char(10) || 'b'",
                                         "zeroblob(3000000)",
                                         "randomblob(256)",
                                         "CAST(x'FFFE00C3' AS TEXT)",
                                         "'2020'",
                                         "x'2F70'",
                                         "zeroblob(32)",
                                         "zeroblob(256)"};
    sqlite3 *db;
    assert_int_equal(sqlite3_open(index_path, &db), SQLITE_OK);
    (void)sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF", NULL,
                       NULL, NULL);
    for (size_t i = test_random_below(random, 3) + 1; i > 0; i--) {
        const char *const *column =
            columns[test_random_below(random, sizeof columns / sizeof *columns)];
        char sql[256];
        (void)snprintf(sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s WHERE rowid %% %d = %d",
                       column[0], column[1],
                       values[test_random_below(random, sizeof values / sizeof *values)],
                       test_random_below(random, 2) ? 1 : 97, 0);
        (void)sqlite3_exec(db, sql, NULL, NULL, NULL);
    }
    (void)sqlite3_close(db);
}

static void damage_index(test_random *random) {
    static const char *const others[] = {"-wal", "-shm", "-journal", ".damaged", ".damaged-wal"};
    pix_bytes bytes = {0}, log = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)unlink(beside(others[i]));
    assert_int_equal(pix_bytes_append(&bytes, whole.data, whole.size), PIX_OK);
    assert_int_equal(pix_bytes_append(&log, whole_log.data, whole_log.size), PIX_OK);
    const size_t kind = test_random_below(random, 4);
    if (kind == 0 || kind == 1)
        damage_bytes(random, &bytes);
    if (kind == 2)
        damage_bytes(random, &log);
    test_write_file(index_path, bytes.data, bytes.size);
    if (kind != 1)
        test_write_file(beside("-wal"), log.data, log.size);
    pix_bytes_free(&bytes);
    pix_bytes_free(&log);
    if (kind == 3)
        damage_values(random);
}

static pix_status look_at_model(void *context, const pix_store_model *model) {
    int64_t *id = context;
    assert_true(memchr(model->name, '\0', sizeof model->name) != NULL);
    assert_true(memchr(model->fingerprint, '\0', sizeof model->fingerprint) != NULL);
    *id = model->id;
    return PIX_OK;
}

static pix_status look_at_root(void *context, const pix_root *root) {
    (void)context;
    return strlen(root->path) + strlen(root->identity) < 100000000 ? PIX_OK : PIX_ELIMIT;
}

static pix_status look_at_failure(void *context, const pix_failure *failure) {
    (void)context;
    return strlen(failure->path) + strlen(failure->reason) < 100000000 ? PIX_OK : PIX_ELIMIT;
}

static void search(pix_store *store, int64_t model_id, const pix_selection *selection) {
    enum { K = 20 };
    pix_hit hits[K];
    size_t count;
    pix_error error = {0};
    pix_search_report report;
    float query[DIMENSION] = {1};
    const pix_vector_query wish = {.model_id = model_id,
                                   .vectors = query,
                                   .count = 1,
                                   .dimension = DIMENSION,
                                   .k = K,
                                   .selection = selection};
    if (told(pix_vector_index_search(store, &wish, hits, &count, &report, &error), &error))
        return;
    for (size_t i = 0; i < count; i++) {
        pix_photo_row photo;
        assert_true(hits[i].score <= 1.01 && hits[i].score >= -1.01);
        if (told(pix_store_photo_get(store, hits[i].image_id, &photo, &error), &error))
            continue;
        assert_true(strlen(photo.path) <= photo.path_size);
        assert_true(!photo.has_location || photo.latitude <= 90);
    }
}

static void ask(void) {
    pix_store *store;
    pix_error error = {0};
    pix_store_totals totals;
    int64_t model_id = 0, photos;
    if (told(pix_store_open(index_path, PIX_STORE_READ, &store, &error), &error))
        return;
    (void)told(pix_store_totals_get(store, &totals, &error), &error);
    (void)told(pix_store_photo_count(store, &photos, &error), &error);
    (void)told(pix_store_models(store, look_at_model, &model_id, &error), &error);
    (void)told(pix_store_roots(store, look_at_root, NULL, &error), &error);
    (void)told(pix_store_failures(store, look_at_failure, NULL, &error), &error);
    search(store, model_id, NULL);
    const char *const folder = "/p/3";
    const pix_filter filter = {.folders = &folder, .folder_count = 1};
    pix_selection *selection;
    if (!told(pix_selection_new(store, model_id, &filter, &selection, &error), &error))
        search(store, model_id, selection);
    pix_selection_free(selection);
    pix_copies copies;
    if (!told(pix_copies_read(store, NULL, &copies, &error), &error))
        pix_copies_free(&copies);
    pix_background background;
    if (!told(pix_store_background_get(store, model_id, DIMENSION, &background, &error), &error))
        pix_background_free(&background);
    pix_store_close(store);
}

/* Everything that a run does; true when nothing of it failed. */
static bool run(void) {
    writer w;
    pix_run_counts counts = {0};
    static const char *const folders[] = {"/p"};
    const pix_sweep what = {.folders = folders, .folder_count = 1, .photos = PHOTOS, .few = 10};
    pix_swept swept;
    int64_t dropped;
    bool due;
    pix_status status = told(open_writer(&w, index_path, DIMENSION), &w.error);
    if (!status)
        status =
            told(pix_store_vectors_mend(w.store, w.recipe.model_id, &dropped, &w.error), &w.error);
    for (int i = 0; i < PHOTOS && !status; i++) {
        char path[64];
        pix_photo_state state;
        (void)snprintf(path, sizeof path, "/p/%d/%d.jpg", i % 5, i);
        status = told(pix_store_photo_see(w.store, w.run, &w.recipe, path, i, 1, &state, &w.error),
                      &w.error);
    }
    if (!status)
        status = told(pix_store_sweep(w.store, w.run, w.root, &what, &swept, &w.error), &w.error);
    if (!status)
        status = told(pix_store_run_end(w.store, w.run, &counts, "complete", &w.error), &w.error);
    if (!status)
        status = told(pix_store_purge(w.store, 90, &w.error), &w.error);
    if (!status)
        status =
            told(pix_store_background_due(w.store, w.recipe.model_id, &due, &w.error), &w.error);
    if (!status)
        status = told(pix_store_commit(w.store, &w.error), &w.error);
    const pix_vector_update update = {.kind = PIX_VECTORS_SETTLE, .model_id = w.recipe.model_id};
    if (!status)
        status = told(pix_vector_index_update(w.store, &update, &w.error), &w.error);
    pix_store_close(w.store);
    return !status;
}

static void chance_damage_is_answered_in_words(void **state) {
    (void)state;
    const char *wish = getenv("PIXGREP_ROUNDS");
    const int rounds = wish ? atoi(wish) : FEW_ROUNDS; /* NOLINT(cert-err34-c) */
    int sound = 0, saved = 0, refused = 0, ran = 0;
    for (round_number = 0; round_number < rounds; round_number++) {
        test_random random = {.state = (uint64_t)round_number * 1000003};
        pix_error error = {0};
        pix_salvage salvage;
        damage_index(&random);
        ask();
        if (test_random_below(&random, 2))
            ran += run();
        if (told(pix_store_salvage(index_path, &salvage, &error), &error)) {
            refused++;
            continue;
        }
        sound += salvage.sound;
        saved += !salvage.sound;
        pix_store *store;
        pix_status status = pix_store_open(index_path, PIX_STORE_READ, &store, &error);
        if (status)
            fail_msg("round %d: salvaged (%s), then: %s", round_number, salvage.damage, error.text);
        pix_store_close(store);
        ask();
        if (!run())
            fail_msg("round %d: salvaged (%s), but a run fails: %s", round_number, salvage.damage,
                     last_words);
    }
    print_message("%d rounds: %d sound, %d saved, %d refused; %d runs ended well before\n", rounds,
                  sound, saved, refused, ran);
    assert_true(saved > rounds / 10 && sound + saved > rounds / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(chance_damage_is_answered_in_words)};
    return cmocka_run_group_tests(tests, make_index, free_index);
}
