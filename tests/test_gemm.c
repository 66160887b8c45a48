#include "core/tensor/gemm.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support.h"

static float value(size_t i) {
    return (float)((i * 7919 + 13) % 2003) / 1001.5f - 1.0f;
}

typedef struct product {
    int m, n, k, a_stride, b_stride, c_stride;
    bool transpose_b;
    float alpha, beta;
} product;

/* The largest difference between pix_gemm and the sum in float64. */
static double product_error(const product *p) {
    size_t b_rows = (size_t)(p->transpose_b ? p->n : p->k);
    size_t a_size = (size_t)p->m * (size_t)p->a_stride, b_size = b_rows * (size_t)p->b_stride;
    size_t c_size = (size_t)p->m * (size_t)p->c_stride;
    float *a = malloc(a_size * sizeof *a), *b = malloc(b_size * sizeof *b);
    float *c = malloc(c_size * sizeof *c);
    assert_true(a && b && c);
    for (size_t i = 0; i < a_size; i++)
        a[i] = value(i);
    for (size_t i = 0; i < b_size; i++)
        b[i] = value(3 * i + 1);
    for (size_t i = 0; i < c_size; i++)
        c[i] = value(5 * i + 2);
    pix_gemm(p->m, p->n, p->k, p->alpha, a, p->a_stride, b, p->b_stride, p->transpose_b, p->beta, c,
             p->c_stride);
    double worst = 0;
    for (int i = 0; i < p->m; i++)
        for (int j = 0; j < p->c_stride; j++) {
            size_t at = (size_t)i * (size_t)p->c_stride + (size_t)j;
            double expected = (double)value(5 * at + 2); /* beyond n nothing is written */
            if (j < p->n) {
                double sum = 0;
                for (int l = 0; l < p->k; l++)
                    sum +=
                        (double)a[i * p->a_stride + l] *
                        (double)(p->transpose_b ? b[j * p->b_stride + l] : b[l * p->b_stride + j]);
                expected = (double)p->alpha * sum + (double)p->beta * expected;
            }
            worst = fmax(worst, fabs((double)c[at] - expected));
        }
    free(a);
    free(b);
    free(c);
    return worst;
}

static void products_equal_plain_c(void **state) {
    (void)state;
    const product products[] = {
        {1, 1, 1, 1, 1, 1, false, 1, 0},
        {1, 64, 50, 50, 64, 64, false, 1, 0},
        {50, 50, 64, 192, 192, 50, true, 0.125f, 0},
        {50, 64, 50, 50, 192, 128, false, 1, 0},
        {7, 129, 33, 40, 33, 131, true, 1, 1},
        {133, 65, 257, 257, 65, 65, false, -2, 0.5f},
        {1, 512, 768, 768, 512, 512, false, 1, 0},
        {300, 301, 302, 302, 302, 301, true, 1, 0},
    };
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        double error = product_error(&products[i]);
        if (!(error <= 2e-4))
            fail_msg("product %zu is off by %g", i, error);
    }
}

static void *many_products(void *failed) {
    const product p = {40, 48, 96, 96, 96, 48, true, 1, 0};
    for (int i = 0; i < 50; i++)
        if (!(product_error(&p) <= 2e-4))
            *(bool *)failed = true;
    return NULL;
}

static void threads_may_multiply_at_the_same_time(void **state) {
    (void)state;
    assert_int_equal(pix_gemm_open(1, NULL), PIX_OK);
    pthread_t threads[4];
    bool failed[4] = {false};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_products, &failed[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(failed[i]);
    }
}

/* This program again, in a new process with VARIABLE=VALUE: what it prints with --report. */
static const char *report_with(const char *variable, const char *setting) {
    static char report[2048];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (dup2(ends[1], 1) != 1 ||
            (setting ? setenv(variable, setting, 1) : unsetenv(variable)) != 0)
            _exit(127);
        execl("/proc/self/exe", "test_gemm", "--report", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], report + size, sizeof report - 1 - size)) > 0;)
        size += (size_t)got;
    report[size] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return report;
}

static int print_report(void) {
    pix_error error;
    pix_status status = pix_gemm_open(1, &error);
    return printf("%s", status ? error.text : pix_gemm_kernel()) < 0;
}

static void the_kernel_is_as_wide_as_the_cpu(void **state) {
    (void)state;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        test_skip("this CPU has no AVX2");
    const char *kernel = report_with("OPENBLAS_CORETYPE", NULL);
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    assert_string_equal(kernel, wide ? "SkylakeX" : "Haswell");
#else
    test_skip("not an x86 CPU");
#endif
}

static void a_kernel_the_user_chose_stands(void **state) {
    (void)state;
#if defined(__x86_64__)
    assert_string_equal(report_with("OPENBLAS_CORETYPE", "Nehalem"), "Nehalem");
#else
    test_skip("not an x86 CPU");
#endif
}

static void a_missing_library_is_named_with_its_package(void **state) {
    (void)state;
    const char *folder = test_folder();
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/libopenblas.so.0", folder);
    test_write_file(path, "not a library", 13);
    const char *report = report_with("LD_LIBRARY_PATH", folder);
    if (!strstr(report, "cannot load OpenBLAS") || !strstr(report, "install libopenblas0-pthread"))
        fail_msg("got: %s", report);
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--report") == 0)
        return print_report();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_plain_c),
        cmocka_unit_test(threads_may_multiply_at_the_same_time),
        cmocka_unit_test(the_kernel_is_as_wide_as_the_cpu),
        cmocka_unit_test(a_kernel_the_user_chose_stands),
        cmocka_unit_test(a_missing_library_is_named_with_its_package),
    };
    return cmocka_run_group_tests(tests, test_open_gemm, NULL);
}
