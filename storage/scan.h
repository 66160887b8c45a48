/* scan.h - the inner loop of a search: products of a block of 16 coded vectors with queries.
 *
 * A block is lines of 64 bytes.  Line i of the first `lines` holds codes 4i to 4i + 3, each as code
 * + 128, of vector 0, then those of vector 1 and so on; then come PIX_BLOCK_FACTS lines with one
 * 32-bit word for each vector, and a line of checks.  A check is that of a column of 32-bit words:
 * it begins as `seed` times an odd constant plus the column's number, and for every word w, check =
 * rotate_left(check + w, 7).  Codes are read and checked in the same pass, so that damage never
 * goes into a result and costs no second reading.
 *
 * Sums are exact and the same on every CPU.  Any thread. */
#ifndef PIX_STORAGE_SCAN_H
#define PIX_STORAGE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tensor/isa.h"

enum {
    PIX_BLOCK = 16, /* vectors */
    PIX_LINE = 64,  /* bytes */
    /* Of each vector: pix_coded's four floats, the two halves of its id, and a check of those two
     * alone, for who wants to know whether a block is worth reading. */
    PIX_BLOCK_FACTS = 7,
    PIX_FACT_ID = 4,
    PIX_FACT_ID_CHECK = 6,
    /* Queries that one call may have. */
    PIX_SCAN_QUERIES = 4,
};

/* A query as whole numbers k, |k| <= 32512, small enough that no sum of 127 |k| exceeds an int32.
 * [4 * lines] of each. */
typedef struct pix_scan_query {
    const int16_t *words;     /* k */
    const int8_t *high, *low; /* k = 256 high + low */
    int32_t offset;           /* 128 times the sum of k, modulo 2^32 */
} pix_scan_query;

/* sums: [count, 16], the sum of code * k over all codes.  `lines` is a multiple of 4, `block` need
 * not be aligned; count <= PIX_SCAN_QUERIES, 0 to check only.  False when the check does not hold.
 */
typedef bool pix_scan_block(const uint8_t *block, size_t lines, const pix_scan_query *queries,
                            size_t count, uint32_t seed, int32_t *sums);

/* The fastest for what those kernels (core/tensor/isa.h) may use. */
pix_scan_block *pix_scan_for(const pix_kernels *kernels);

/* Whether the check of the ids holds. */
bool pix_block_ids_hold(const uint8_t *block, size_t lines, uint32_t seed);

/* Fills in the lines of checks. */
void pix_block_seal(uint8_t *block, size_t lines, uint32_t seed);

static inline size_t pix_block_bytes(size_t lines) {
    return (lines + PIX_BLOCK_FACTS + 1) * PIX_LINE;
}

#endif
