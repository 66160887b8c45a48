#include "core/clip/library.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/files.h"
#include "tests/model_support.h"

/* Every test begins with an empty library of its own, and nothing bundled. */
static const char *home;
static char prefix[4096]; /* what the running copy of this program is installed under */

static int empty_library(void **state) {
    (void)state;
    home = test_folder();
    return setenv("XDG_DATA_HOME", home, 1);
}

static void write_model(const char *name, const char *path) {
    pix_clip_config config = test_small_config();
    char source[4096];
    pix_import_report report;
    pix_error error;
    (void)snprintf(source, sizeof source, "%s/source.safetensors", home);
    test_write_checkpoint(source, &config, NULL);
    assert_ok(pix_model_import(source, name, path, NULL, &report, &error), &error);
}

static void add_model(const char *name) {
    char *path;
    pix_error error;
    assert_ok(pix_library_path(name, &path, &error), &error);
    write_model(name, path);
    free(path);
}

static const char *bundled_path(const char *name) {
    static char path[4400];
    (void)snprintf(path, sizeof path, "%s/share/pixgrep/models/%s.pixm", prefix, name);
    return path;
}

static void bundle_model(const char *name) {
    write_model(name, bundled_path(name));
}

static int remove_bundled(void **state) {
    (void)state;
    static const char *const names[] = {"tiny", "other"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(bundled_path(names[i]));
    return 0;
}

static void a_model_lies_under_its_name(void **state) {
    (void)state;
    char *path, expected[4096];
    pix_error error;
    assert_ok(pix_library_path("ViT-B_32@336+x.1", &path, &error), &error);
    (void)snprintf(expected, sizeof expected, "%s/pixgrep/models/ViT-B_32@336+x.1.pixm", home);
    assert_string_equal(path, expected);
    free(path);
    char long_name[129];
    memset(long_name, 'x', 128);
    long_name[128] = '\0';
    const char *bad[] = {"",    ".",   "..",  ".hidden",  "-x",
                         "a/b", "a b", "a\n", "\xC3\xA9", long_name};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(pix_library_path(bad[i], &path, &error), PIX_EINVALID);
        assert_null(path);
        assert_int_equal(pix_library_use(bad[i], &error), PIX_EINVALID);
        assert_int_equal(pix_library_remove(bad[i], &error), PIX_EINVALID);
    }
    long_name[127] = '\0';
    assert_ok(pix_library_path(long_name, &path, &error), &error);
    free(path);
}

static void a_name_comes_from_the_file_or_its_folder(void **state) {
    (void)state;
    static const struct {
        const char *source, *name;
    } cases[] = {
        {"ViT-B-32.pt", "ViT-B-32"},
        {"/home/a/ViT-B-32.pt", "ViT-B-32"},
        {"weights/clip.v2.safetensors", "clip.v2"},
        {"clip-vit-base-patch32/", "clip-vit-base-patch32"},
        {"a/clip-vit-base-patch32///", "clip-vit-base-patch32"},
        {"a/clip-large/model.safetensors", "clip-large"},
        {"a/clip-large/pytorch_model.bin", "clip-large"},
        {"model.safetensors", "clip-large"},
        {"./pytorch_model.bin", "clip-large"},
        {"model.safetensors.index.json", "clip-large"},
        {"model-00001-of-00002.safetensors", "clip-large"},
        {"big-00001-of-00002.bin", "big"},
        {"big-00001-of-0002.bin", "big-00001-of-0002"},
        {".", "clip-large"},
        {"././/", "clip-large"},
        {"laion/CLIP-ViT-B-32/open_clip_pytorch_model.bin", "CLIP-ViT-B-32"},
        {"big/clip-1-of-3.safetensors", "clip"},
        {"big/best-of-both.pt", "best-of-both"},
        {"ViT-L/14@336px.pt", "14@336px"},
        {"my weights (1).pt", "my_weights__1_"},
        {".hidden.pt", "hidden"},
        {"--x.pt", "x"},
        {"\xC3\xA9t\xC3\xA9.pt", "__t__"},
        {".pt", "pt"},
        {"/", "model"},
        {"..", "model"},
        {"/model.safetensors", "model"},
        {"", "clip-large"},
    };
    char before[4096], folder[4096];
    assert_non_null(getcwd(before, sizeof before));
    (void)snprintf(folder, sizeof folder, "%s/clip-large", test_folder());
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chdir(folder), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = pix_library_name_for(cases[i].source), *path;
        assert_string_equal(name, cases[i].name);
        assert_int_equal(pix_library_path(name, &path, NULL), PIX_OK);
        free(path);
        free(name);
    }
    char source[400];
    memset(source, 'y', sizeof source - 1);
    source[sizeof source - 1] = '\0';
    char *name = pix_library_name_for(source);
    assert_int_equal(strlen(name), 127);
    free(name);
    assert_int_equal(chdir(before), 0);
}

