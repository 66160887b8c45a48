#include "core/tensor/isa.h"

#include <string.h>

#include "tests/support.h"

static const pix_kernels *fastest(void) {
    const pix_kernels *last = NULL, *kernels;
    for (size_t i = 0; (kernels = pix_kernels_at(i)); i++)
        last = kernels;
    return last;
}

static void every_cpu_runs_the_portable_kernels(void **state) {
    (void)state;
    const pix_kernels *first = pix_kernels_at(0);
    assert_non_null(first);
    assert_string_equal(pix_kernels_name(first), "portable");
}

static void a_cpu_runs_the_kernels_of_its_instructions(void **state) {
    (void)state;
    pix_error error;
    const pix_kernels *kernels;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        test_skip("this CPU has no AVX2");
    assert_ok(pix_kernels_choose("avx2", &kernels, &error), &error);
    bool vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
    assert_int_equal(pix_kernels_choose("avx512vnni", &kernels, NULL) == PIX_OK, vnni);
#elif defined(__aarch64__)
    assert_ok(pix_kernels_choose("neon", &kernels, &error), &error);
#else
    (void)error, (void)kernels;
    test_skip("no kernels but the portable ones for this CPU");
#endif
}

static void each_is_chosen_by_its_name(void **state) {
    (void)state;
    pix_error error;
    const pix_kernels *kernels, *chosen;
    for (size_t i = 0; (kernels = pix_kernels_at(i)); i++) {
        print_message("this CPU runs %s\n", pix_kernels_name(kernels));
        assert_ok(pix_kernels_choose(pix_kernels_name(kernels), &chosen, &error), &error);
        assert_ptr_equal(chosen, kernels);
    }
}

static void without_a_name_the_fastest_are_chosen(void **state) {
    (void)state;
    pix_error error;
    const pix_kernels *chosen;
    assert_ok(pix_kernels_choose(NULL, &chosen, &error), &error);
    assert_ptr_equal(chosen, fastest());
    assert_ok(pix_kernels_choose("", &chosen, &error), &error);
    assert_ptr_equal(chosen, fastest());
}

static void a_name_this_cpu_cannot_run_lists_those_it_can(void **state) {
    (void)state;
#if defined(__x86_64__)
    static const char *const names[] = {"mmx", "AVX2", "avx", "i8mm"};
#else
    static const char *const names[] = {"mmx", "NEON", "neon ", "avx2"};
#endif
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pix_error error;
        const pix_kernels *chosen = pix_kernels_at(0);
        assert_int_equal(pix_kernels_choose(names[i], &chosen, &error), PIX_EUNSUPPORTED);
        assert_null(chosen);
        assert_non_null(strstr(error.text, names[i]));
        assert_null(strchr(error.text, '\n'));
        const pix_kernels *kernels;
        for (size_t j = 0; (kernels = pix_kernels_at(j)); j++)
            assert_non_null(strstr(error.text, pix_kernels_name(kernels)));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cpu_runs_the_portable_kernels),
        cmocka_unit_test(a_cpu_runs_the_kernels_of_its_instructions),
        cmocka_unit_test(each_is_chosen_by_its_name),
        cmocka_unit_test(without_a_name_the_fastest_are_chosen),
        cmocka_unit_test(a_name_this_cpu_cannot_run_lists_those_it_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
