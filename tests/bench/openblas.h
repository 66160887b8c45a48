/* openblas.h - the float32 product of Debian's OpenBLAS, if it is installed: what ours are compared
 * with.
 *
 * The kernel is chosen here, because 0.3.21 falls to SSE3 on CPUs newer than itself; a value the
 * user set in OPENBLAS_CORETYPE stands.  For one file of the bench to include. */
#ifndef PIX_TESTS_BENCH_OPENBLAS_H
#define PIX_TESTS_BENCH_OPENBLAS_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

/* The values of cblas.h. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef struct openblas {
    void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                  const float *a, int a_stride, const float *b, int b_stride, float beta, float *c,
                  int c_stride); /* NULL: not installed */
    const char *kernel;
} openblas;

/* Sets a function pointer; through an integer, because ISO C keeps object pointers apart. */
#define OPENBLAS_RESOLVE(target, handle, name)                                                     \
    ((target) = (__typeof__(target))(uintptr_t)dlsym(handle, name))

static const char *openblas_best_kernel(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

static openblas openblas_open(int threads) {
    openblas blas = {0};
    void (*set_threads)(int count);
    char *(*kernel)(void);
    /* Read by the library's constructor. */
    if (openblas_best_kernel())
        (void)setenv("OPENBLAS_CORETYPE", openblas_best_kernel(), 0);
    void *handle = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return blas;
    OPENBLAS_RESOLVE(blas.sgemm, handle, "cblas_sgemm");
    OPENBLAS_RESOLVE(set_threads, handle, "openblas_set_num_threads");
    OPENBLAS_RESOLVE(kernel, handle, "openblas_get_corename");
    if (!set_threads || !kernel)
        return (openblas){0};
    set_threads(threads);
    blas.kernel = kernel();
    return blas;
}

#endif