static void an_empty_library_says_how_to_begin(void **state) {
    (void)state;
    pix_model *model;
    char *current;
    pix_error error;
    assert_ok(pix_library_current(&current, &error), &error);
    assert_null(current);
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_null(model);
    assert_non_null(strstr(error.text, "run: pixgrepd model import"));
    assert_non_null(strstr(error.text, "or: pixgrep-fetch-model ViT-B/32"));
    assert_int_equal(pix_library_open("absent", &model, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "no model is called absent"));
    assert_int_equal(pix_library_use("absent", &error), PIX_ENOTFOUND);
    assert_int_equal(pix_library_remove("absent", &error), PIX_ENOTFOUND);
}

static void the_model_in_use_is_the_one_opened(void **state) {
    (void)state;
    pix_model *model;
    char *current;
    pix_error error;
    add_model("one");
    add_model("two");
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_ok(pix_library_use("one", &error), &error);
    assert_ok(pix_library_use("two", &error), &error);
    assert_ok(pix_library_current(&current, &error), &error);
    assert_string_equal(current, "two");
    free(current);
    assert_ok(pix_library_open(NULL, &model, &error), &error);
    assert_string_equal(pix_model_name(model), "two");
    pix_model_close(model);
    assert_ok(pix_library_open("one", &model, &error), &error);
    assert_string_equal(pix_model_name(model), "one");
    char *path = strdup(pix_model_path(model));
    pix_model_close(model);
    assert_ok(pix_library_open(path, &model, &error), &error);
    assert_string_equal(pix_model_path(model), path);
    pix_model_close(model);
    free(path);
}

static void removing_the_model_in_use_leaves_none(void **state) {
    (void)state;
    char *current, *path;
    pix_error error;
    add_model("one");
    add_model("two");
    assert_ok(pix_library_use("two", &error), &error);
    assert_ok(pix_library_remove("one", &error), &error);
    assert_ok(pix_library_current(&current, &error), &error);
    assert_string_equal(current, "two");
    free(current);
    assert_ok(pix_library_remove("two", &error), &error);
    assert_ok(pix_library_current(&current, &error), &error);
    assert_null(current);
    assert_ok(pix_library_path("two", &path, &error), &error);
    assert_false(test_exists(path));
    free(path);
    pix_model *model;
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "no model has been imported; run: pixgrepd model import"));
    add_model("three");
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "run: pixgrepd model use NAME (there is three)"));
}

static void a_choice_that_cannot_be_opened_is_not_made(void **state) {
    (void)state;
    char *current, *path;
    pix_error error;
    add_model("good");
    assert_ok(pix_library_use("good", &error), &error);
    assert_ok(pix_library_path("bad", &path, &error), &error);
    test_write_file(path, "junk", 4);
    free(path);
    assert_int_equal(pix_library_use("bad", &error), PIX_EFORMAT);
    assert_non_null(strstr(error.text, "bad.pixm: not a pixgrep model"));
    assert_ok(pix_library_current(&current, &error), &error);
    assert_string_equal(current, "good");
    free(current);
}

static void a_choice_whose_file_is_gone_says_so(void **state) {
    (void)state;
    char *path;
    pix_model *model;
    pix_error error;
    add_model("one");
    assert_ok(pix_library_use("one", &error), &error);
    assert_ok(pix_library_path("one", &path, &error), &error);
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "one"));
    assert_non_null(strstr(error.text, "pixgrepd model use"));
}

static void a_spoilt_choice_is_named(void **state) {
    (void)state;
    char path[4096];
    char *current;
    pix_error error;
    add_model("one");
    (void)snprintf(path, sizeof path, "%s/pixgrep/models/current", home);
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{"", 0}, {"\n", 1}, {"../x\n", 5}, {"one\ntwo\n", 8}, {"on\0e\n", 5}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_write_file(path, bad[i].text, bad[i].size);
        assert_int_equal(pix_library_current(&current, &error), PIX_EFORMAT);
        assert_null(current);
        assert_non_null(strstr(error.text, "models/current: not a model's name"));
    }
    test_write_file(path, "one", 3); /* written by hand, without a newline */
    assert_ok(pix_library_current(&current, &error), &error);
    assert_string_equal(current, "one");
    free(current);
}

