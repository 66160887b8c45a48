/* cmocka.h - the part of cmocka that the kernels' tests use, in one header.
 *
 * For processors whose programs this machine can build and emulate, but whose cmocka it lacks. */
#ifndef PIX_TESTS_CROSS_CMOCKA_H
#define PIX_TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*function)(void **state);
};

static jmp_buf cross_end; /* of the test that runs: 1 failed, 2 skipped */

#define cmocka_unit_test(test)                                                                     \
    { #test, test }
#define print_message(...) ((void)printf(__VA_ARGS__))
#define print_error(...) ((void)fprintf(stderr, __VA_ARGS__))
#define skip() longjmp(cross_end, 2)
#define fail_msg(...)                                                                              \
    (print_error("%s:%d: ", __FILE__, __LINE__), print_error(__VA_ARGS__), print_error("\n"),      \
     longjmp(cross_end, 1))
#define assert_true(condition) ((condition) ? (void)0 : fail_msg("false: %s", #condition))
#define assert_false(condition) assert_true(!(condition))
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_int_not_equal(a, b) assert_true((long long)(a) != (long long)(b))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)

static int cross_run(const struct CMUnitTest *tests, size_t count) {
    static int failures;
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        int how = setjmp(cross_end);
        if (how == 0)
            tests[i].function(&state);
        failures += how == 1;
        print_message("%s %s\n",
                      how == 0   ? "ok     "
                      : how == 1 ? "FAILED "
                                 : "skipped",
                      tests[i].name);
    }
    return failures;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cross_run(tests, sizeof(tests) / sizeof *(tests))

#endif
