#include "core/tensor/gemm.h"

#include <assert.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* The values of cblas.h, which is not included: the library is found at run time, so building
 * needs none of its headers. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef void sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k,
                            float alpha, const float *a, int a_stride, const float *b, int b_stride,
                            float beta, float *c, int c_stride);

static struct {
    pthread_once_t once;
    pix_status status;
    pix_error error;
    const char *chosen; /* the kernel we asked for; NULL when the choice was not ours */
    const char *kernel;
    const char *library;
    sgemm_function *sgemm;
    void (*set_threads)(int threads);
} blas = {.once = PTHREAD_ONCE_INIT};

/* The best kernel of OpenBLAS that this CPU can run; NULL leaves the choice to the library. */
static const char *best_kernel(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

/* The library reads OPENBLAS_CORETYPE in its constructor, so it must be set before dlopen. */
static void choose_kernel(void) {
    const char *kernel = best_kernel();
    if (kernel && !getenv("OPENBLAS_CORETYPE") && setenv("OPENBLAS_CORETYPE", kernel, 0) == 0)
        blas.chosen = kernel;
}

/* Sets a function pointer; through an integer, because ISO C keeps object pointers apart. */
#define RESOLVE(target, handle, name)                                                              \
    ((target) = (__typeof__(target))(uintptr_t)dlsym(handle, name))

static pix_status load(void) {
    static const char file[] = "libopenblas.so.0";
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return pix_fail(&blas.error, PIX_ENOTFOUND,
                        "cannot load OpenBLAS (%s); install libopenblas0-pthread", dlerror());
    char *(*corename)(void) = NULL;
    char *(*config)(void) = NULL;
    RESOLVE(blas.sgemm, handle, "cblas_sgemm");
    RESOLVE(blas.set_threads, handle, "openblas_set_num_threads");
    RESOLVE(corename, handle, "openblas_get_corename");
    RESOLVE(config, handle, "openblas_get_config");
    if (!blas.sgemm || !blas.set_threads || !corename || !config)
        return pix_fail(&blas.error, PIX_EUNSUPPORTED,
                        "%s is not OpenBLAS; install libopenblas0-pthread", file);
    blas.kernel = corename();
    blas.library = config();
    return PIX_OK;
}

/* Numbers with few bits, so that every kernel's sum is exact whatever its order. */
static float sample(int i) {
    return (float)((i * 37 + 11) % 61 - 30) * 0.125f;
}

/* One product of odd sizes against plain C. */
static bool product_is_right(bool transpose_b) {
    enum { M = 19, N = 23, K = 71 };
    float a[M * K], b[K * N], c[M * N];
    for (int i = 0; i < M * K; i++)
        a[i] = sample(i);
    for (int i = 0; i < K * N; i++)
        b[i] = sample(3 * i + 1);
    for (int i = 0; i < M * N; i++)
        c[i] = sample(i);
    pix_gemm(M, N, K, 0.5f, a, K, b, transpose_b ? K : N, transpose_b, 2.0f, c, N);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int l = 0; l < K; l++)
                sum += (double)a[i * K + l] * (double)(transpose_b ? b[j * K + l] : b[l * N + j]);
            double expected = 0.5 * sum + 2.0 * (double)sample(i * N + j);
            if (!(fabs((double)c[i * N + j] - expected) <= 1e-3))
                return false;
        }
    return true;
}

static pix_status check(void) {
    if (product_is_right(false) && product_is_right(true))
        return PIX_OK;
    if (blas.chosen)
        return pix_fail(&blas.error, PIX_EUNSUPPORTED,
                        "%s computes wrong products on this CPU with the kernel %s that pixgrep "
                        "chose; set OPENBLAS_CORETYPE to another one, such as Haswell or Prescott",
                        blas.library, blas.kernel);
    return pix_fail(&blas.error, PIX_EUNSUPPORTED,
                    "%s computes wrong products on this CPU with the kernel %s; set "
                    "OPENBLAS_CORETYPE to another one, such as Haswell or Prescott",
                    blas.library, blas.kernel);
}

static void open_once(void) {
    choose_kernel();
    blas.status = load();
    if (!blas.status)
        blas.status = check();
    if (blas.status)
        blas.kernel = NULL;
}

pix_status pix_gemm_open(int threads, pix_error *error) {
    (void)pthread_once(&blas.once, open_once);
    if (blas.status)
        return pix_fail(error, blas.status, "%s", blas.error.text);
    blas.set_threads(threads > 0 ? threads : 1);
    return PIX_OK;
}

const char *pix_gemm_kernel(void) {
    return blas.kernel;
}

const char *pix_gemm_library(void) {
    return blas.library;
}

/* NOLINTNEXTLINE(readability-function-size): as many parameters as BLAS has */
void pix_gemm(int m, int n, int k, float alpha, const float *a, int a_stride, const float *b,
              int b_stride, bool transpose_b, float beta, float *c, int c_stride) {
    assert(blas.sgemm && "pix_gemm_open comes first");
    blas.sgemm(ROW_MAJOR, NO_TRANSPOSE, transpose_b ? TRANSPOSE : NO_TRANSPOSE, m, n, k, alpha, a,
               a_stride, b, b_stride, beta, c, c_stride);
}
