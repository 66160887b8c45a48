/* What a decoder that a hostile file has taken over can do: nothing but fail that file. */
#include "core/image/decoder.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/base/threads.h"
#include "tests/pictures.h"

enum { SIZE = 48, BYTES = 3 * SIZE * SIZE };

static char folder[4096], picture[4200];

static int make_files(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", test_folder());
    (void)snprintf(picture, sizeof picture, "%s/picture.jpg", folder);
    uint8_t *pixels = scene(300, 200);
    make_jpeg(picture, pixels, 300, 200, &(jpeg_options){0});
    free(pixels);
    return 0;
}

static pix_decoder *open_program(const char *program, int timeout_ms) {
    pix_decoder *decoder;
    pix_error error;
    pix_decode_options options = {.size = SIZE, .timeout_ms = timeout_ms};
    assert_ok(pix_decoder_open(program, &options, &decoder, &error), &error);
    return decoder;
}

static pix_decoder *open_rogue(int timeout_ms) {
    return open_program(test_built("tests/rogue_decode"), timeout_ms);
}

static pix_status run_file(pix_decoder *decoder, const char *path, pix_error *error) {
    uint8_t crop[BYTES];
    pix_photo photo;
    int fd;
    *error = (pix_error){0};
    assert_ok(pix_photo_open(path, &fd, error), error);
    pix_status status = pix_decoder_run(decoder, fd, crop, &photo, error);
    close(fd);
    return status;
}

/* Has the decoder do `what`. */
static pix_status run(pix_decoder *decoder, const char *what, pix_error *error) {
    char path[4200], text[128];
    (void)snprintf(path, sizeof path, "%s/file", folder);
    int size = snprintf(text, sizeof text, "ROGUE %s\n", what);
    test_write_file(path, text, (size_t)size);
    return run_file(decoder, path, error);
}

static void what_a_picture_has_no_use_for_is_denied(void **state) {
    (void)state;
    static const char *const wishes[] = {
        "open",
        "create",
        "stat",
        "unlink",
        "listing",
        "socket",
        "local socket",
        "connect",
        "exec",
        "fork",
        "namespace",
        "ptrace",
        "peek",
        "kill",
        "signal",
        "owner",
        "survive",
        "dumpable",
        "limits of others",
        "code",
        "code later",
        "bpf",
        "early thread",
#ifdef __x86_64__
        "x32",
#endif
    };
    pix_error error;
    pix_decoder *decoder = open_rogue(0);
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        char denied[128];
        (void)snprintf(denied, sizeof denied, "%s: Permission denied", wishes[i]);
        assert_int_equal(run(decoder, wishes[i], &error), PIX_EFORMAT);
        assert_string_equal(error.text, denied);
    }
    assert_ok(run_file(decoder, picture, &error), &error);
    pix_decoder_close(decoder);
    assert_int_equal(access("/tmp/rogue", F_OK), -1);
}

/* The list of what it may do, written down a second time. */
static void no_system_call_but_those_needed_is_carried_out(void **state) {
    (void)state;
    pix_error error;
    pix_decoder *decoder = open_rogue(0);
    assert_int_equal(run(decoder, "all others", &error), PIX_EFORMAT);
    assert_string_equal(error.text, "all denied");
    pix_decoder_close(decoder);
}

static void no_file_is_condemned_for_memory_that_another_left_occupied(void **state) {
    (void)state;
    pix_error error;
    pix_decoder *decoder = open_rogue(0);
    assert_int_equal(run(decoder, "spoil", &error), PIX_EUNSUPPORTED);
    assert_ok(run_file(decoder, picture, &error), &error);
    pix_decoder_close(decoder);
}

static void a_file_that_ends_the_decoder_costs_itself_alone(void **state) {
    (void)state;
    static const struct {
        const char *what;
        pix_status status;
        const char *reason;
    } cases[] = {
        {"end", PIX_ECRASHED, "the decoder ended with status 0"},
        {"babble", PIX_ECRASHED, "the decoder's answer makes no sense"},
        {"hang", PIX_ETIMEOUT, "decoding took longer than 2 s"},
#ifndef __SANITIZE_THREAD__ /* its own thread spins where sleeping is denied */
        {"sleep", PIX_EINTERRUPTED, "the decoder waited for most of 2 s"},
#endif
        {"be killed", PIX_EINTERRUPTED,
         "the decoder was killed from outside, perhaps for want of memory"},
#ifdef __x86_64__
        {"i386", PIX_ECRASHED, "the decoder died of SIGSYS"},
#endif
        {"shrink", PIX_EFORMAT, "still there"},
/* the sanitizers catch signals and reserve terabytes */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        {"crash", PIX_ECRASHED, "the decoder died of SIGSEGV"},
        {"abort", PIX_ECRASHED, "the decoder died of SIGABRT"},
        {"overflow the stack", PIX_ECRASHED, "the decoder died of SIGSEGV"},
        {"hog", PIX_ENOMEM, "out of memory"},
#endif
    };
    pix_error error;
    pix_decoder *decoder = open_rogue(2000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t start = pix_now_ns();
        pix_status status = run(decoder, cases[i].what, &error);
        if (status != cases[i].status || strcmp(error.text, cases[i].reason) != 0)
            fail_msg("%s: status %d, \"%s\"", cases[i].what, status, error.text);
        /* two seconds of work, at a twentieth of them in each */
        assert_true(pix_now_ns() - start < INT64_C(60000000000));
        for (int tries = 0; tries < 3; tries++) /* a slow machine may need more than one */
            if (run_file(decoder, picture, &error) != PIX_EINTERRUPTED)
                break;
        assert_ok(error.status, &error);
    }
    pix_decoder_close(decoder);
}

