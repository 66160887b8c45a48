/* The rounding.  u = 2^-53 bounds the relative error of one operation.  A step of the transform
 * computes each sum and difference with a relative error of u, so it adds an error of at most u
 * times the length of its output; the step itself makes every vector longer by exactly sqrt(2).  So
 * the log2(power) <= 16 steps of a round add at most 16 u (1 + 16 u) relative to the length, the
 * product with the factor u, and the factor, which is off by less than 2 u itself, another 2 u.
 * Signs are exact.  Three rounds stay below 3 * 20 u = 60 u < 2^-46. */
#include "storage/rotation.h"

#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 3 };

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

pix_status pix_rotation_init(pix_rotation *rotation, size_t dimension, uint64_t seed,
                             pix_error *error) {
    *rotation = (pix_rotation){.dimension = dimension, .power = 1};
    if (dimension < 1 || dimension > PIX_ROTATION_LIMIT)
        return pix_fail(error, PIX_EUNSUPPORTED, "vectors of %zu dimensions", dimension);
    while (2 * rotation->power <= dimension)
        rotation->power *= 2;
    rotation->factor = 1 / sqrt((double)rotation->power);
    rotation->signs = calloc(ROUNDS * dimension, sizeof *rotation->signs);
    if (!rotation->signs)
        return pix_fail_memory(error);
    for (size_t i = 0; i < ROUNDS * dimension; i++)
        rotation->signs[i] = next_random(&seed) >> 63 ? -1 : 1;
    return PIX_OK;
}

void pix_rotation_free(pix_rotation *rotation) {
    free(rotation->signs);
    *rotation = (pix_rotation){0};
}

/* Without the factor; size is a power of two. */
static void transform(double *x, size_t size) {
    for (size_t step = 1; step < size; step *= 2)
        for (size_t first = 0; first < size; first += 2 * step)
            for (size_t i = first; i < first + step; i++) {
                double sum = x[i] + x[i + step], difference = x[i] - x[i + step];
                x[i] = sum;
                x[i + step] = difference;
            }
}

void pix_rotation_apply(const pix_rotation *rotation, double *x) {
    for (size_t round = 0; round < ROUNDS; round++) {
        const double *signs = rotation->signs + round * rotation->dimension;
        for (size_t i = 0; i < rotation->dimension; i++)
            x[i] *= signs[i];
        double *part = round % 2 == 0 ? x : x + (rotation->dimension - rotation->power);
        transform(part, rotation->power);
        for (size_t i = 0; i < rotation->power; i++)
            part[i] *= rotation->factor;
    }
}
