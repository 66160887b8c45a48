#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "indexer/inode_set.h"
#include "indexer/walk.h"
#include "tests/support.h"

static const char *root;

/* Makes ROOT/NAME and its folders. */
static void make(const char *name) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    if (name[strlen(name) - 1] != '/')
        test_write_file(path, "x", 1);
}

static void link_to(const char *target, const char *name) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(symlink(target, path), 0);
}

/* The walk's entries as "name name ...", troubles as "!name"; closes it. */
static const char *entries(pix_walk *walk) {
    static pix_bytes out;
    pix_bytes_clear(&out);
    pix_error error;
    for (;;) {
        pix_walk_entry entry;
        assert_ok(pix_walk_next(walk, &entry, &error), &error);
        if (entry.kind == PIX_WALK_END)
            break;
        assert_memory_equal(entry.path, root, strlen(root));
        if (out.size > 0)
            pix_bytes_append_text(&out, " ");
        if (entry.kind == PIX_WALK_TROUBLE)
            pix_bytes_append_text(&out, "!");
        pix_bytes_append_text(&out, entry.path + strlen(root) + 1);
    }
    pix_walk_close(walk);
    return out.data ? out.data : "";
}

static const char *walk_below(const char *folder, const pix_walk_options *options) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s%s", root, folder[0] ? "/" : "", folder);
    pix_error error;
    pix_walk *walk;
    assert_ok(pix_walk_open(root, path, options, &walk, &error), &error);
    return entries(walk);
}

/* The same of a walk of parts, "name name ..."; "." is the root. */
static const char *walk_parts(const char *names, const pix_walk_options *options) {
    char words[256], paths[8][PATH_MAX], *save = NULL;
    const char *parts[8];
    size_t count = 0;
    (void)snprintf(words, sizeof words, "%s", names);
    for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        bool all = strcmp(word, ".") == 0;
        (void)snprintf(paths[count], PATH_MAX, "%s%s%s", root, all ? "" : "/", all ? "" : word);
        parts[count] = paths[count];
        count++;
    }
    pix_error error;
    pix_walk *walk;
    assert_ok(pix_walk_open_parts(root, parts, count, options, &walk, &error), &error);
    return entries(walk);
}

static const char *walk_all(const pix_walk_options *options) {
    return walk_below("", options);
}

static int fresh_root(void **state) {
    (void)state;
    root = test_folder();
    return 0;
}

static void entries_come_in_byte_order(void **state) {
    (void)state;
    make("b.jpg");
    make("a/2.jpg");
    make("a/10.jpg");
    make("B.jpg");
    make("c/d/e/f.png");
    assert_string_equal(walk_all(&(pix_walk_options){0}),
                        "B.jpg a/10.jpg a/2.jpg b.jpg c/d/e/f.png");
}

static void an_entry_carries_mtime_and_size(void **state) {
    (void)state;
    make("a.jpg");
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/a.jpg", root);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = -5, .tv_nsec = 7}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    pix_walk *walk;
    pix_walk_entry entry;
    pix_error error;
    pix_walk_options options = {0};
    assert_ok(pix_walk_open(root, root, &options, &walk, &error), &error);
    assert_ok(pix_walk_next(walk, &entry, &error), &error);
    assert_int_equal(entry.kind, PIX_WALK_PHOTO);
    assert_string_equal(entry.path, path);
    assert_int_equal(entry.mtime_ns, -4999999993);
    assert_int_equal(entry.size_bytes, 1);
    for (int again = 0; again < 2; again++) {
        assert_ok(pix_walk_next(walk, &entry, &error), &error);
        assert_int_equal(entry.kind, PIX_WALK_END);
    }
    pix_walk_close(walk);
}

