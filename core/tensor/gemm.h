/* gemm.h - float32 matrix products through OpenBLAS.
 *
 * The library is loaded on first use, after choosing its kernel from CPUID (Debian's 0.3.21 falls
 * to SSE3 on CPUs newer than itself); a value the user set in OPENBLAS_CORETYPE stands.  One small
 * product is checked against plain C before anything trusts it.  Any thread may call; threads share
 * the pool. */
#ifndef PIX_TENSOR_GEMM_H
#define PIX_TENSOR_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* Loads OpenBLAS; later calls only set the number of threads one product may use.  The first call
 * may set an environment variable (OPENBLAS_CORETYPE, which child processes then inherit too), so
 * it belongs before the program's first thread: nothing may read the environment meanwhile. */
pix_status pix_gemm_open(int threads, pix_error *error);

/* The kernel that runs ("SkylakeX"), NULL before pix_gemm_open has succeeded, and the library's own
 * description. */
const char *pix_gemm_kernel(void);
const char *pix_gemm_library(void);

/* c[m, n] = alpha * a[m, k] * op(b) + beta * c, with row strides in elements; op(b) is b[k, n], or
 * the transpose of b[n, k] when `transpose_b`. */
void pix_gemm(int m, int n, int k, float alpha, const float *a, int a_stride, const float *b,
              int b_stride, bool transpose_b, float beta, float *c, int c_stride);

#endif
