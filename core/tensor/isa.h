/* isa.h - which kernels this CPU can run, and the ones that are chosen.
 *
 * "Kernels" are the inner loops of matmul.h for one instruction set.  int8 sums, quantised codes
 * and all that follows a sum are the same bits in every one; float32 sums differ in rounding.
 * Nothing here is global state: who multiplies says with which kernels.  Any thread. */
#ifndef PIX_TENSOR_ISA_H
#define PIX_TENSOR_ISA_H

#include <stddef.h>

#include "core/base/error.h"

/* The environment variable that names the kernels to use. */
#define PIX_ISA_VARIABLE "PIXGREP_ISA"

typedef struct pix_kernels pix_kernels;

/* Those this CPU can run, the portable ones first and the fastest last; NULL past the last. */
const pix_kernels *pix_kernels_at(size_t index);

/* "portable", "avx2", "avxvnni", "avx512", "avx512vnni"; on 64-bit ARM "neon", "dotprod", "i8mm".
 */
const char *pix_kernels_name(const pix_kernels *kernels);

/* The kernels of that name, the fastest for NULL or "".  Of a name that is unknown, or that this
 * CPU cannot run, the error lists what it can. */
pix_status pix_kernels_choose(const char *name, const pix_kernels **out, pix_error *error);

/* Those that the environment variable names; its name begins the error. */
pix_status pix_kernels_wanted(const pix_kernels **out, pix_error *error);

#endif
