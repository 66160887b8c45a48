#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/gzip.h"
#include "core/base/json.h"
#include "core/base/name_list.h"
#include "core/base/sha256.h"
#include "core/base/threads.h"
#include "tests/support.h"

static void an_error_names_the_object_and_the_cause(void **state) {
    (void)state;
    pix_error error;
    assert_int_equal(pix_fail(&error, PIX_EFORMAT, "truncated after %d bytes", 7), PIX_EFORMAT);
    assert_int_equal(pix_error_prefix(&error, "a.jpg"), PIX_EFORMAT);
    assert_string_equal(error.text, "a.jpg: truncated after 7 bytes");
}

/* A photo's path may have 4,096 bytes: the cause must survive it, however the text was made. */
static void a_long_name_does_not_hide_the_cause(void **state) {
    (void)state;
    char path[5001];
    memset(path, 'n', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    pix_error error;
    errno = EACCES;
    assert_int_equal(pix_fail_errno(&error, "/photos/%s", path), PIX_EIO);
    assert_memory_equal(error.text, "/photos/n", 9);
    assert_string_equal(error.text + strlen(error.text) - 20, "n: Permission denied");
    pix_fail(&error, PIX_EFORMAT, "%s: an empty file", path);
    assert_int_equal(pix_error_prefix(&error, "/photos/%s", path), PIX_EFORMAT);
    assert_memory_equal(error.text, "/photos/n", 9);
    assert_string_equal(error.text + strlen(error.text) - 16, "n: an empty file");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void a_long_error_is_cut_at_a_character(void **state) {
    (void)state;
    char text[2049];
    for (size_t i = 0; i < 2048; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[2048] = '\0';
    pix_error error;
    pix_fail(&error, PIX_EIO, "x%s", text);
    assert_true(pix_is_utf8(error.text, strlen(error.text)));
    assert_true(strlen(error.text) >= 1021);
    pix_fail(&error, PIX_EIO, "%s", text);
    assert_true(pix_is_utf8(error.text, strlen(error.text)));
}

static void an_array_that_cannot_grow_stays(void **state) {
    (void)state;
    size_t capacity = 0;
    uint32_t *data = pix_array_reserve(NULL, &capacity, 0, 3, sizeof *data);
    assert_non_null(data);
    assert_true(capacity >= 3);
    size_t before = capacity;
    assert_ptr_equal(pix_array_reserve(data, &capacity, 3, 0, sizeof *data), data);
    assert_null(pix_array_reserve(data, &capacity, 3, SIZE_MAX - 2, sizeof *data));
    assert_null(pix_array_reserve(data, &capacity, 3, SIZE_MAX / 2, sizeof *data));
    assert_int_equal(capacity, before);
    free(data);
}

static void utf8_is_checked_strictly(void **state) {
    (void)state;
    assert_true(pix_is_utf8("", 0));
    assert_true(pix_is_utf8("a\0b", 3));
    assert_true(pix_is_utf8("\xF0\x9F\x90\x95", 4));
    assert_false(pix_is_utf8("\xED\xA0\x80", 3));     /* a surrogate */
    assert_false(pix_is_utf8("\xC0\x80", 2));         /* overlong */
    assert_false(pix_is_utf8("\xF4\x90\x80\x80", 4)); /* above U+10FFFF */
    assert_false(pix_is_utf8("\xE2\x82", 2));
}

static void control_bytes_are_escaped(void **state) {
    (void)state;
    pix_bytes out = {0};
    assert_int_equal(pix_bytes_append_escaped(&out, "a\nb\tc\\\x1b[1m\xC3\xA9\xFF", 13), PIX_OK);
    assert_string_equal(out.data, "a\\nb\\tc\\\\\\x1b[1m\xC3\xA9\xFF");
    pix_bytes_free(&out);
}

static void terminals_get_no_c1_controls(void **state) {
    (void)state;
    pix_bytes out = {0};
    assert_int_equal(pix_bytes_append_escaped(&out,
                                              "\xC2\x9B"
                                              "1m\xC2\xA0\xC3\x9B\xC2",
                                              9),
                     PIX_OK);
    assert_string_equal(out.data, "\\xc2\\x9b"
                                  "1m\xC2\xA0\xC3\x9B\xC2");
    pix_bytes_free(&out);
}

static void a_json_string_is_utf8_without_controls(void **state) {
    (void)state;
    static const char odd[] = "a\"\\\n\t\x1b\x7f\xC2\x9B \xC3\xA9\xF0\x9F\x90\x95\xE2\x82";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    pix_json_string(out, odd, sizeof odd - 1);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "\"a\\\"\\\\\\n\\t\\u001b\\u007f\\u009b \xC3\xA9"
                              "\xF0\x9F\x90\x95\\ufffd\\ufffd\"");
    free(text);
}

static void numbers_are_parsed_strictly(void **state) {
    (void)state;
    int64_t value = -1;
    assert_int_equal(pix_parse_integer("50", 1, 100, &value), PIX_OK);
    assert_int_equal(value, 50);
    const char *bad[] = {"", "-", "5x", " 5", "0x10", "101", "0", "99999999999999999999", "1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(pix_parse_integer(bad[i], 1, 100, &value), PIX_EINVALID);
}

static void thousands_are_separated(void **state) {
    (void)state;
    static const struct {
        int64_t count;
        const char *text;
    } cases[] = {{0, "0"},          {999, "999"},        {1000, "1,000"},
                 {12345, "12,345"}, {123456, "123,456"}, {1234567, "1,234,567"},
                 {-1000, "-1,000"}, {-100, "-100"},      {INT64_MIN, "-9,223,372,036,854,775,808"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(pix_format_count(cases[i].count, text), cases[i].text);
}

static void sha256_matches_its_standard(void **state) {
    (void)state;
    uint8_t digest[PIX_SHA256_BYTES];
    char text[PIX_SHA256_HEX];
    pix_sha256 hash;
    pix_sha256_init(&hash);
    pix_sha256_add(&hash, "abc", 3);
    pix_sha256_finish(&hash, digest);
    pix_hex(digest, sizeof digest, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void an_atomic_file_appears_only_when_committed(void **state) {
    (void)state;
    char path[128], folder[96];
    (void)snprintf(folder, sizeof folder, "%s/a/b", test_folder());
    (void)snprintf(path, sizeof path, "%s/file", folder);
    pix_error error;
    assert_ok(pix_folder_make(folder, &error), &error);
    pix_atomic_file *file;
    assert_ok(pix_atomic_file_open(path, &file, &error), &error);
    assert_true(fputs("half", pix_atomic_file_stream(file)) >= 0);
    pix_atomic_file_close(file);
    assert_false(test_exists(path));
    assert_ok(pix_atomic_file_open(path, &file, &error), &error);
    assert_true(fputs("whole", pix_atomic_file_stream(file)) >= 0);
    assert_ok(pix_atomic_file_commit(file, &error), &error);
    pix_atomic_file_close(file);
    pix_bytes content = {0};
    assert_ok(pix_file_read(path, 100, &content, &error), &error);
    assert_string_equal(content.data, "whole");
    assert_int_equal(pix_file_read(path, 4, &content, &error), PIX_ELIMIT);
    pix_bytes_free(&content);
}

static void an_atomic_file_replaces_regular_files_alone(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[128], link[128], pipe[128];
    (void)snprintf(path, sizeof path, "%s/target", folder);
    (void)snprintf(link, sizeof link, "%s/link", folder);
    (void)snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    pix_error error;
    pix_atomic_file *file;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(pix_atomic_file_open(pipe, &file, &error), PIX_EUNSUPPORTED);
    assert_null(file);
    assert_int_equal(pix_atomic_file_open(folder, &file, &error), PIX_EUNSUPPORTED);
    assert_int_equal(symlink("pipe", link), 0);
    assert_int_equal(pix_atomic_file_open(link, &file, &error), PIX_EUNSUPPORTED);
    assert_int_equal(remove(link), 0);

    assert_ok(pix_atomic_file_open(path, &file, &error), &error);
    assert_ok(pix_atomic_file_commit(file, &error), &error);
    pix_atomic_file_close(file);
    assert_int_equal(symlink("target", link), 0);
    assert_ok(pix_atomic_file_open(link, &file, &error), &error);
    assert_true(fputs("new", pix_atomic_file_stream(file)) >= 0);
    assert_ok(pix_atomic_file_commit(file, &error), &error);
    pix_atomic_file_close(file);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 3);
}

static void an_atomic_file_has_one_writer_and_survives_a_killed_one(void **state) {
    (void)state;
    char path[128], left[136];
    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    (void)snprintf(left, sizeof left, "%s.tmp", path);
    test_write_file(left, "what a killed writer left behind", 32);
    pix_error error;
    pix_atomic_file *first, *second;
    assert_ok(pix_atomic_file_open(path, &first, &error), &error);
    assert_int_equal(pix_atomic_file_open(path, &second, &error), PIX_EBUSY);
    assert_null(second);
    assert_true(fputs("new", pix_atomic_file_stream(first)) >= 0);
    assert_ok(pix_atomic_file_commit(first, &error), &error);
    pix_atomic_file_close(first);
    assert_false(test_exists(left));
    pix_bytes content = {0};
    assert_ok(pix_file_read(path, 100, &content, &error), &error);
    assert_string_equal(content.data, "new");
    pix_bytes_free(&content);
}

/* Whether an open file has the writer's lock on `path`. */
static bool is_locked(const char *path) {
    int fd = open(path, O_RDONLY);
    bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return locked;
}

static bool renamed_with_lock, removed_with_lock;

int rename(const char *from, const char *to) {
    renamed_with_lock = is_locked(from);
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path) {
    removed_with_lock = is_locked(path);
    return unlinkat(AT_FDCWD, path, 0);
}

/* Without the lock another writer may have begun under the temporary name: its half would be
 * renamed, or its file removed. */
static void an_atomic_file_is_locked_until_its_name_is_settled(void **state) {
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/file", test_folder());
    pix_error error;
    pix_atomic_file *file;
    assert_ok(pix_atomic_file_open(path, &file, &error), &error);
    assert_ok(pix_atomic_file_commit(file, &error), &error);
    assert_true(renamed_with_lock);
    pix_atomic_file_close(file);
    assert_ok(pix_atomic_file_open(path, &file, &error), &error);
    pix_atomic_file_close(file);
    assert_true(removed_with_lock);
}

static void a_folder_that_cannot_be_made_says_why(void **state) {
    (void)state;
    if (!test_exists("/sys/kernel"))
        test_skip("there is no /sys, where nobody may make folders");
    pix_error error;
    assert_int_equal(pix_folder_make("/sys/pixgrep/models", &error), PIX_EIO);
    assert_memory_equal(error.text, "cannot create /sys/pixgrep: ", 28);
    assert_null(strstr(error.text, "No such file"));
}

static void an_absolute_path_keeps_what_a_person_wrote(void **state) {
    (void)state;
    char *here = getcwd(NULL, 0), expected[4096];
    static const char *const cases[][2] = {{"", ""},
                                           {".", ""},
                                           {"a", "/a"},
                                           {"./a//b/", "/a/b"},
                                           {"../.a", "/../.a"},
                                           {"a/./...", "/a/..."}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = pix_path_absolute(cases[i][0]);
        (void)snprintf(expected, sizeof expected, "%s%s", here, cases[i][1]);
        assert_string_equal(path, expected);
        free(path);
    }
    free(here);
    static const char *const rooted[][2] = {
        {"/", "/"}, {"//.", "/"}, {"/a/", "/a"}, {"/a/../b", "/a/../b"}};
    for (size_t i = 0; i < sizeof rooted / sizeof *rooted; i++) {
        char *path = pix_path_absolute(rooted[i][0]);
        assert_string_equal(path, rooted[i][1]);
        free(path);
    }
}

static void gzip_is_bounded_and_checked(void **state) {
    (void)state;
    /* gzip of "hello\n" */
    static const unsigned char member[] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0, 0,
                                           3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0,
                                           0x20, 0x30, 0x3a, 0x36, 6,    0,    0,    0};
    unsigned char twice[2 * sizeof member];
    memcpy(twice, member, sizeof member);
    memcpy(twice + sizeof member, member, sizeof member);
    pix_bytes out = {0};
    pix_error error;
    assert_ok(pix_gzip_expand(twice, sizeof twice, 100, &out, &error), &error);
    assert_string_equal(out.data, "hello\nhello\n");
    pix_bytes_clear(&out);
    assert_int_equal(pix_gzip_expand(member, sizeof member - 9, 100, &out, &error), PIX_EFORMAT);
    pix_bytes_clear(&out);
    assert_int_equal(pix_gzip_expand(member, sizeof member, 5, &out, &error), PIX_ELIMIT);
    pix_bytes_free(&out);
}

static void a_closed_queue_drains(void **state) {
    (void)state;
    pix_queue *queue;
    assert_int_equal(pix_queue_new(2, &queue), PIX_OK);
    int a, b;
    assert_true(pix_queue_push(queue, &a));
    assert_true(pix_queue_push(queue, &b));
    pix_queue_close(queue);
    assert_false(pix_queue_push(queue, &a));
    assert_ptr_equal(pix_queue_pop(queue, -1), &a);
    assert_ptr_equal(pix_queue_pop(queue, -1), &b);
    assert_null(pix_queue_pop(queue, -1));
    pix_queue_free(queue);
}

static void popping_an_empty_queue_times_out(void **state) {
    (void)state;
    pix_queue *queue;
    assert_int_equal(pix_queue_new(1, &queue), PIX_OK);
    assert_null(pix_queue_pop(queue, 0));
    int64_t start = pix_now_ns();
    assert_null(pix_queue_pop(queue, 20));
    assert_true(pix_now_ns() - start >= INT64_C(19000000));
    pix_queue_free(queue);
}

static void a_path_beside_another_is_in_its_folder(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a/b.pt", "a/x"}, {"b.pt", "x"}, {"/b.pt", "/x"}, {"/a//b", "/a//x"}, {"a/", "a/x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = pix_path_beside(cases[i][0], "x");
        assert_string_equal(path, cases[i][1]);
        free(path);
    }
}

static void a_folders_names_are_listed(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[4200];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(path, sizeof path, "%s/%c", folder, 't' - i);
        test_write_file(path, "", 0);
    }
    pix_name_list list = {0};
    pix_error error;
    assert_null(pix_name_list_find(&list, "a"));
    assert_ok(pix_name_list_read(&list, folder, &error), &error);
    pix_name_list_sort(&list);
    assert_int_equal(list.count, 22);
    assert_string_equal(list.data[2], "a");
    assert_ptr_equal(pix_name_list_find(&list, "t"), list.data[21]);
    assert_null(pix_name_list_find(&list, "u"));
    pix_name_list_free(&list);
    assert_int_equal(pix_name_list_read(&list, path, &error), PIX_EIO);
    assert_non_null(strstr(error.text, path));
    (void)snprintf(path, sizeof path, "%s/absent", folder);
    assert_int_equal(pix_name_list_read(&list, path, &error), PIX_ENOTFOUND);
    pix_name_list_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_names_the_object_and_the_cause),
        cmocka_unit_test(a_long_name_does_not_hide_the_cause),
        cmocka_unit_test(a_long_error_is_cut_at_a_character),
        cmocka_unit_test(an_array_that_cannot_grow_stays),
        cmocka_unit_test(utf8_is_checked_strictly),
        cmocka_unit_test(control_bytes_are_escaped),
        cmocka_unit_test(terminals_get_no_c1_controls),
        cmocka_unit_test(a_json_string_is_utf8_without_controls),
        cmocka_unit_test(numbers_are_parsed_strictly),
        cmocka_unit_test(thousands_are_separated),
        cmocka_unit_test(sha256_matches_its_standard),
        cmocka_unit_test(an_atomic_file_appears_only_when_committed),
        cmocka_unit_test(an_atomic_file_replaces_regular_files_alone),
        cmocka_unit_test(an_atomic_file_has_one_writer_and_survives_a_killed_one),
        cmocka_unit_test(an_atomic_file_is_locked_until_its_name_is_settled),
        cmocka_unit_test(a_folder_that_cannot_be_made_says_why),
        cmocka_unit_test(an_absolute_path_keeps_what_a_person_wrote),
        cmocka_unit_test(gzip_is_bounded_and_checked),
        cmocka_unit_test(a_closed_queue_drains),
        cmocka_unit_test(popping_an_empty_queue_times_out),
        cmocka_unit_test(a_path_beside_another_is_in_its_folder),
        cmocka_unit_test(a_folders_names_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
