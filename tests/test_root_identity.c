#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/paths.h"
#include "indexer/root_identity.h"
#include "indexer/targets.h"
#include "tests/support.h"

/* Identifies FOLDER with a mountinfo of these lines. */
static pix_root_identity identify(const char *folder, const char *mountinfo) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/mountinfo", test_folder());
    test_write_file(path, mountinfo, strlen(mountinfo));
    pix_identity_sources sources = {.mountinfo = path, .by_uuid = "/nonexistent"};
    pix_root_identity identity;
    pix_error error;
    assert_ok(pix_root_identify(folder, &sources, &identity, &error), &error);
    return identity;
}

static void the_longest_mount_point_counts(void **state) {
    (void)state;
    char inner[64], text[512];
    (void)snprintf(inner, sizeof inner, "%s", test_folder());
    (void)snprintf(text, sizeof text,
                   "22 1 254:0 / / rw - ext4 /dev/nonexistent rw\n"
                   "23 22 0:31 / %s rw shared:7 master:1 - nfs4 server:/photos rw\n"
                   "24 22 0:32 / %.8s rw - tmpfs other rw\n",
                   inner, inner);
    pix_root_identity identity = identify(inner, text);
    assert_string_equal(identity.text, "nfs4:server:/photos");
    assert_true(identity.is_mount);
    assert_false(identity.untold);
    identity = identify("/", text);
    assert_string_equal(identity.text, "ext4:/dev/nonexistent");
    assert_true(identity.is_mount);
    identity = identify("/usr", text);
    assert_string_equal(identity.text, "ext4:/dev/nonexistent");
    assert_false(identity.is_mount);
}

static void the_last_of_stacked_mounts_counts(void **state) {
    (void)state;
    assert_string_equal(identify("/usr", "22 1 254:0 / / rw - ext4 a rw\n"
                                         "23 1 254:1 / /usr rw - ext4 b rw\n"
                                         "24 1 254:2 / /usr rw - ext4 c rw\n")
                            .text,
                        "ext4:c");
}

/* A table of mounts that cannot be opened: a link to itself, whose path is put into `loop`. */
static pix_identity_sources sources_in_a_loop(char loop[PATH_MAX]) {
    (void)snprintf(loop, PATH_MAX, "%s/loop", test_folder());
    assert_int_equal(symlink("loop", loop), 0);
    return (pix_identity_sources){.mountinfo = loop, .by_uuid = "/nonexistent"};
}

static void mounts_that_cannot_be_read_are_told(void **state) {
    (void)state;
    char loop[PATH_MAX];
    pix_identity_sources sources = sources_in_a_loop(loop);
    pix_root_identity identity;
    pix_error error;
    assert_int_equal(pix_root_identify("/usr", &sources, &identity, &error), PIX_EIO);
    assert_non_null(strstr(error.text, loop));
    sources.mountinfo = "/nonexistent"; /* without /proc */
    assert_ok(pix_root_identify("/usr", &sources, &identity, &error), &error);
    assert_string_equal(identity.text, "unknown");
    assert_true(identity.untold);
}

/* What is not in it, or in the part of it that could be read, would be taken for unmounted. */
static void a_table_that_fails_tells_of_no_mounts(void **state) {
    (void)state;
    char loop[PATH_MAX];
    pix_identity_sources sources = sources_in_a_loop(loop);
    pix_root_identity identity;
    pix_bytes text = {0};
    pix_error error;
    assert_int_equal(pix_mounts_describe("/usr", &sources, &text, &error), PIX_EIO);
    sources.mountinfo = "/"; /* opens, and cannot be read */
    assert_true(pix_mounts_describe("/usr", &sources, &text, &error) != PIX_OK);
    assert_true(pix_root_identify("/usr", &sources, &identity, &error) != PIX_OK);
    assert_string_equal(error.text, "/: Is a directory");
    assert_int_equal(text.size, 0);
    sources.mountinfo = "/nonexistent";
    assert_ok(pix_mounts_describe("/usr", &sources, &text, &error), &error);
    assert_int_equal(text.size, 0);
    pix_bytes_free(&text);
}

