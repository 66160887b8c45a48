#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "indexer/watches.h"
#include "tests/support.h"

/* Times are in milliseconds here. */
static const int64_t MS = 1000000;

static pix_changes *changes;

static int fresh(void **state) {
    (void)state;
    pix_changes_free(changes);
    changes = pix_changes_new();
    return changes ? 0 : -1;
}

static void add(const char *path, int64_t at_ms) {
    pix_changes_add(changes, path, PIX_CHANGE_OTHER, at_ms * MS);
}

static int64_t due_ms(void) {
    int64_t due = pix_changes_due(changes);
    return due < 0 ? due : due / MS;
}

/* "path path(settled) ... | from>to ...", "*" for everything. */
static const char *take(int64_t at_ms) {
    static pix_bytes text;
    pix_change_batch batch = {0};
    pix_bytes_clear(&text);
    pix_changes_take(changes, at_ms * MS, &batch);
    if (batch.all)
        pix_bytes_append_text(&text, "*");
    for (size_t i = 0; i < batch.paths.count; i++) {
        pix_bytes_append_text(&text, i ? " " : "");
        pix_bytes_append_text(&text, batch.paths.items[i]);
        if (pix_paths_has(&batch.settled, batch.paths.items[i]))
            pix_bytes_append_text(&text, "!");
    }
    for (size_t i = 0; i < batch.renames.count; i++) {
        pix_bytes_append_text(&text, i == 0 ? " | " : i % 2 ? ">" : " ");
        pix_bytes_append_text(&text, batch.renames.items[i]);
    }
    pix_change_batch_free(&batch);
    return text.data ? text.data : "";
}

static void a_burst_is_taken_when_it_is_over(void **state) {
    (void)state;
    assert_int_equal(due_ms(), -1);
    add("/p/a", 1000);
    assert_int_equal(due_ms(), 1500);
    add("/p/b", 1400);
    add("/p/a", 1450);
    assert_int_equal(due_ms(), 1950);
    assert_string_equal(take(1950), "/p/a /p/b");
    assert_int_equal(due_ms(), -1);
    assert_string_equal(take(1960), "");
}

static void a_burst_without_end_is_taken_after_five_seconds(void **state) {
    (void)state;
    for (int64_t ms = 1000; ms < 8000; ms += 100)
        add("/p/a", ms);
    assert_int_equal(due_ms(), 6000);
}

static void what_is_in_a_changed_folder_goes_with_it(void **state) {
    (void)state;
    add("/p/a/x.jpg", 0);
    add("/p/a-b", 0);
    add("/p/a", 0);
    add("/p/ab.jpg", 0);
    add("/p/a/deep/y.jpg", 0);
    assert_string_equal(take(500), "/p/a /p/a-b /p/ab.jpg");
}

static void what_is_put_off_waits_unless_it_changes(void **state) {
    (void)state;
    pix_changes_put_off(changes, "/p/late", 3000 * MS);
    pix_changes_put_off(changes, "/p/later", 4000 * MS);
    assert_int_equal(due_ms(), 3000);
    add("/p/a", 1000);
    assert_int_equal(due_ms(), 1500);
    assert_string_equal(take(1500), "/p/a");
    assert_int_equal(due_ms(), 3000);
    pix_changes_add(changes, "/p/later", PIX_CHANGE_SETTLED, 2000 * MS);
    assert_int_equal(due_ms(), 2500);
    pix_changes_put_off(changes, "/p/later", 9000 * MS); /* an older wish */
    assert_string_equal(take(2500), "/p/later!");
    assert_string_equal(take(3000), "/p/late");
    assert_int_equal(due_ms(), -1);
}

static void a_file_is_settled_when_its_writer_has_closed_it(void **state) {
    (void)state;
    pix_changes_add(changes, "/p/a", PIX_CHANGE_BEGUN, 0);
    pix_changes_add(changes, "/p/b", PIX_CHANGE_BEGUN, 0);
    pix_changes_add(changes, "/p/b", PIX_CHANGE_SETTLED, 0);
    pix_changes_add(changes, "/p/b", PIX_CHANGE_OTHER, 0);
    pix_changes_add(changes, "/p/c", PIX_CHANGE_SETTLED, 0);
    pix_changes_add(changes, "/p/c", PIX_CHANGE_BEGUN, 0);
    assert_string_equal(take(500), "/p/a /p/b! /p/c");
}

