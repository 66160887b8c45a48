#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "indexer/format.h"
#include "tests/support.h"

/* What pix_complain says of the words comes through a pipe that keeps writes apart. */
static void assert_says(const char *words, const char *expected) {
    int ends[2], usual = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_DIRECT), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    pix_complain("watch %s: %d", words, 5);
    assert_true(dup2(usual, STDERR_FILENO) >= 0);
    char said[4096];
    ssize_t size = read(ends[0], said, sizeof said);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(said, expected, strlen(expected));
    close(ends[0]);
    close(ends[1]);
    close(usual);
}

static void a_line_is_one_write(void **state) {
    (void)state;
    assert_says("/photos", "pixgrepd: watch /photos: 5\n");
}

static void a_name_stays_on_its_line(void **state) {
    (void)state;
    assert_says("a\nb\x1b[31m", "pixgrepd: watch a\\nb\\x1b[31m: 5\n");
}

static void a_long_name_is_whole(void **state) {
    (void)state;
    char name[3001], line[3100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(line, sizeof line, "pixgrepd: watch %s: 5\n", name);
    assert_says(name, line);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_write),
        cmocka_unit_test(a_name_stays_on_its_line),
        cmocka_unit_test(a_long_name_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
