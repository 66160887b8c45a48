/* An index that is moved, replaced or removed while a writer has it open. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/store_writer.h"

enum { DIMENSION = 4, ROOTS_SIZE = 256 };

static char *beside(const writer *w, const char *name) {
    char *path = NULL;
    assert_true(asprintf(&path, "%s.%s", w->path, name) > 0);
    return path;
}

static pix_status join_path(void *context, const pix_root *root) {
    char *roots = context;
    size_t used = strlen(roots);
    (void)snprintf(roots + used, ROOTS_SIZE - used, "%s ", root->path);
    return PIX_OK;
}

/* Opens it both ways: a reader must see these roots, and a writer must find nothing damaged. */
static void assert_roots(const char *path, const char *expected) {
    pix_error error;
    for (pix_store_mode mode = PIX_STORE_READ; mode <= PIX_STORE_WRITE; mode++) {
        pix_store *store;
        char roots[ROOTS_SIZE] = "";
        assert_ok(pix_store_open(path, mode, &store, &error), &error);
        assert_ok(pix_store_roots(store, join_path, roots, &error), &error);
        assert_string_equal(roots, expected);
        pix_store_close(store);
    }
}

static pix_status add_root(writer *w, const char *path) {
    int64_t id;
    pix_status status = pix_store_root_put(w->store, path, "", false, &id, &w->error);
    return status ? status : pix_store_commit(w->store, &w->error);
}

static void a_file_in_its_place_is_written_by_nobody_who_opened_the_old_one(void **state) {
    (void)state;
    writer w = open_new_index(DIMENSION);
    char *other = beside(&w, "backup"), *moved = beside(&w, "moved");
    writer backup;
    assert_ok(open_writer(&backup, other, DIMENSION), &backup.error);
    assert_ok(add_root(&backup, "/backup"), &backup.error);
    pix_store_close(backup.store);
    assert_ok(add_root(&w, "/kept"), &w.error);
    pix_store *reader;
    assert_ok(pix_store_open(w.path, PIX_STORE_READ, &reader, &w.error), &w.error);
    assert_int_equal(pix_store_place_get(w.store), PIX_STORE_IN_PLACE);

    assert_int_equal(rename(w.path, moved), 0);
    assert_int_equal(pix_store_place_get(w.store), PIX_STORE_REMOVED);
    assert_int_equal(rename(other, w.path), 0);
    assert_int_equal(pix_store_place_get(w.store), PIX_STORE_REPLACED);
    assert_int_equal(pix_store_place_get(reader), PIX_STORE_REPLACED);
    assert_int_equal(add_root(&w, "/lost"), PIX_EMISMATCH);
    assert_non_null(strstr(w.error.text, "another file is in its place"));
    pix_store_close(w.store);
    pix_store_close(reader);
    assert_roots(w.path, "/backup /p ");
    assert_roots(moved, "/kept /p ");
    free(other);
    free(moved);
}

static void what_a_reader_keeps_in_the_log_goes_along(void **state) {
    (void)state;
    writer w = open_new_index(DIMENSION);
    char *moved = beside(&w, "moved");
    assert_ok(add_root(&w, "/early"), &w.error);
    pix_store *reader;
    assert_ok(pix_store_open(w.path, PIX_STORE_READ, &reader, &w.error), &w.error);
    assert_ok(pix_store_snapshot_begin(reader, &w.error), &w.error);
    char seen[ROOTS_SIZE] = "";
    assert_ok(pix_store_roots(reader, join_path, seen, &w.error), &w.error);
    assert_ok(add_root(&w, "/late"), &w.error);
    assert_int_equal(rename(w.path, moved), 0);
    char *empty_log = NULL; /* of somebody who looked at it there */
    assert_true(asprintf(&empty_log, "%s-wal", moved) > 0);
    test_write_file(empty_log, "", 0);
    free(empty_log);
    pix_store_close(w.store);
    assert_roots(moved, "/early /late /p ");
    pix_store_snapshot_end(reader);
    pix_store_close(reader);
    assert_roots(moved, "/early /late /p ");
    writer next;
    assert_ok(open_writer(&next, w.path, DIMENSION), &next.error);
    assert_ok(pix_store_commit(next.store, &next.error), &next.error);
    pix_store_close(next.store);
    assert_roots(w.path, "/p ");
    free(moved);
}

static void a_removed_file_takes_no_commit_and_leaves_no_log(void **state) {
    (void)state;
    writer w = open_new_index(DIMENSION);
    char *log = NULL;
    assert_true(asprintf(&log, "%s-wal", w.path) > 0);
    assert_ok(add_root(&w, "/kept"), &w.error);
    assert_int_equal(access(log, F_OK), 0);
    assert_int_equal(unlink(w.path), 0);
    assert_int_equal(add_root(&w, "/lost"), PIX_EMISMATCH);
    assert_non_null(strstr(w.error.text, "was removed"));
    pix_store_close(w.store);
    assert_int_equal(access(log, F_OK), -1);
    writer next;
    assert_ok(open_writer(&next, w.path, DIMENSION), &next.error);
    assert_ok(pix_store_commit(next.store, &next.error), &next.error);
    pix_store_close(next.store);
    assert_roots(w.path, "/p ");
    free(log);
}

static void what_is_undone_was_never_there(void **state) {
    (void)state;
    writer w = open_new_index(DIMENSION);
    int64_t id;
    char before[PIX_GENERATION_SIZE], after[PIX_GENERATION_SIZE];
    assert_ok(pix_store_commit(w.store, &w.error), &w.error);
    assert_ok(pix_store_generation(w.store, before, &w.error), &w.error);
    pix_store_close(w.store);
    assert_ok(pix_store_open(w.path, PIX_STORE_WRITE, &w.store, &w.error), &w.error);
    assert_ok(pix_store_root_put(w.store, "/mistake", "", false, &id, &w.error), &w.error);
    pix_store_undo(w.store);
    assert_ok(add_root(&w, "/after"), &w.error);
    assert_ok(pix_store_generation(w.store, after, &w.error), &w.error);
    assert_string_not_equal(before, after);
    pix_store_close(w.store);
    assert_roots(w.path, "/after /p ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_in_its_place_is_written_by_nobody_who_opened_the_old_one),
        cmocka_unit_test(what_a_reader_keeps_in_the_log_goes_along),
        cmocka_unit_test(a_removed_file_takes_no_commit_and_leaves_no_log),
        cmocka_unit_test(what_is_undone_was_never_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