static void extensions_decide_in_any_case(void **state) {
    (void)state;
    const char *photos[] = {"a.jpg", "a.Jpg",  "a.JPEG", "a.b.heic", "a.DNG",
                            "a.NEF", "a.tiff", "a.webp", "\xFF.png"};
    const char *others[] = {"a",     "jpg",   ".jpg",  "a.jpg.txt", "a.jp", "a.jpgx",
                            "a.svg", "a.mov", "a.xmp", "a.jpg~",    "a."};
    for (size_t i = 0; i < sizeof photos / sizeof *photos; i++)
        assert_true(pix_walk_is_photo_name(photos[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(pix_walk_is_photo_name(others[i]));
}

static void names_of_any_bytes_are_found(void **state) {
    (void)state;
    make("-r.jpg");
    make("a\nb.jpg");
    make("\xFF\xFE/\xC3.jpg");
    make(" .jpg");
    make("*.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){0}),
                        " .jpg *.jpg -r.jpg a\nb.jpg \xFF\xFE/\xC3.jpg");
}

static void hidden_names_need_a_wish(void **state) {
    (void)state;
    make(".a.jpg");
    make(".cache/b.jpg");
    make("c/.d/e.jpg");
    make("f.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){0}), "f.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.hidden = true}),
                        ".a.jpg .cache/b.jpg c/.d/e.jpg f.jpg");
    /* a folder that is named is not hidden */
    assert_string_equal(walk_below(".cache", &(pix_walk_options){0}), ".cache/b.jpg");
}

static void a_nomedia_folder_is_left_out(void **state) {
    (void)state;
    make("a/.nomedia");
    make("a/b.jpg");
    make("a/c/d.jpg");
    make("e.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.hidden = true}), "e.jpg");
}

static void patterns_exclude_by_name_and_by_path(void **state) {
    (void)state;
    make("thumbs/a.jpg");
    make("x/thumbs/b.jpg");
    make("x/c.jpg");
    make("x/y/c.png");
    make("d.png");
    const char *name[] = {"thumbs"}, *path[] = {"x/thumbs"}, *star[] = {"*.png"},
               *flat[] = {"x/*.png"}, *deep[] = {"x/*/*.png"}, *several[] = {"x", "d.png"};
    char absolute_pattern[PATH_MAX];
    (void)snprintf(absolute_pattern, sizeof absolute_pattern, "%s/x", root);
    const char *absolute[] = {absolute_pattern};
#define WITH(patterns) walk_all(&(pix_walk_options){.excludes = (patterns), .exclude_count = 1})
    assert_string_equal(WITH(name), "d.png x/c.jpg x/y/c.png");
    assert_string_equal(WITH(path), "d.png thumbs/a.jpg x/c.jpg x/y/c.png");
    assert_string_equal(WITH(star), "thumbs/a.jpg x/c.jpg x/thumbs/b.jpg");
    /* '*' does not cross a slash */
    assert_string_equal(WITH(flat), "d.png thumbs/a.jpg x/c.jpg x/thumbs/b.jpg x/y/c.png");
    assert_string_equal(WITH(deep), "d.png thumbs/a.jpg x/c.jpg x/thumbs/b.jpg");
    assert_string_equal(WITH(absolute), "d.png thumbs/a.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.excludes = several, .exclude_count = 2}),
                        "thumbs/a.jpg");
    /* paths are relative to the root also when only a part of it is walked */
    pix_walk_options options = {.excludes = path, .exclude_count = 1};
    assert_string_equal(walk_below("x", &options), "x/c.jpg x/y/c.png");
#undef WITH
}

static void links_are_followed_only_on_request(void **state) {
    (void)state;
    make("real/a.jpg");
    make("elsewhere.jpg");
    link_to("elsewhere.jpg", "link.jpg");
    link_to("nowhere", "broken.jpg");
    link_to("real", "folder");
    assert_string_equal(walk_all(&(pix_walk_options){0}), "elsewhere.jpg real/a.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.follow = true}),
                        "elsewhere.jpg link.jpg real/a.jpg");
}

static void a_photo_behind_a_cycle_is_found_once_under_its_real_path(void **state) {
    (void)state;
    make("x/y/photo.jpg");
    link_to("..", "x/up");
    link_to("../..", "x/y/top");
    link_to("x/y", "a");
    link_to("loop", "loop");
    link_to(".", "x/self.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.follow = true}), "x/y/photo.jpg");
}

static void a_folder_outside_is_entered_once_through_links(void **state) {
    (void)state;
    char outside[PATH_MAX];
    (void)snprintf(outside, sizeof outside, "%s", test_folder());
    char photo[PATH_MAX + 8];
    (void)snprintf(photo, sizeof photo, "%s/o.jpg", outside);
    test_write_file(photo, "x", 1);
    make("a.jpg");
    link_to(outside, "l1");
    link_to(outside, "l2");
    assert_string_equal(walk_all(&(pix_walk_options){.follow = true}), "a.jpg l1/o.jpg");
}

static void special_files_are_no_photos(void **state) {
    (void)state;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/pipe.jpg", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    make("folder.jpg/a.jpg");
    link_to("pipe.jpg", "link.jpg");
    assert_string_equal(walk_all(&(pix_walk_options){.follow = true}), "folder.jpg/a.jpg");
}

static void an_unreadable_folder_is_reported_and_the_walk_goes_on(void **state) {
    (void)state;
    make("a.jpg");
    make("closed/b.jpg");
    make("half/c.jpg");
    make("z.jpg");
    char closed[PATH_MAX], half[PATH_MAX];
    (void)snprintf(closed, sizeof closed, "%s/closed", root);
    (void)snprintf(half, sizeof half, "%s/half", root);
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(chmod(closed, 0), 0);
    assert_int_equal(chmod(half, 0444), 0); /* names can be listed, nothing more */
    uid_t user = geteuid();
    if (user == 0) /* root may read everything */
        assert_int_equal(seteuid(65534), 0);
    const char *entries = walk_all(&(pix_walk_options){0});
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(closed, 0700), 0);
    assert_int_equal(chmod(half, 0700), 0);
    assert_string_equal(entries, "a.jpg !closed !half/c.jpg z.jpg");
}

/* Nesting of which only the part that can have a path is walked; the rest is reported. */
static ino_t failing_inode; /* 0: none */

/* In the place of libc's. */
int fstat(int fd, struct stat *info) {
    int result = fstatat(fd, "", info, AT_EMPTY_PATH);
    if (result || failing_inode == 0 || info->st_ino != failing_inode)
        return result;
    errno = EIO;
    return -1;
}

static void a_folder_that_cannot_be_told_from_others_is_reported(void **state) {
    (void)state;
    make("a.jpg");
    make("failing/b.jpg");
    make("z.jpg");
    char path[PATH_MAX];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/failing", root);
    assert_int_equal(stat(path, &info), 0);
    failing_inode = info.st_ino;
    const char *found = walk_all(&(pix_walk_options){.follow = true});
    failing_inode = 0;
    assert_string_equal(found, "a.jpg !failing z.jpg");
}

static void a_path_too_long_for_the_system_is_reported(void **state) {
    (void)state;
    make("a.jpg");
    char name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 25; depth++) {
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    const char *entries = walk_all(&(pix_walk_options){0});
    assert_memory_equal(entries, "a.jpg !nnn", 10);
    assert_null(strchr(entries + 7, ' '));
    assert_true(strlen(entries) > PATH_MAX - 400);
}

static void nesting_is_bounded(void **state) {
    (void)state;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 0; depth < 450; depth++) {
        assert_int_equal(mkdirat(fd, "n", 0700), 0);
        int next = openat(fd, "n", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    const char *entries = walk_all(&(pix_walk_options){0});
    assert_int_equal(strlen(entries), 1 + 2 * 400 - 1);
    assert_int_equal(entries[0], '!');
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
    (void)state;
    pix_walk *walk;
    pix_walk_options options = {0};
    pix_error error;
    assert_int_equal(pix_walk_open("/nonexistent", "/nonexistent", &options, &walk, &error),
                     PIX_ENOTFOUND);
    assert_null(walk);
    assert_string_equal(error.text, "/nonexistent: No such file or directory");
}

static void an_inode_set_keeps_every_pair(void **state) {
    (void)state;
    pix_inode_set set = {0};
    bool added;
    for (int round = 0; round < 2; round++)
        for (unsigned device = 0; device < 3; device++)
            for (ino_t inode = 0; inode < 1000; inode++) {
                assert_int_equal(pix_inode_set_add(&set, device, inode * 4096, &added), PIX_OK);
                assert_int_equal(added, round == 0);
            }
    assert_int_equal(set.count, 3000);
    pix_inode_set_free(&set);
}

static void parts_are_what_a_walk_of_the_root_would_meet(void **state) {
    (void)state;
    pix_walk_options plain = {0}, hidden = {.hidden = true};
    make("a.jpg");
    make("b/c.jpg");
    make("b/d/e.jpg");
    make("b/notes.txt");
    make(".h/f.jpg");
    make("quiet/.nomedia");
    make("quiet/g.jpg");
    make("quiet/deep/h.jpg");
    make("folder.jpg/i.jpg");
    link_to("a.jpg", "link.jpg");
    assert_string_equal(walk_parts("b/d a.jpg", &plain), "b/d/e.jpg a.jpg");
    assert_string_equal(walk_parts("b/c.jpg b/notes.txt gone.jpg gone/deep.jpg link.jpg", &plain),
                        "b/c.jpg");
    assert_string_equal(walk_parts("a.jpg/b.jpg folder.jpg", &plain), "folder.jpg/i.jpg");
    assert_string_equal(walk_parts(".h .h/f.jpg quiet quiet/g.jpg quiet/deep/h.jpg", &plain), "");
    assert_string_equal(walk_parts(".h/f.jpg quiet/deep", &hidden), ".h/f.jpg");
    const char *excludes[] = {"b/d", "a.*"};
    pix_walk_options less = {.excludes = excludes, .exclude_count = 2};
    assert_string_equal(walk_parts("a.jpg b/d/e.jpg b", &less), "b/c.jpg");
    assert_string_equal(walk_parts(".", &less), walk_below("", &less));
    assert_string_equal(walk_parts("", &plain), "");
}

static void note_folder(void *context, const char *folder) {
    pix_bytes *folders = context;
    assert_int_equal(pix_bytes_append_text(folders, folder + strlen(root)), PIX_OK);
    assert_int_equal(pix_bytes_append_text(folders, " "), PIX_OK);
}

static void folders_are_told_of_before_they_are_listed(void **state) {
    (void)state;
    pix_bytes folders = {0};
    make("a/b/c.jpg");
    make("empty/");
    make(".hidden/d.jpg");
    make("quiet/.nomedia");
    pix_walk_options options = {.entering = note_folder, .context = &folders};
    assert_string_equal(walk_below("", &options), "a/b/c.jpg");
    assert_string_equal(folders.data, " /a /a/b /empty /quiet ");
    pix_bytes_free(&folders);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(entries_come_in_byte_order, fresh_root),
        cmocka_unit_test_setup(an_entry_carries_mtime_and_size, fresh_root),
        cmocka_unit_test(extensions_decide_in_any_case),
        cmocka_unit_test_setup(names_of_any_bytes_are_found, fresh_root),
        cmocka_unit_test_setup(hidden_names_need_a_wish, fresh_root),
        cmocka_unit_test_setup(a_nomedia_folder_is_left_out, fresh_root),
        cmocka_unit_test_setup(patterns_exclude_by_name_and_by_path, fresh_root),
        cmocka_unit_test_setup(links_are_followed_only_on_request, fresh_root),
        cmocka_unit_test_setup(a_photo_behind_a_cycle_is_found_once_under_its_real_path,
                               fresh_root),
        cmocka_unit_test_setup(a_folder_outside_is_entered_once_through_links, fresh_root),
        cmocka_unit_test_setup(special_files_are_no_photos, fresh_root),
        cmocka_unit_test_setup(an_unreadable_folder_is_reported_and_the_walk_goes_on, fresh_root),
        cmocka_unit_test_setup(a_folder_that_cannot_be_told_from_others_is_reported, fresh_root),
        cmocka_unit_test_setup(a_path_too_long_for_the_system_is_reported, fresh_root),
        cmocka_unit_test_setup(nesting_is_bounded, fresh_root),
        cmocka_unit_test_setup(parts_are_what_a_walk_of_the_root_would_meet, fresh_root),
        cmocka_unit_test_setup(folders_are_told_of_before_they_are_listed, fresh_root),
        cmocka_unit_test(a_folder_that_is_not_there_is_an_error),
        cmocka_unit_test(an_inode_set_keeps_every_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