static void renames_keep_their_order(void **state) {
    (void)state;
    pix_changes_rename(changes, "/p/a", "/p/t", 0);
    pix_changes_rename(changes, "/p/b", "/p/a", 0);
    pix_changes_rename(changes, "/p/t", "/p/b", 0);
    assert_string_equal(take(500), "/p/a! /p/b! /p/t! | /p/a>/p/t /p/b>/p/a /p/t>/p/b");
    assert_string_equal(take(600), "");
}

static void too_many_changes_are_a_change_of_everything(void **state) {
    (void)state;
    char path[32];
    for (int i = 0; i < 50001; i++) {
        (void)snprintf(path, sizeof path, "/p/%d.jpg", i);
        add(path, 0);
    }
    add("/p/one-more.jpg", 100);
    pix_changes_put_off(changes, "/p/late", 3000 * MS);
    assert_string_equal(take(600), "*");
    assert_int_equal(due_ms(), -1);
    add("/p/a", 1000);
    assert_string_equal(take(1500), "/p/a");
}

/* inotify itself, in a folder: what it tells becomes changes. */
static pix_watches *watches;
static pix_watches_news news; /* that came with what was told last */
static char root[64];

static int watch_a_folder(void **state) {
    pix_error error;
    (void)snprintf(root, sizeof root, "%s/watched", test_folder());
    pix_watches_close(watches);
    if (fresh(state) || mkdir(root, 0700) || pix_watches_open(&watches, &error))
        return -1;
    pix_watches_add(watches, root);
    return 0;
}

static int stop_watching(void **state) {
    (void)state;
    pix_watches_close(watches);
    watches = NULL;
    return 0;
}

static const char *in_root(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

/* What was told, with the root left out. */
static const char *told(void) {
    static char text[1024];
    pix_error error;
    assert_ok(pix_watches_read(watches, changes, 0, &news, &error), &error);
    assert_false(news.lost);
    const char *from = take(500);
    size_t size = 0, cut = strlen(root);
    while (*from) {
        if (strncmp(from, root, cut) == 0)
            from += cut + (from[cut] == '/');
        else
            text[size++] = *from++;
    }
    text[size] = '\0';
    return text;
}

static void photos_and_folders_are_told_of_and_nothing_else(void **state) {
    (void)state;
    test_write_file(in_root("a.jpg"), "x", 1);
    test_write_file(in_root("notes.txt"), "x", 1);
    assert_int_equal(mkdir(in_root("sub"), 0700), 0);
    assert_string_equal(told(), "a.jpg! sub");
    test_write_file(in_root(".nomedia"), "", 0);
    assert_string_equal(told(), "");
    assert_int_equal(unlink(in_root("a.jpg")), 0);
    assert_string_equal(told(), "a.jpg!");
}

static void a_file_that_is_open_is_not_settled(void **state) {
    (void)state;
    FILE *file = fopen(in_root("a.jpg"), "w");
    assert_non_null(file);
    assert_true(fputs("x", file) >= 0);
    assert_int_equal(fflush(file), 0);
    assert_string_equal(told(), "a.jpg");
    assert_int_equal(fclose(file), 0);
    assert_string_equal(told(), "a.jpg!");
}

static void a_move_has_both_its_ends(void **state) {
    (void)state;
    test_write_file(in_root("a.jpg"), "x", 1);
    test_write_file(in_root("part.tmp"), "x", 1);
    (void)told();
    assert_int_equal(rename(in_root("a.jpg"), in_root("b.jpg")), 0);
    assert_string_equal(told(), "a.jpg! b.jpg! | a.jpg>b.jpg");
    assert_int_equal(rename(in_root("part.tmp"), in_root("b.jpg")), 0);
    assert_string_equal(told(), "b.jpg!");
    assert_int_equal(rename(in_root("b.jpg"), in_root("../outside.jpg")), 0);
    assert_string_equal(told(), "b.jpg!");
}

static void a_folder_is_watched_under_its_new_name(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_root("old"), 0700), 0);
    assert_int_equal(mkdir(in_root("old/deep"), 0700), 0);
    pix_watches_add(watches, in_root("old"));
    pix_watches_add(watches, in_root("old/deep"));
    (void)told();
    assert_int_equal(rename(in_root("old"), in_root("new")), 0);
    test_write_file(in_root("new/deep/a.jpg"), "x", 1);
    assert_string_equal(told(), "new! old! | old>new");
    test_write_file(in_root("new/deep/b.jpg"), "x", 1);
    assert_string_equal(told(), "new/deep/b.jpg!");
    size_t refused;
    assert_int_equal(pix_watches_count(watches, &refused), 3);
    assert_int_equal(refused, 0);
}

