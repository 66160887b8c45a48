#include "core/image/decoder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/files.h"
#include "core/base/threads.h"
#include "tests/pictures.h"

enum { SIZE = 48, BYTES = 3 * SIZE * SIZE };

static const pix_decode_options usual = {.size = SIZE};
static char folder[4096], picture[4200], text_file[4200];

static int make_files(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    (void)snprintf(picture, sizeof picture, "%s/picture.jpg", folder);
    (void)snprintf(text_file, sizeof text_file, "%s/text", folder);
    uint8_t *pixels = scene(300, 200);
    pix_bytes exif = {0};
    make_exif(&exif, 6, "2024:05:01 13:45:10", false);
    make_jpeg(picture, pixels, 300, 200, &(jpeg_options){.exif = &exif});
    test_write_file(text_file, "Dear diary,\n", 12);
    pix_bytes_free(&exif);
    free(pixels);
    return 0;
}

static pix_decoder *open_decoder(const char *program, const pix_decode_options *options) {
    pix_decoder *decoder;
    pix_error error;
    assert_ok(pix_decoder_open(program, options, &decoder, &error), &error);
    return decoder;
}

static pix_status run(pix_decoder *decoder, const char *path, uint8_t *crop, pix_photo *photo,
                      pix_error *error) {
    int fd;
    pix_photo unused;
    *error = (pix_error){0};
    assert_ok(pix_photo_open(path, &fd, error), error);
    pix_status status = pix_decoder_run(decoder, fd, crop, photo ? photo : &unused, error);
    close(fd);
    return status;
}

/* A shell script in place of pixgrep-decode; $real is the real program, $here a folder, both taken
 * as one word whatever blanks they hold. */
static const char *script(const char *name, const char *body) {
    static char path[4300];
    char text[16384];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int length = snprintf(text, sizeof text, "#!/bin/sh\nIFS=\nreal='%s'\nhere='%s'\n%s\n",
                          test_built("libexec/pixgrep/pixgrep-decode"), folder, body);
    test_write_file(path, text, (size_t)length);
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

/* The process that a script noted in `name` before it became the decoder. */
static pid_t noted(const char *name) {
    char path[4300];
    int pid = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    assert_int_equal(fclose(file), 0);
    assert_true(pid > 1);
    return pid;
}

static bool is_gone(pid_t pid) {
    for (int i = 0; i < 200; i++, usleep(20000)) {
        char path[64], line[256] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "r");
        if (!file)
            return true;
        bool zombie = fgets(line, sizeof line, file) && strstr(line, ") Z ");
        (void)fclose(file);
        if (zombie)
            return true;
    }
    return false;
}

static void the_child_makes_the_same_crop(void **state) {
    (void)state;
    uint8_t expected[BYTES], crop[BYTES];
    pix_photo photo, photo_expected;
    pix_error error;
    pix_decoder *decoder = open_decoder(NULL, &usual);
    assert_ok(preprocess(picture, &usual, expected, &photo_expected, &error), &error);
    for (int i = 0; i < 3; i++) {
        memset(crop, 0, BYTES);
        assert_ok(run(decoder, picture, crop, &photo, &error), &error);
        assert_memory_equal(crop, expected, BYTES);
        assert_memory_equal(&photo, &photo_expected, sizeof photo);
    }
    assert_string_equal(photo.camera, "NIKON D70");
    pix_decoder_close(decoder);
}

static void options_reach_the_child(void **state) {
    (void)state;
    uint8_t expected[3 * 20 * 20], crop[3 * 20 * 20];
    pix_error error;
    for (int i = 0; i < 4; i++) {
        pix_decode_options options = {.size = 20, .exact = i / 2, .ignore_rotation = i % 2};
        pix_decoder *decoder = open_decoder(NULL, &options);
        assert_ok(preprocess(picture, &options, expected, NULL, &error), &error);
        assert_ok(run(decoder, picture, crop, NULL, &error), &error);
        assert_memory_equal(crop, expected, sizeof crop);
        pix_decoder_close(decoder);
    }
}

static void the_file_is_read_from_its_start(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_photo photo;
    pix_error error;
    int fd;
    pix_decoder *decoder = open_decoder(NULL, &usual);
    assert_ok(pix_photo_open(picture, &fd, &error), &error);
    assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
    assert_ok(pix_decoder_run(decoder, fd, crop, &photo, &error), &error);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 1000);
    close(fd);
    pix_decoder_close(decoder);
}

static void a_bad_file_costs_only_itself(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder =
        open_decoder(script("count", "echo $$ >> $here/starts\nexec $real"), &usual);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(decoder, text_file, crop, NULL, &error), PIX_EUNSUPPORTED);
        assert_string_equal(error.text, "not a picture of a known format");
        assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    }
    pix_decoder_close(decoder);
    char starts[4300];
    struct stat about;
    (void)snprintf(starts, sizeof starts, "%s/starts", folder);
    assert_int_equal(stat(starts, &about), 0);
    assert_true(about.st_size <= 8); /* one process number: one child did it all */
}