static void the_decoder_has_the_descriptors_it_needs(void **state) {
    (void)state;
    pix_error error;
    int leaky = open(picture, O_RDONLY); /* without O_CLOEXEC, as careless code does */
    int high = dup2(leaky, 60);
    pix_decoder *decoder = open_rogue(0);
    assert_int_equal(run(decoder, "files", &error), PIX_EFORMAT);
    assert_string_equal(error.text, "6 open files"); /* three, socket, memory, photo */
    pix_decoder_close(decoder);
    close(leaky);
    close(high);
}

/* As a kernel without seccomp, or one that wraps this process and denies it. */
static bool deny_seccomp(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_seccomp, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void without_a_sandbox_nothing_is_decoded(void **state) {
    (void)state;
    pid_t process = fork();
    if (process == 0) {
        pix_error error = {0};
        if (!deny_seccomp())
            _exit(2);
        pix_status status = run_file(open_rogue(0), picture, &error);
        _exit(status != PIX_EBUSY || strcmp(error.text, "cannot close the decoder's sandbox: "
                                                        "Function not implemented") != 0);
    }
    int how;
    assert_int_equal(waitpid(process, &how, 0), process);
    assert_int_equal(how, 0);
}

static bool has_children(pid_t pid) {
    char path[64], line[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool any = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    return any;
}

static bool is_alive(pid_t pid) {
    char path[64], line[256] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool read = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    return read && !strstr(line, ") Z ");
}

static void check_that_it_dies_with_its_parent(const char *program) {
    pid_t parent = fork();
    if (parent == 0) {
        pix_error error;
        (void)run(open_program(program, 0), "hang", &error);
        _exit(1);
    }
    char path[64];
    int child = 0;
    for (int i = 0; i < 500 && !has_children(parent); i++)
        usleep(20000);
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "r");
    if (!file) {
        assert_int_equal(kill(parent, SIGKILL), 0);
        assert_int_equal(waitpid(parent, NULL, 0), parent);
        test_skip("this kernel does not list the children of a process");
    }
    assert_int_equal(fscanf(file, "%d", &child), 1);
    assert_int_equal(fclose(file), 0);
    usleep(500000); /* so that it hangs in earnest */
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    for (int i = 0; i < 3000 && is_alive(child); i++)
        usleep(20000);
    assert_false(is_alive(child));
}

static void a_decoder_that_hangs_dies_with_its_parent(void **state) {
    (void)state;
    check_that_it_dies_with_its_parent(test_built("tests/rogue_decode"));
}

static void a_decoder_that_starts_when_its_parent_is_dead_decodes_nothing(void **state) {
    (void)state;
    char program[128], script[8192];
    (void)snprintf(program, sizeof program, "%s/slow", test_folder());
    int size = snprintf(script, sizeof script, "#!/bin/sh\nsleep 2\nexec '%s'\n",
                        test_built("tests/rogue_decode"));
    test_write_file(program, script, (size_t)size);
    assert_int_equal(chmod(program, 0700), 0);
    check_that_it_dies_with_its_parent(program);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_picture_has_no_use_for_is_denied),
        cmocka_unit_test(no_system_call_but_those_needed_is_carried_out),
        cmocka_unit_test(no_file_is_condemned_for_memory_that_another_left_occupied),
        cmocka_unit_test(a_file_that_ends_the_decoder_costs_itself_alone),
        cmocka_unit_test(the_decoder_has_the_descriptors_it_needs),
        cmocka_unit_test(without_a_sandbox_nothing_is_decoded),
        cmocka_unit_test(a_decoder_that_hangs_dies_with_its_parent),
        cmocka_unit_test(a_decoder_that_starts_when_its_parent_is_dead_decodes_nothing),
    };
    return cmocka_run_group_tests(tests, make_files, NULL);
}