static void after_a_loss_no_folder_is_taken_for_what_it_was_called(void **state) {
    (void)state;
    long most = 0;
    FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (!limit || fscanf(limit, "%ld", &most) != 1 || most > 100000)
        test_skip("the queue of inotify is too long, or of unknown length");
    (void)fclose(limit);
    assert_int_equal(mkdir(in_root("old"), 0700), 0);
    pix_watches_add(watches, in_root("old"));
    (void)told();
    for (long i = 0; i <= most / 2; i++) {
        test_write_file(in_root("a.jpg"), "x", 1);
        assert_int_equal(unlink(in_root("a.jpg")), 0);
    }
    assert_int_equal(rename(in_root("old"), in_root("new")), 0);
    pix_error error;
    assert_ok(pix_watches_read(watches, changes, 0, &news, &error), &error);
    assert_true(news.lost);
    (void)take(500);
    test_write_file(in_root("new/a.jpg"), "x", 1);
    assert_string_equal(told(), "");
    pix_watches_add(watches, in_root("new"));
    test_write_file(in_root("new/b.jpg"), "x", 1);
    assert_string_equal(told(), "new/b.jpg!");
}

static void a_folder_that_leaves_is_watched_no_more(void **state) {
    (void)state;
    size_t refused;
    assert_int_equal(mkdir(in_root("sub"), 0700), 0);
    pix_watches_add(watches, in_root("sub"));
    (void)told();
    assert_int_equal(pix_watches_count(watches, &refused), 2);
    assert_int_equal(rename(in_root("sub"), in_root("../left")), 0);
    test_write_file(in_root("a.jpg"), "x", 1);
    assert_int_equal(rename(in_root("a.jpg"), in_root("b.jpg")), 0);
    (void)told();
    assert_int_equal(pix_watches_count(watches, &refused), 1);
    test_write_file(in_root("../left/c.jpg"), "x", 1);
    assert_string_equal(told(), "");
}

static void keep(const char *folder) {
    pix_paths roots = {0};
    if (folder)
        assert_int_equal(pix_paths_add(&roots, folder), PIX_OK);
    pix_watches_keep(watches, &roots);
    pix_paths_free(&roots);
}

static void what_is_in_no_root_is_watched_no_more(void **state) {
    (void)state;
    size_t refused;
    assert_int_equal(mkdir(in_root("sub"), 0700), 0);
    pix_watches_add(watches, in_root("sub"));
    keep(in_root("sub"));
    assert_int_equal(pix_watches_count(watches, &refused), 1);
    test_write_file(in_root("a.jpg"), "x", 1);
    test_write_file(in_root("sub/b.jpg"), "x", 1);
    assert_string_equal(told(), "sub/b.jpg!");
    test_write_file(in_root("c.jpg"), "x", 1);
    test_write_file(in_root("sub/c.jpg"), "x", 1);
    assert_string_equal(told(), "sub/c.jpg!");
    keep(NULL);
    assert_int_equal(pix_watches_count(watches, &refused), 0);
}

static void the_end_of_a_root_is_told(void **state) {
    (void)state;
    char *away = NULL;
    size_t refused;
    assert_true(asprintf(&away, "%s.away", root) > 0);
    keep(root);
    assert_int_equal(mkdir(in_root("sub"), 0700), 0);
    pix_watches_add(watches, in_root("sub"));
    assert_int_equal(rmdir(in_root("sub")), 0);
    (void)told();
    assert_false(news.root);
    assert_int_equal(pix_watches_count(watches, &refused), 1);
    assert_int_equal(rename(root, away), 0);
    assert_string_equal(told(), "");
    assert_true(news.root);
    assert_int_equal(pix_watches_count(watches, &refused), 0);
    assert_int_equal(mkdir(root, 0700), 0);
    pix_watches_add(watches, root);
    assert_string_equal(told(), "");
    assert_false(news.root);
    assert_int_equal(rmdir(root), 0);
    (void)told();
    assert_true(news.root);
    assert_int_equal(pix_watches_count(watches, &refused), 0);
    assert_int_equal(rmdir(away), 0);
    free(away);
}

