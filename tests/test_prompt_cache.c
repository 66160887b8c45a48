#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "storage/prompt_cache.h"
#include "tests/support.h"

enum { DIMENSION = 3 };

static const char model_a[] = "aaaa", model_b[] = "bbbb";
static char path[256];

static pix_prompt_key key_of(const char *fingerprint, uint8_t templates) {
    return (pix_prompt_key){.fingerprint = fingerprint,
                            .precision = "fp32",
                            .templates = {templates},
                            .template_count = 7,
                            .dimension = DIMENSION};
}

static pix_prompt_cache *open_cache(void) {
    pix_prompt_cache *cache;
    pix_error error;
    assert_ok(pix_prompt_cache_open(path, &cache, &error), &error);
    return cache;
}

/* A new place for the file. */
static void begin(void) {
    (void)snprintf(path, sizeof path, "%s/deep/prompts.db", test_folder());
}

static void put(pix_prompt_cache *cache, const pix_prompt_key *key, const char *text, int axis) {
    float vector[DIMENSION] = {0};
    vector[axis] = 1;
    pix_error error;
    assert_ok(pix_prompt_cache_put(cache, key, &text, vector, 1, &error), &error);
}

/* The axis of the vector kept for a text, -1 when none is. */
static int get(pix_prompt_cache *cache, const pix_prompt_key *key, const char *text) {
    float vector[DIMENSION];
    bool found;
    pix_error error;
    assert_ok(pix_prompt_cache_get(cache, key, text, strlen(text), vector, &found, &error), &error);
    for (int i = 0; i < DIMENSION && found; i++)
        if (vector[i] == 1.0F)
            return i;
    return -1;
}

