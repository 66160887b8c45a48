/* vectors.h - vectors for the tests of searches: like those of photos, and nasty ones.
 *
 * Each is a unit vector; the same seed gives the same ones. */
#ifndef PIX_TESTS_VECTORS_H
#define PIX_TESTS_VECTORS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct test_random {
    uint64_t state;
} test_random;

static inline uint64_t test_random_bits(test_random *r) { /* splitmix64 */
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline size_t test_random_below(test_random *r, size_t limit) {
    return (size_t)(test_random_bits(r) % limit);
}

/* About normal, of variance 1. */
static inline double test_random_normal(test_random *r) {
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)(test_random_bits(r) >> 11) * 0x1p-53 - 0.5;
    return sum * sqrt(3);
}

static inline void test_normalise(float *x, size_t dimension) {
    double square = 0;
    for (size_t i = 0; i < dimension; i++)
        square += (double)x[i] * (double)x[i];
    for (size_t i = 0; i < dimension; i++)
        x[i] = (float)((double)x[i] / sqrt(square));
}

/* As models make them: all photos in a cone, the more so the smaller `spread`, and in it around
 * one of `clusters` centres; directions that matter more than others.  What is `shift`ed lies in
 * another cone, like texts. */
static inline void test_vector(test_random *r, float *x, size_t dimension, double spread,
                               size_t clusters, double shift) {
    test_random centre = {.state = UINT64_C(77) + test_random_below(r, clusters) * 7919};
    for (size_t i = 0; i < dimension; i++) {
        double weight = sqrt(8 / (8 + (double)i)) * spread;
        double cone = (i * 2654435761u >> 7) % 2 ? 0.6 : -0.6;
        double other = (i * 2246822519u >> 9) % 2 ? shift : -shift;
        x[i] = (float)(cone + other +
                       weight * (test_random_normal(&centre) + 0.7 * test_random_normal(r)));
    }
    test_normalise(x, dimension);
}

#endif