static void a_crash_is_named_and_the_next_photo_gets_a_new_child(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder = open_decoder(
        script("crash", "[ -e $here/crashed ] && exec $real\n: > $here/crashed\nkill -SEGV $$"),
        &usual);
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_ECRASHED);
    assert_string_equal(error.text, "the decoder died of SIGSEGV");
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    pix_decoder_close(decoder);
}

static void a_child_that_ends_or_babbles_is_reported(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder = open_decoder(script("exit", "exit 3"), &usual);
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_ECRASHED);
    assert_string_equal(error.text, "the decoder ended with status 3");
    pix_decoder_close(decoder);
    decoder = open_decoder(script("unlinked", "exit 127"), &usual);
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_EBUSY);
    assert_non_null(strstr(error.text, "unlinked: a library is missing"));
    pix_decoder_close(decoder);
    decoder = open_decoder(script("babble", "echo nonsense >&3\nsleep 60"), &usual);
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_ECRASHED);
    assert_string_equal(error.text, "the decoder's answer makes no sense");
    pix_decoder_close(decoder);
}

static void a_hang_is_cut_short(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decode_options options = usual;
    options.timeout_ms = 1500;
    pix_decoder *decoder = open_decoder(
        script("hang",
               "[ -e $here/let_go ] && exec $real\necho $$ > $here/hung\nwhile :; do :; done"),
        &options);
    int64_t start = pix_now_ns();
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_ETIMEOUT);
    assert_string_equal(error.text, "decoding took longer than 1.5 s");
    assert_true(pix_now_ns() - start >= (int64_t)1490 * 1000000);
    assert_true(is_gone(noted("hung")));
    char let_go[4300];
    (void)snprintf(let_go, sizeof let_go, "%s/let_go", folder);
    test_write_file(let_go, "", 0);
    for (int i = 0; i < 3; i++) /* a slow machine may need more than one try to start */
        if (!run(decoder, picture, crop, NULL, &error))
            break;
    assert_ok(error.status, &error);
    pix_decoder_close(decoder);
}

/* Stopped from a terminal, say: it has not been shown that the photo takes so long. */
static void a_child_that_is_held_up_is_not_the_photos_fault(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decode_options options = usual;
    options.timeout_ms = 1500;
    pix_decoder *decoder = open_decoder(
        script("stop", "[ -e $here/held ] && exec $real\necho $$ > $here/held\nkill -STOP $$"),
        &options);
    int64_t start = pix_now_ns();
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_EINTERRUPTED);
    assert_string_equal(error.text, "the decoder waited for most of 1.5 s");
    assert_true(pix_now_ns() - start >= (int64_t)1490 * 1000000);
    assert_true(is_gone(noted("held")));
    for (int i = 0; i < 3; i++) /* a slow machine may need more than one try to start */
        if (!run(decoder, picture, crop, NULL, &error))
            break;
    assert_ok(error.status, &error);
    pix_decoder_close(decoder);
}

/* It works a little all the time: then each look gives it less, and the time is over in the end. */
static void a_child_that_dawdles_for_ever_is_cut_short(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decode_options options = usual;
    options.timeout_ms = 400;
    pix_decoder *decoder =
        open_decoder(script("dawdle", "echo $$ > $here/dawdled\nwhile :; do\ni=0\n"
                                      "while [ $i -lt 4000 ]; do i=$((i + 1)); done\nsleep 0.03\n"
                                      "done"),
                     &options);
    int64_t start = pix_now_ns();
    pix_status status = run(decoder, picture, crop, NULL, &error);
    assert_true(status == PIX_ETIMEOUT || status == PIX_EINTERRUPTED);
    assert_true(pix_now_ns() - start < (int64_t)20 * options.timeout_ms * 1000000);
    assert_true(is_gone(noted("dawdled")));
    pix_decoder_close(decoder);
}

static void a_child_that_is_killed_is_not_the_photos_fault(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder = open_decoder(script("kill", "kill -KILL $$"), &usual);
    assert_int_equal(run(decoder, picture, crop, NULL, &error), PIX_EINTERRUPTED);
    assert_string_equal(error.text,
                        "the decoder was killed from outside, perhaps for want of memory");
    pix_decoder_close(decoder);
}

static void a_child_killed_between_photos_is_replaced_silently(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder =
        open_decoder(script("note", "echo $$ > $here/killed\nexec $real"), &usual);
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    pid_t first = noted("killed");
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_true(is_gone(first));
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    assert_true(noted("killed") != first);
    pix_decoder_close(decoder);
}