static void execute(const char *sql) {
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message))
        fail_msg("%s", message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_text_is_kept_for_its_model_precision_and_templates(void **state) {
    (void)state;
    begin();
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key a = key_of(model_a, 1), b = key_of(model_b, 1), other = key_of(model_a, 2);
    pix_prompt_key int8 = a;
    int8.precision = "int8";
    assert_int_equal(get(cache, &a, "cat"), -1);
    put(cache, &a, "cat", 0);
    put(cache, &a, "dog", 1);
    put(cache, &other, "cat", 2);
    pix_prompt_cache_close(cache);
    cache = open_cache();
    assert_int_equal(get(cache, &a, "cat"), 0);
    assert_int_equal(get(cache, &a, "dog"), 1);
    assert_int_equal(get(cache, &other, "cat"), 2);
    assert_int_equal(get(cache, &b, "cat"), -1);
    assert_int_equal(get(cache, &int8, "cat"), -1);
    assert_int_equal(get(cache, &a, "Cat"), -1);
    assert_int_equal(get(cache, &a, ""), -1);
    put(cache, &a, "cat", 2);
    assert_int_equal(get(cache, &a, "cat"), 2);
    pix_prompt_cache_close(cache);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_vector_that_is_not_sound_counts_as_none(void **state) {
    (void)state;
    begin();
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key key = key_of(model_a, 1);
    static const char *const damages[] = {"UPDATE prompt SET vector = x'00'",
                                          "UPDATE prompt SET vector = zeroblob(12)",
                                          "UPDATE prompt SET vector = x'0000c07f0000000000000000'"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        put(cache, &key, "cat", 1);
        assert_int_equal(get(cache, &key, "cat"), 1);
        execute(damages[i]);
        assert_int_equal(get(cache, &key, "cat"), -1);
    }
    pix_prompt_cache_close(cache);
}

static void long_texts_are_left_out(void **state) {
    (void)state;
    begin();
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key key = key_of(model_a, 1);
    static char text[PIX_PROMPT_TEXT + 2];
    memset(text, 'x', PIX_PROMPT_TEXT);
    put(cache, &key, text, 1);
    assert_int_equal(get(cache, &key, text), 1);
    text[PIX_PROMPT_TEXT] = 'x';
    put(cache, &key, text, 1);
    assert_int_equal(get(cache, &key, text), -1);
    pix_prompt_cache_close(cache);
}

static void what_was_used_longest_ago_goes(void **state) {
    (void)state;
    begin();
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key key = key_of(model_a, 1);
    put(cache, &key, "old", 0);
    put(cache, &key, "used", 1);
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE prompt SET used_at = 1000;"
                   "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " INSERT INTO prompt (model, precision, templates, text, count, used_at, vector)"
                   " SELECT 'aaaa', 'fp32', x'00', CAST('n' || i AS BLOB), 1, 2000, x'' FROM n",
                   PIX_PROMPTS_KEPT - 2);
    execute(sql);
    assert_int_equal(get(cache, &key, "used"), 1); /* so it is the newest */
    put(cache, &key, "new", 2);
    assert_int_equal(get(cache, &key, "old"), -1);
    assert_int_equal(get(cache, &key, "used"), 1);
    assert_int_equal(get(cache, &key, "new"), 2);
    pix_prompt_cache_close(cache);
}

static void a_damaged_file_is_begun_anew(void **state) {
    (void)state;
    pix_prompt_key key = key_of(model_a, 1);
    for (int damage = 0; damage < 4; damage++) {
        begin();
        pix_prompt_cache *cache = open_cache();
        put(cache, &key, "cat", 1);
        pix_prompt_cache_close(cache);
        static char garbage[20000];
        memset(garbage, 'x', sizeof garbage);
        if (damage == 0)
            test_write_file(path, garbage, sizeof garbage);
        else if (damage == 1)
            assert_int_equal(truncate(path, 5000), 0);
        else if (damage == 2)
            execute("PRAGMA user_version = 99"); /* a later version's */
        else
            test_write_file(path, "", 0);
        float vector[DIMENSION];
        bool found = true;
        pix_error error = {0};
        cache = open_cache();
        if (pix_prompt_cache_get(cache, &key, "cat", 3, vector, &found, &error)) {
            assert_int_equal(error.status, PIX_EFORMAT); /* met later: the next one begins anew */
            pix_prompt_cache_close(cache);
            cache = open_cache();
        }
        assert_int_equal(get(cache, &key, "cat"), -1);
        put(cache, &key, "cat", 2);
        assert_int_equal(get(cache, &key, "cat"), 2);
        pix_prompt_cache_close(cache);
    }
}

static void what_is_not_ours_is_left_alone(void **state) {
    (void)state;
    pix_prompt_cache *cache;
    pix_error error;
    bool removed;
    begin();
    char *folder = pix_path_beside(path, ".");
    assert_non_null(folder);
    assert_ok(pix_folder_make(folder, &error), &error);
    free(folder);
    execute("CREATE TABLE mine (x); INSERT INTO mine VALUES (1); PRAGMA application_id = 5");
    assert_int_equal(pix_prompt_cache_open(path, &cache, &error), PIX_EFORMAT);
    assert_null(cache);
    assert_int_equal(pix_prompt_cache_clear(path, &removed, &error), PIX_EFORMAT);
    assert_true(test_exists(path));
    execute("SELECT x FROM mine");
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it would wait for ever */
    assert_int_equal(pix_prompt_cache_open(path, &cache, &error), PIX_EUNSUPPORTED);
    assert_int_equal(pix_prompt_cache_clear(path, &removed, &error), PIX_EUNSUPPORTED);
    assert_true(test_exists(path));
}

static void another_ones_writing_is_not_waited_for(void **state) {
    (void)state;
    begin();
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key key = key_of(model_a, 1);
    put(cache, &key, "cat", 1);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    const char *text = "dog";
    const float vector[DIMENSION] = {1};
    float kept[DIMENSION];
    bool found = true;
    pix_error error;
    assert_int_equal(pix_prompt_cache_put(cache, &key, &text, vector, 1, &error), PIX_EBUSY);
    assert_int_equal(pix_prompt_cache_get(cache, &key, "cat", 3, kept, &found, &error), PIX_EBUSY);
    assert_false(found);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(get(cache, &key, "cat"), 1);
    pix_prompt_cache_close(cache);
}

typedef struct listed {
    int count;
    char texts[64];
} listed;

static pix_status note_text(void *context, const pix_prompt *prompt) {
    listed *l = context;
    l->count++;
    (void)snprintf(l->texts + strlen(l->texts), sizeof l->texts - strlen(l->texts), "%.*s/%zu ",
                   (int)prompt->text_size, prompt->text, prompt->template_count);
    assert_string_equal(prompt->precision, "fp32");
    return PIX_OK;
}

static void a_list_has_what_was_used_last_first(void **state) {
    (void)state;
    begin();
    listed l = {0};
    pix_error error;
    assert_ok(pix_prompt_cache_list(path, note_text, &l, &error), &error);
    assert_int_equal(l.count, 0);
    assert_false(test_exists(path)); /* looking makes nothing */
    pix_prompt_cache *cache = open_cache();
    pix_prompt_key a = key_of(model_a, 1), b = key_of(model_b, 1);
    put(cache, &a, "cat", 1);
    put(cache, &b, "dog", 1);
    put(cache, &b, "fox", 1);
    pix_prompt_cache_close(cache);
    execute("UPDATE prompt SET used_at = 1000 * id; UPDATE prompt SET used_at = 9000 WHERE id = 2");
    assert_ok(pix_prompt_cache_list(path, note_text, &l, &error), &error);
    assert_string_equal(l.texts, "dog/7 fox/7 cat/7 ");
    bool removed;
    assert_ok(pix_prompt_cache_clear(path, &removed, &error), &error);
    assert_true(removed);
    assert_false(test_exists(path));
    assert_ok(pix_prompt_cache_clear(path, &removed, &error), &error);
    assert_false(removed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_kept_for_its_model_precision_and_templates),
        cmocka_unit_test(a_vector_that_is_not_sound_counts_as_none),
        cmocka_unit_test(long_texts_are_left_out),
        cmocka_unit_test(what_was_used_longest_ago_goes),
        cmocka_unit_test(a_damaged_file_is_begun_anew),
        cmocka_unit_test(what_is_not_ours_is_left_alone),
        cmocka_unit_test(another_ones_writing_is_not_waited_for),
        cmocka_unit_test(a_list_has_what_was_used_last_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
