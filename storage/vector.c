#include "storage/vector.h"

#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/tensor/dot.h"

pix_status pix_vector_check(const float *vector, size_t dimension, pix_error *error) {
    double length = sqrt(pix_dot(vector, vector, dimension));
    if (!(fabs(length - 1) <= 1e-3))
        return pix_fail(error, PIX_EINVALID, "a vector of length %g, not 1", length);
    return PIX_OK;
}

void pix_vector_store(const float *vector, size_t dimension, void *bytes) {
    for (size_t i = 0; i < dimension; i++) {
        uint32_t bits;
        memcpy(&bits, vector + i, sizeof bits);
        bits = htole32(bits);
        memcpy((char *)bytes + i * sizeof bits, &bits, sizeof bits);
    }
}

void pix_vector_load(const void *bytes, size_t dimension, float *vector) {
    for (size_t i = 0; i < dimension; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)bytes + i * sizeof bits, sizeof bits);
        bits = le32toh(bits);
        memcpy(vector + i, &bits, sizeof bits);
    }
}

bool pix_vector_read(const void *bytes, int size, size_t dimension, float *vector) {
    if (!bytes || (size_t)size != dimension * sizeof *vector)
        return false;
    pix_vector_load(bytes, dimension, vector);
    return pix_vector_check(vector, dimension, NULL) == PIX_OK;
}
