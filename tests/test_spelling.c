#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/spelling.h"
#include "indexer/walk.h"
#include "tests/support.h"

#define COMPOSED "\xC3\x89t\xC3\xA9"     /* of two characters with accents, and one without */
#define DECOMPOSED "E\xCC\x81te\xCC\x81" /* of five */

static const char *folder;
static bool folding; /* the file system takes names as vfat and HFS+ do */

/* Rewrites all names below the folder as it has them: small letters, decomposed. */
static void fold(const char *path, char *out) {
    size_t kept = strlen(folder);
    (void)memcpy(out, path, kept);
    out += kept;
    for (const char *in = path + kept; *in; in++) {
        bool accent = strncmp(in, "\xC3\x89", 2) == 0 || strncmp(in, "\xC3\xA9", 2) == 0;
        *out++ = accent ? 'e' : (char)(*in >= 'A' && *in <= 'Z' ? *in + 'a' - 'A' : *in);
        if (accent) {
            *out++ = '\xCC';
            *out++ = '\x81';
            in++;
        }
    }
    *out = '\0';
}

/* In the place of libc's. */
int lstat(const char *restrict path, struct stat *restrict info) {
    char folded[PATH_MAX];
    if (folding && strncmp(path, folder, strlen(folder)) == 0) {
        fold(path, folded);
        path = folded;
    }
    return fstatat(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
}

static const char *below(const char *name) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int fresh_folder(void **state) {
    (void)state;
    folder = test_folder();
    folding = false;
    return 0;
}

/* What the name is listed as; "" for nothing. */
static const char *listed(const char *name) {
    static char answer[NAME_MAX + 1];
    pix_spelling spelling = {0};
    const char *found;
    assert_int_equal(pix_spelling_look_up(&spelling, below(name), &found), PIX_OK);
    (void)snprintf(answer, sizeof answer, "%s", found ? found : "");
    pix_spelling_free(&spelling);
    return answer;
}

static void names_are_their_own_where_capitals_count(void **state) {
    (void)state;
    test_write_file(below("a.jpg"), "x", 1);
    test_write_file(below("A.JPG"), "y", 1);
    test_write_file(below(DECOMPOSED ".jpg"), "z", 1);
    assert_string_equal(listed("a.jpg"), "a.jpg");
    assert_string_equal(listed("A.JPG"), "A.JPG");
    assert_string_equal(listed("A.jpg"), "A.jpg"); /* which is gone: nothing to be told apart */
    assert_string_equal(listed("1234"), "1234");
    assert_string_equal(listed(DECOMPOSED ".jpg"), DECOMPOSED ".jpg");
    assert_string_equal(listed(COMPOSED ".jpg"), ""); /* gone */
    assert_string_equal(listed("nowhere/" COMPOSED ".jpg"), COMPOSED ".jpg");
}

static void the_listed_name_counts_where_they_do_not(void **state) {
    (void)state;
    test_write_file(below("img_1.jpg"), "x", 1);
    test_write_file(below("img_2.jpg"), "y", 1);
    test_write_file(below("e\xCC\x81te\xCC\x81.jpg"), "z", 1);
    folding = true;
    assert_string_equal(listed("img_1.jpg"), "img_1.jpg");
    assert_string_equal(listed("IMG_2.jpg"), "img_2.jpg");
    assert_string_equal(listed("IMG_3.jpg"), "IMG_3.jpg"); /* gone */
    assert_string_equal(listed(DECOMPOSED ".jpg"), "e\xCC\x81te\xCC\x81.jpg");
    assert_string_equal(listed(COMPOSED ".JPG"), "e\xCC\x81te\xCC\x81.jpg");
}

static void every_name_on_the_way_must_be_listed(void **state) {
    (void)state;
    assert_int_equal(mkdir(below("holiday"), 0700), 0);
    test_write_file(below("holiday/a.jpg"), "x", 1);
    folding = true;
    const struct {
        const char *path;
        bool right;
    } cases[] = {{"holiday/a.jpg", true},  {"Holiday/a.jpg", false}, {"holiday/A.jpg", false},
                 {"holiday", true},        {"HOLIDAY", false},       {"", true},
                 {"other/gone.jpg", true}, {"holiday/gone", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pix_spelling spelling = {0};
        bool right;
        const char *path = cases[i].path[0] ? below(cases[i].path) : folder;
        assert_int_equal(pix_spelling_is_right(&spelling, path, folder, &right), PIX_OK);
        assert_int_equal(right, cases[i].right);
        pix_spelling_free(&spelling);
    }
}

static void a_walk_of_parts_yields_listed_names_once(void **state) {
    (void)state;
    assert_int_equal(mkdir(below("holiday"), 0700), 0);
    test_write_file(below("holiday/a.jpg"), "x", 1);
    test_write_file(below("holiday/b.jpg"), "y", 1);
    char paths[5][PATH_MAX];
    const char *names[] = {"Holiday/a.jpg", "holiday/A.JPG", "holiday/B.jpg", "holiday/b.jpg",
                           "holiday/c.jpg"};
    const char *parts[5];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s", below(names[i]));
        parts[i] = paths[i];
    }
    folding = true;
    pix_walk_options options = {0};
    pix_walk *walk;
    pix_walk_entry entry;
    pix_error error;
    assert_ok(pix_walk_open_parts(folder, parts, 5, &options, &walk, &error), &error);
    assert_ok(pix_walk_next(walk, &entry, &error), &error);
    assert_string_equal(entry.path, below("holiday/a.jpg"));
    assert_ok(pix_walk_next(walk, &entry, &error), &error);
    assert_string_equal(entry.path, below("holiday/b.jpg"));
    assert_ok(pix_walk_next(walk, &entry, &error), &error);
    assert_int_equal(entry.kind, PIX_WALK_END);
    pix_walk_close(walk);
}

static void a_path_gets_the_names_that_are_listed(void **state) {
    (void)state;
    assert_int_equal(mkdir(below("holiday"), 0700), 0);
    test_write_file(below("holiday/e\xCC\x81te\xCC\x81.jpg"), "x", 1);
    const char *cases[][2] = {{"HOLIDAY/" COMPOSED ".JPG", "holiday/e\xCC\x81te\xCC\x81.jpg"},
                              {"Holiday", "holiday"},
                              {"holiday", "holiday"},
                              {"HOLIDAY/gone", "holiday/gone"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folding = true;
        char *path = pix_spelling_correct(below(cases[i][0]));
        assert_string_equal(path, below(cases[i][1]));
        free(path);
    }
    char *path = pix_spelling_correct("/");
    assert_string_equal(path, "/");
    free(path);
}

static bool is_lost(const char *name) {
    pix_spelling spelling = {0};
    bool lost;
    assert_int_equal(pix_spelling_is_lost(&spelling, below(name), &lost), PIX_OK);
    pix_spelling_free(&spelling);
    return lost;
}

static void what_is_gone_may_have_been_listed_otherwise(void **state) {
    (void)state;
    assert_false(is_lost("nowhere/gone.jpg"));
    test_write_file(below("1234"), "x", 1);
    test_write_file(below("a.jpg"), "x", 1);
    assert_false(is_lost("gone.jpg"));
    folding = true;
    assert_true(is_lost("gone.jpg"));
    assert_false(is_lost("A.JPG"));
    folding = false;
    test_write_file(below("A.JPG"), "x", 1); /* no other name, but another file */
    assert_false(is_lost("gone.jpg"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_are_their_own_where_capitals_count, fresh_folder),
        cmocka_unit_test_setup(the_listed_name_counts_where_they_do_not, fresh_folder),
        cmocka_unit_test_setup(every_name_on_the_way_must_be_listed, fresh_folder),
        cmocka_unit_test_setup(a_walk_of_parts_yields_listed_names_once, fresh_folder),
        cmocka_unit_test_setup(a_path_gets_the_names_that_are_listed, fresh_folder),
        cmocka_unit_test_setup(what_is_gone_may_have_been_listed_otherwise, fresh_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