typedef struct listing {
    char text[256];
    int stop_after;
} listing;

static pix_status note(void *context, const char *name) {
    listing *list = context;
    size_t length = strlen(list->text);
    (void)snprintf(list->text + length, sizeof list->text - length, "%s ", name);
    return --list->stop_after == 0 ? PIX_ECANCELLED : PIX_OK;
}

static void models_are_listed_in_order(void **state) {
    (void)state;
    listing list = {.stop_after = -1};
    pix_error error;
    assert_ok(pix_library_list(note, &list, &error), &error);
    assert_string_equal(list.text, "");
    add_model("b");
    add_model("c");
    add_model("a");
    static const char *const others[] = {"x.pixm.tmp-123", "current", "notes.txt", ".pixm",
                                         ".d.pixm"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/pixgrep/models/%s", home, others[i]);
        test_write_file(path, "", 0);
    }
    assert_ok(pix_library_list(note, &list, &error), &error);
    assert_string_equal(list.text, "a b c ");
    list = (listing){.stop_after = 2};
    assert_int_equal(pix_library_list(note, &list, &error), PIX_ECANCELLED);
    assert_string_equal(list.text, "a b ");
}

static void what_killed_imports_left_is_removed(void **state) {
    (void)state;
    static const char *const names[] = {"dead.pixm.tmp", "current.tmp", "my.tmp", "live.pixm.tmp"};
    char path[4096];
    add_model("a");
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/pixgrep/models/%s", home, names[i]);
        test_write_file(path, "", 0);
    }
    int live = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(live, LOCK_EX), 0);
    pix_library_tidy();
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/pixgrep/models/%s", home, names[i]);
        assert_int_equal(test_exists(path), i >= 2);
    }
    close(live);
}

static void bundled_models_come_after_the_persons_own(void **state) {
    (void)state;
    pix_error error;
    pix_model *model;
    char *own;
    bundle_model("other");
    add_model("other");
    assert_ok(pix_library_path("other", &own, &error), &error);

    assert_ok(pix_library_open("other", &model, &error), &error);
    assert_string_equal(pix_model_path(model), own);
    assert_false(pix_library_is_bundled(model));
    pix_model_close(model);
    listing list = {.stop_after = -1};
    assert_ok(pix_library_list(note, &list, &error), &error);
    assert_string_equal(list.text, "other ");
    assert_ok(pix_library_remove("other", &error), &error);
    assert_ok(pix_library_open("other", &model, &error), &error);
    assert_string_equal(pix_model_path(model), bundled_path("other"));
    assert_true(pix_library_is_bundled(model));
    pix_model_close(model);
    assert_ok(pix_library_use("other", &error), &error);
    assert_int_equal(pix_library_remove("other", &error), PIX_EUNSUPPORTED);
    assert_string_equal(error.text, "other is bundled with pixgrep and cannot be removed");
    assert_true(test_exists(bundled_path("other")));
    free(own);
}

/* Opens what is used when no model is named, and tells it by its name. */
static void assert_in_use(const char *expected, bool noticed) {
    pix_error error;
    pix_model *model;
    char *name;
    assert_ok(pix_library_in_use(&name, &error), &error);
    assert_string_equal(name, expected);
    free(name);
    assert_ok(pix_library_open(NULL, &model, &error), &error);
    assert_string_equal(pix_model_name(model), expected);
    const char *notice = pix_library_notice(NULL, model);
    assert_int_equal(pix_library_stands_in(NULL, model), noticed);
    assert_int_equal(notice != NULL, noticed);
    if (notice) {
        assert_non_null(strstr(notice, "bundled model tiny"));
        assert_non_null(strstr(notice, "pixgrep-fetch-model"));
    }
    assert_null(pix_library_notice(pix_model_name(model), model));
    pix_model_close(model);
}

static void tiny_stands_in_until_a_model_is_imported(void **state) {
    (void)state;
    pix_error error;
    pix_model *model;
    char *name;
    bundle_model("other"); /* only the one called tiny stands in */
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    bundle_model("tiny");
    assert_in_use("tiny", true);
    assert_ok(pix_library_current(&name, &error), &error);
    assert_null(name);

    add_model("one");
    assert_int_equal(pix_library_open(NULL, &model, &error), PIX_ENOTFOUND);
    assert_non_null(strstr(error.text, "run: pixgrepd model use NAME (there is one)"));
    assert_ok(pix_library_in_use(&name, &error), &error);
    assert_null(name);
    assert_ok(pix_library_use("one", &error), &error);
    assert_in_use("one", false);
    assert_ok(pix_library_remove("one", &error), &error);
    assert_in_use("tiny", true);
}

