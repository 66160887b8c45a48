/* rotation.h - a random rotation that is fast: it spreads what a vector holds over all coordinates,
 * so that no few of them are large and one scale suits them all.
 *
 * Three times: random signs, then a Walsh-Hadamard transform of as many coordinates as the largest
 * power of two there is, from the first on or up to the last.  R is that map in real numbers, where
 * it keeps lengths and angles exactly.  What is computed differs from R x by at most
 * PIX_ROTATION_ERROR * ||x||: see rotation.c. */
#ifndef PIX_STORAGE_ROTATION_H
#define PIX_STORAGE_ROTATION_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

enum { PIX_ROTATION_LIMIT = 1 << 16 }; /* dimensions */

#define PIX_ROTATION_ERROR 0x1p-46

typedef struct pix_rotation {
    size_t dimension, power; /* power: of two, more than half of the dimensions */
    double factor;           /* 1 / sqrt(power) */
    double *signs;           /* [3, dimension] */
} pix_rotation;

/* The same seed gives the same rotation everywhere. */
pix_status pix_rotation_init(pix_rotation *rotation, size_t dimension, uint64_t seed,
                             pix_error *error);
void pix_rotation_free(pix_rotation *rotation);

/* In place; x: [dimension]. */
void pix_rotation_apply(const pix_rotation *rotation, double *x);

#endif
