/* vector.h - unit vectors on their way into the file and out of it: float32, little-endian. */
#ifndef PIX_STORAGE_VECTOR_H
#define PIX_STORAGE_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

/* PIX_EINVALID unless the Euclidean length is within 1e-3 of 1 (so every value is finite). */
pix_status pix_vector_check(const float *vector, size_t dimension, pix_error *error);

/* `bytes` is 4 * dimension long and need not be aligned. */
void pix_vector_store(const float *vector, size_t dimension, void *bytes);
void pix_vector_load(const void *bytes, size_t dimension, float *vector);

/* Loads `size` bytes, which may be NULL when that is 0; false unless they are a unit vector of this
 * dimension. */
bool pix_vector_read(const void *bytes, int size, size_t dimension, float *vector);

#endif