static void the_child_survives_ctrl_c_and_ends_with_its_decoder(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    pix_decoder *decoder =
        open_decoder(script("signal", "echo $$ > $here/signalled\nexec $real"), &usual);
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    pid_t child = noted("signalled");
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(kill(child, SIGHUP), 0);
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    assert_int_equal(noted("signalled"), child);
    pix_decoder_close(decoder);
    assert_int_equal(kill(child, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void the_libraries_chatter_goes_nowhere(void **state) {
    (void)state;
    uint8_t crop[BYTES];
    pix_error error;
    char target[64] = "";
    if (getenv("PIXGREP_DECODE_STDERR"))
        test_skip("PIXGREP_DECODE_STDERR is set");
    pix_decoder *decoder = open_decoder(
        script("chatter", "readlink /proc/$$/fd/2 > $here/stderr\nexec $real"), &usual);
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    pix_decoder_close(decoder);
    char name[4300];
    (void)snprintf(name, sizeof name, "%s/stderr", folder);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(target, sizeof target, file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(target, "/dev/null\n");
}

static void the_child_ends_when_its_parent_dies(void **state) {
    (void)state;
    const char *program = script("orphan", "echo $$ > $here/orphaned\nexec $real");
    pid_t parent = fork();
    if (parent == 0) {
        uint8_t crop[BYTES];
        pix_photo photo;
        pix_decoder *decoder;
        int fd;
        if (pix_decoder_open(program, &usual, &decoder, NULL) ||
            pix_photo_open(picture, &fd, NULL) || pix_decoder_run(decoder, fd, crop, &photo, NULL))
            _exit(1);
        (void)raise(SIGKILL);
    }
    int how;
    assert_int_equal(waitpid(parent, &how, 0), parent);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    assert_true(is_gone(noted("orphaned")));
}

static void a_missing_program_is_named_at_once(void **state) {
    (void)state;
    pix_decoder *decoder;
    pix_error error;
    assert_int_equal(pix_decoder_open("/nowhere/decode", &usual, &decoder, &error), PIX_ENOTFOUND);
    assert_string_equal(error.text, "cannot run /nowhere/decode: No such file or directory");
    assert_null(decoder);
    pix_decoder_close(decoder);
    pix_decode_options options = {.size = 5000};
    assert_int_equal(pix_decoder_open(NULL, &options, &decoder, &error), PIX_EINVALID);
}

static void *decode_many(void *failures) {
    uint8_t expected[BYTES], crop[BYTES];
    pix_photo photo;
    pix_decoder *decoder = NULL;
    int fd = -1;
    int *count = failures;
    if (pix_decoder_open(NULL, &usual, &decoder, NULL) || pix_photo_open(picture, &fd, NULL) ||
        pix_preprocess(fd, &usual, expected, &photo, NULL))
        (*count)++;
    for (int i = 0; i < 50 && *count == 0; i++)
        if (pix_decoder_run(decoder, fd, crop, &photo, NULL) || memcmp(crop, expected, BYTES) != 0)
            (*count)++;
    close(fd);
    pix_decoder_close(decoder);
    return NULL;
}

/* Not the file's fault: it is tried again once the package is there. */
static void a_codec_that_is_not_installed_is_named_with_its_package(void **state) {
    (void)state;
    static const char heic[] = "\0\0\0\x18"
                               "ftypheic\0\0\0\0mif1heic";
    uint8_t crop[BYTES];
    pix_error error;
    char path[4300];
    (void)snprintf(path, sizeof path, "%s/photo.heic", folder);
    test_write_file(path, heic, sizeof heic - 1);
    assert_int_equal(setenv("VIPSHOME", folder, 1), 0); /* no modules here */
    pix_decoder *decoder = open_decoder(NULL, &usual);
    pix_status status = run(decoder, path, crop, NULL, &error);
    bool named = strstr(error.text, "libheif") && strstr(error.text, "libvips42");
    assert_ok(run(decoder, picture, crop, NULL, &error), &error);
    pix_decoder_close(decoder);
    assert_int_equal(unsetenv("VIPSHOME"), 0);
    if (status == PIX_EFORMAT)
        test_skip("libvips reads HEIC without a module");
    assert_int_equal(status, PIX_EBUSY);
    assert_true(named);
}

static void two_threads_use_two_decoders(void **state) {
    (void)state;
    pthread_t threads[2];
    int failures[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, decode_many, &failures[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failures[0] + failures[1], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_makes_the_same_crop),
        cmocka_unit_test(options_reach_the_child),
        cmocka_unit_test(the_file_is_read_from_its_start),
        cmocka_unit_test(a_bad_file_costs_only_itself),
        cmocka_unit_test(a_crash_is_named_and_the_next_photo_gets_a_new_child),
        cmocka_unit_test(a_child_that_ends_or_babbles_is_reported),
        cmocka_unit_test(a_hang_is_cut_short),
        cmocka_unit_test(a_child_that_is_held_up_is_not_the_photos_fault),
        cmocka_unit_test(a_child_that_dawdles_for_ever_is_cut_short),
        cmocka_unit_test(a_child_that_is_killed_is_not_the_photos_fault),
        cmocka_unit_test(a_child_killed_between_photos_is_replaced_silently),
        cmocka_unit_test(the_child_survives_ctrl_c_and_ends_with_its_decoder),
        cmocka_unit_test(the_libraries_chatter_goes_nowhere),
        cmocka_unit_test(the_child_ends_when_its_parent_dies),
        cmocka_unit_test(a_missing_program_is_named_at_once),
        cmocka_unit_test(a_codec_that_is_not_installed_is_named_with_its_package),
        cmocka_unit_test(two_threads_use_two_decoders),
    };
    return cmocka_run_group_tests(tests, make_files, NULL);
}
