/* What happens to a process whose mapped file shrinks: each case in a process of its own. */
#include "core/base/mapping.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support.h"

enum { PAGES = 8, PAGE = 4096, CODE = 7 };

static int first_of(const pix_mapping *mapping, size_t page) {
    return mapping->data[page * PAGE];
}

static char path[256], said[512];

static void require(bool holds) {
    if (!holds)
        _exit(100);
}

static void end(const char *line) {
    (void)!write(STDERR_FILENO, line, strlen(line));
    _exit(CODE);
}

/* A file of PAGES pages, each full of its number, of which `kept` are left once it is mapped. */
static void map_and_cut(bool checked, int kept, pix_mapping *mapping) {
    char page[PAGE];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0);
    for (int i = 0; i < PAGES; i++) {
        memset(page, i + 1, sizeof page);
        require(write(fd, page, sizeof page) == sizeof page);
    }
    require(!pix_mapping_make(mapping, fd, (size_t)PAGES * PAGE, path, checked, NULL));
    require(!ftruncate(fd, (off_t)kept * PAGE));
    close(fd);
}

static void read_checked(void) {
    pix_mapping mapping, other;
    pix_mapping_guard(end);
    map_and_cut(true, 3, &mapping);
    for (int i = 0; i < PAGES; i++)
        require(first_of(&mapping, (size_t)i) == (i < 3 ? i + 1 : 0));
    require(pix_mapping_losses() == PAGES - 3);
    pix_mapping_close(&mapping);
    map_and_cut(true, PAGES, &other);
    require(first_of(&other, 7) == 8);
    pix_mapping_close(&other);
}

static void read_unchecked(void) {
    pix_mapping checked, mapping;
    pix_mapping_guard(end);
    map_and_cut(true, PAGES, &checked);
    map_and_cut(false, 3, &mapping);
    require(first_of(&mapping, 2) == 3);
    require(first_of(&mapping, 3) == 4);
}

/* What is closed is not known any more, nor is what somebody else mapped. */
static void be_sent_one(void) {
    pix_mapping mapping;
    pix_mapping_guard(end);
    map_and_cut(true, 3, &mapping);
    pix_mapping_close(&mapping);
    (void)raise(SIGBUS);
}

#if !defined(__SANITIZE_ADDRESS__) /* which reports the signal and ends the program itself */
static void read_without_guard(void) {
    pix_mapping mapping;
    (void)signal(SIGBUS, SIG_DFL);
    map_and_cut(true, 3, &mapping);
    require(first_of(&mapping, 3) == 4);
}
#endif

/* How `run` ended; `said` is its standard error. */
static int outcome_of(void (*run)(void)) {
    int ends[2], status;
    (void)snprintf(path, sizeof path, "%s/mapped\n", test_folder());
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        run();
        _exit(0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void pages_lost_of_a_checked_file_are_zeros(void **state) {
    (void)state;
    int status = outcome_of(read_checked);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(said, "");
}

static void pages_lost_of_another_end_the_program_with_its_name(void **state) {
    (void)state;
    int status = outcome_of(read_unchecked);
    char expected[512];
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CODE);
    path[strlen(path) - 1] = '\0'; /* the line break is not printed as one */
    (void)snprintf(expected, sizeof expected,
                   "%s\\n: became shorter, or cannot be read, while it was in use\n", path);
    assert_string_equal(said, expected);
}

static void a_signal_of_other_cause_kills_as_ever(void **state) {
    (void)state;
    int status = outcome_of(be_sent_one);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    assert_string_equal(said, "");
#if !defined(__SANITIZE_ADDRESS__)
    status = outcome_of(read_without_guard);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_lost_of_a_checked_file_are_zeros),
        cmocka_unit_test(pages_lost_of_another_end_the_program_with_its_name),
        cmocka_unit_test(a_signal_of_other_cause_kills_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