static void escapes_are_undone(void **state) {
    (void)state;
    char folder[128], text[512];
    (void)snprintf(folder, sizeof folder, "%s/a b\\c", test_folder());
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)snprintf(text, sizeof text, "22 1 0:5 / %.*s\\040b\\134c rw - fuse.x my\\040source rw\n",
                   (int)(strlen(folder) - 4), folder);
    pix_root_identity identity = identify(folder, text);
    assert_string_equal(identity.text, "fuse.x:my source");
    assert_true(identity.is_mount);
}

static void a_part_of_a_file_system_is_told(void **state) {
    (void)state;
    const char *text = "22 1 254:0 / / rw - ext4 a rw\n"
                       "23 22 254:0 /srv/my\\040photos /usr rw - ext4 a rw\n";
    assert_string_equal(identify("/", text).inside, "/");
    assert_string_equal(identify("/usr", text).inside, "/srv/my photos");
    assert_string_equal(identify("/usr", "").inside, "/");
}

static const char *described(const char *folder, const char *mountinfo) {
    static pix_bytes text;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/mountinfo", test_folder());
    test_write_file(path, mountinfo, strlen(mountinfo));
    pix_identity_sources sources = {.mountinfo = path};
    pix_bytes_clear(&text);
    assert_int_equal(pix_bytes_append_text(&text, ""), PIX_OK);
    pix_error error;
    assert_ok(pix_mounts_describe(folder, &sources, &text, &error), &error);
    return text.data;
}

static void what_is_mounted_below_a_folder_has_a_text(void **state) {
    (void)state;
    assert_string_equal(described("/p", "22 1 254:0 / / rw - ext4 a rw\n"
                                        "23 22 0:31 / /p rw - ext4 b rw\n"
                                        "24 23 0:32 / /p/usb rw - vfat c rw\n"
                                        "25 22 0:33 / /pq rw - vfat d rw\n"
                                        "26 24 0:34 / /p/usb/deep rw - vfat e rw\n"),
                        "24 0:32 / /p/usb\n26 0:34 / /p/usb/deep\n");
    assert_string_equal(described("/", "22 1 254:0 / / rw - ext4 a rw\n"
                                       "23 22 0:31 / /p rw - ext4 b rw\n"),
                        "23 0:31 / /p\n");
}

static void what_is_mounted_when_needed_makes_no_difference(void **state) {
    (void)state;
    static const char automount[] = "23 22 0:31 / /p/net rw - autofs systemd-1 rw\n";
    char text[512];
    (void)snprintf(text, sizeof text,
                   "%s24 23 0:32 / /p/net rw - nfs4 s:/ rw\n"
                   "25 23 0:33 / /p/net/a rw - nfs4 s:/a rw\n",
                   automount);
    assert_string_equal(described("/p", automount), "23 0:31 / /p/net\n");
    assert_string_equal(described("/p", text), "23 0:31 / /p/net\n");
}

static void broken_lines_are_passed_over(void **state) {
    (void)state;
    assert_string_equal(identify("/usr", "\n22\n22 1 x / / rw - ext4 no rw\n"
                                         "22 1 254:0 / / rw ext4 no rw\n"
                                         "22 1 254:0 / / rw - ext4\n"
                                         "22 1 254:0 / / rw - xfs yes rw")
                            .text,
                        "xfs:yes");
    assert_string_equal(identify("/usr", "").text, "unknown");
}

static void the_file_system_uuid_comes_first(void **state) {
    (void)state;
    char folder[64], path[PATH_MAX], text[256];
    struct stat info;
    const char *devices[] = {"/dev/loop0", "/dev/vda", "/dev/sda", "/dev/nvme0n1"};
    size_t found = 0;
    while (found < 4 && (stat(devices[found], &info) || !S_ISBLK(info.st_mode)))
        found++;
    if (found == 4)
        test_skip("there is no block device here");
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    (void)snprintf(path, sizeof path, "%s/1234-ABCD", folder);
    assert_int_equal(symlink(devices[found], path), 0);
    char mountinfo[PATH_MAX];
    (void)snprintf(mountinfo, sizeof mountinfo, "%s/mountinfo", folder);
    /* as btrfs: an anonymous device number, the device only as source */
    (void)snprintf(text, sizeof text, "22 1 0:40 / / rw - btrfs %s rw\n", devices[found]);
    test_write_file(mountinfo, text, strlen(text));
    pix_identity_sources sources = {.mountinfo = mountinfo, .by_uuid = folder};
    pix_root_identity identity;
    pix_error error;
    assert_ok(pix_root_identify("/usr", &sources, &identity, &error), &error);
    assert_string_equal(identity.text, "uuid:1234-ABCD");
}