static void another_file_in_the_place_of_the_index_is_told(void **state) {
    (void)state;
    char index[64], other[64];
    (void)snprintf(index, sizeof index, "%s/index.db", test_folder());
    (void)snprintf(other, sizeof other, "%s/other.db", test_folder());
    test_write_file(index, "1", 1);
    test_write_file(other, "2", 1);
    FILE *held = fopen(index, "r+"); /* as the store does */
    assert_non_null(held);
    pix_watches_add_index(watches, index);
    assert_true(fputs("x", held) >= 0 && fflush(held) == 0);
    assert_string_equal(told(), "");
    assert_false(news.index);
    assert_int_equal(rename(other, index), 0);
    (void)told();
    assert_true(news.index);
    pix_watches_add_index(watches, index);
    (void)told();
    assert_int_equal(unlink(index), 0);
    (void)told();
    assert_true(news.index);
    assert_int_equal(fclose(held), 0);
}

/* In a name space of its own, whose limits are its own, too; elsewhere than here, for a process
 * with threads cannot enter one. */
static int count_refused(void) {
    FILE *limit;
    size_t refused, twice, fewer;
    if (unshare(CLONE_NEWUSER) || !(limit = fopen("/proc/sys/user/max_inotify_watches", "w")))
        return 77;
    if (fputs("1", limit) < 0 || fclose(limit))
        return 77;
    pix_error error;
    pix_watches *own;
    if (pix_watches_open(&own, &error))
        return 77;
    pix_watches_add(own, root);
    pix_watches_add(own, in_root("a"));
    pix_watches_add(own, in_root("b"));
    (void)pix_watches_count(own, &refused);
    pix_watches_add(own, in_root("b"));
    (void)pix_watches_count(own, &twice);
    pix_watches_drop(own, root);
    pix_watches_add(own, in_root("b"));
    (void)pix_watches_count(own, &fewer);
    pix_watches_close(own);
    return refused == 2 && twice == 2 && fewer == 1 ? 0 : 1;
}

static void a_folder_that_is_not_watched_counts_once(void **state) {
    (void)state;
    int status;
    assert_int_equal(mkdir(in_root("a"), 0700), 0);
    assert_int_equal(mkdir(in_root("b"), 0700), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(count_refused());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("user namespaces or their limits are not to be had");
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_burst_is_taken_when_it_is_over, fresh),
        cmocka_unit_test_setup(a_burst_without_end_is_taken_after_five_seconds, fresh),
        cmocka_unit_test_setup(what_is_in_a_changed_folder_goes_with_it, fresh),
        cmocka_unit_test_setup(what_is_put_off_waits_unless_it_changes, fresh),
        cmocka_unit_test_setup(a_file_is_settled_when_its_writer_has_closed_it, fresh),
        cmocka_unit_test_setup(renames_keep_their_order, fresh),
        cmocka_unit_test_setup(too_many_changes_are_a_change_of_everything, fresh),
        cmocka_unit_test_setup_teardown(photos_and_folders_are_told_of_and_nothing_else,
                                        watch_a_folder, stop_watching),
        cmocka_unit_test_setup_teardown(a_file_that_is_open_is_not_settled, watch_a_folder,
                                        stop_watching),
        cmocka_unit_test_setup_teardown(a_move_has_both_its_ends, watch_a_folder, stop_watching),
        cmocka_unit_test_setup_teardown(a_folder_is_watched_under_its_new_name, watch_a_folder,
                                        stop_watching),
        cmocka_unit_test_setup_teardown(after_a_loss_no_folder_is_taken_for_what_it_was_called,
                                        watch_a_folder, stop_watching),
        cmocka_unit_test_setup_teardown(a_folder_that_leaves_is_watched_no_more, watch_a_folder,
                                        stop_watching),
        cmocka_unit_test_setup_teardown(what_is_in_no_root_is_watched_no_more, watch_a_folder,
                                        stop_watching),
        cmocka_unit_test_setup_teardown(the_end_of_a_root_is_told, watch_a_folder, stop_watching),
        cmocka_unit_test_setup_teardown(another_file_in_the_place_of_the_index_is_told,
                                        watch_a_folder, stop_watching),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_watched_counts_once, watch_a_folder,
                                        stop_watching),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pix_changes_free(changes);
    return failed;
}