static void what_stood_in_can_be_kept(void **state) {
    (void)state;
    pix_error error;
    bundle_model("tiny");
    add_model("one");
    assert_ok(pix_library_keep("tiny", &error), &error);
    assert_in_use("tiny", false);
    assert_ok(pix_library_use("one", &error), &error);
    assert_ok(pix_library_keep("tiny", &error), &error);
    assert_in_use("one", false);
}

static void a_bundled_model_that_was_chosen_is_not_told_of(void **state) {
    (void)state;
    pix_error error;
    bundle_model("tiny");
    assert_ok(pix_library_use("tiny", &error), &error);
    assert_in_use("tiny", false);
    add_model("one");
    assert_in_use("tiny", false);
}

static void without_a_home_there_is_still_the_bundled_model(void **state) {
    (void)state;
    pix_error error;
    pix_model *model;
    char *name, *kept = NULL;
    const char *before = getenv("HOME");
    if (before)
        assert_non_null(kept = strdup(before));
    bundle_model("tiny");
    assert_int_equal(unsetenv("XDG_DATA_HOME") | unsetenv("HOME"), 0);
    assert_in_use("tiny", true);
    assert_ok(pix_library_open("tiny", &model, &error), &error);
    pix_model_close(model);
    assert_int_equal(pix_library_open("absent", &model, &error), PIX_ENOTFOUND);
    assert_int_equal(pix_library_current(&name, &error), PIX_ENOTFOUND);
    assert_int_equal(pix_library_use("tiny", &error), PIX_ENOTFOUND);
    if (kept)
        assert_int_equal(setenv("HOME", kept, 1), 0);
    free(kept);
}

/* PREFIX is where the running program lies, and the build tree's models are for others: the tests
 * run in a copy of the program under a prefix of their own. */
static int run_copy(void) {
    char folder[4096], program[4400];
    pix_bytes bytes = {0};
    pix_error error;
    (void)snprintf(folder, sizeof folder, "%s/bin", test_folder());
    assert_ok(pix_folder_make(folder, &error), &error);
    (void)snprintf(program, sizeof program, "%s/test_library", folder);
    assert_ok(pix_file_read("/proc/self/exe", SIZE_MAX, &bytes, &error), &error);
    test_write_file(program, bytes.data, bytes.size);
    pix_bytes_free(&bytes);
    assert_int_equal(chmod(program, 0700), 0);
    char *arguments[] = {program, "copy", NULL};
    pid_t child;
    int state = 0;
    assert_int_equal(posix_spawn(&child, program, NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 1;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return run_copy();
    (void)snprintf(prefix, sizeof prefix, "%s", argv[0]);
    for (int levels = 0; levels < 2; levels++)
        *strrchr(prefix, '/') = '\0';
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_model_lies_under_its_name, empty_library),
        cmocka_unit_test_setup(a_name_comes_from_the_file_or_its_folder, empty_library),
        cmocka_unit_test_setup(an_empty_library_says_how_to_begin, empty_library),
        cmocka_unit_test_setup(the_model_in_use_is_the_one_opened, empty_library),
        cmocka_unit_test_setup(removing_the_model_in_use_leaves_none, empty_library),
        cmocka_unit_test_setup(a_choice_that_cannot_be_opened_is_not_made, empty_library),
        cmocka_unit_test_setup(a_choice_whose_file_is_gone_says_so, empty_library),
        cmocka_unit_test_setup(a_spoilt_choice_is_named, empty_library),
        cmocka_unit_test_setup(models_are_listed_in_order, empty_library),
        cmocka_unit_test_setup(what_killed_imports_left_is_removed, empty_library),
        cmocka_unit_test_setup_teardown(bundled_models_come_after_the_persons_own, empty_library,
                                        remove_bundled),
        cmocka_unit_test_setup_teardown(tiny_stands_in_until_a_model_is_imported, empty_library,
                                        remove_bundled),
        cmocka_unit_test_setup_teardown(what_stood_in_can_be_kept, empty_library, remove_bundled),
        cmocka_unit_test_setup_teardown(a_bundled_model_that_was_chosen_is_not_told_of,
                                        empty_library, remove_bundled),
        cmocka_unit_test_setup_teardown(without_a_home_there_is_still_the_bundled_model,
                                        empty_library, remove_bundled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