static void the_kernel_is_asked_without_sources(void **state) {
    (void)state;
    pix_root_identity identity;
    pix_error error;
    assert_ok(pix_root_identify("/proc/sys", NULL, &identity, &error), &error);
    assert_string_equal(identity.text, "proc:proc");
    assert_int_equal(pix_root_identify("/nonexistent", NULL, &identity, &error), PIX_ENOTFOUND);
}

static void a_path_is_within_itself_and_its_parents_only(void **state) {
    (void)state;
    assert_true(pix_path_is_within("/a/b", "/a/b"));
    assert_true(pix_path_is_within("/a/b/c", "/a/b"));
    assert_true(pix_path_is_within("/a", "/"));
    assert_true(pix_path_is_within("/", "/"));
    assert_false(pix_path_is_within("/a/bc", "/a/b"));
    assert_false(pix_path_is_within("/A/b", "/a"));
    assert_false(pix_path_is_within("/a", "/a/b"));
    assert_string_equal(pix_path_relative("/a/b/c", "/a"), "b/c");
    assert_string_equal(pix_path_relative("/a/b", "/"), "a/b");
    assert_string_equal(pix_path_relative("/a", "/a"), "/a");
}

static void a_sorted_list_finds_its_paths(void **state) {
    (void)state;
    pix_paths paths = {0};
    char path[16];
    assert_false(pix_paths_has(&paths, "/1"));
    for (int i = 99; i >= 0; i--) {
        (void)snprintf(path, sizeof path, "/%d", i);
        assert_int_equal(pix_paths_add(&paths, path), PIX_OK);
    }
    pix_paths_sort(&paths);
    assert_true(pix_paths_has(&paths, "/0"));
    assert_true(pix_paths_has(&paths, "/73"));
    assert_false(pix_paths_has(&paths, "/100"));
    pix_paths_free(&paths);
}

static void a_missing_folder_gets_a_clean_path(void **state) {
    (void)state;
    const char *cases[][2] = {{"/nonexistent/", "/nonexistent"},
                              {"//nonexistent/./a/../b//", "/nonexistent/b"},
                              {"/nonexistent/../../..", "/"},
                              {"/usr/", "/usr"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool exists;
        char *path = pix_folder_path(cases[i][0], &exists, NULL);
        assert_string_equal(path, cases[i][1]);
        free(path);
    }
    bool exists;
    char *path = pix_folder_path("no-such-folder-here", &exists, NULL), *here = getcwd(NULL, 0);
    assert_false(exists);
    assert_memory_equal(path, here, strlen(here));
    assert_string_equal(path + strlen(here), "/no-such-folder-here");
    free(path);
    free(here);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_mount_point_counts),
        cmocka_unit_test(the_last_of_stacked_mounts_counts),
        cmocka_unit_test(a_part_of_a_file_system_is_told),
        cmocka_unit_test(what_is_mounted_below_a_folder_has_a_text),
        cmocka_unit_test(what_is_mounted_when_needed_makes_no_difference),
        cmocka_unit_test(mounts_that_cannot_be_read_are_told),
        cmocka_unit_test(a_table_that_fails_tells_of_no_mounts),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(broken_lines_are_passed_over),
        cmocka_unit_test(the_file_system_uuid_comes_first),
        cmocka_unit_test(the_kernel_is_asked_without_sources),
        cmocka_unit_test(a_path_is_within_itself_and_its_parents_only),
        cmocka_unit_test(a_sorted_list_finds_its_paths),
        cmocka_unit_test(a_missing_folder_gets_a_clean_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
