#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "storage/scan.h"
#include "tests/support.h"

static uint64_t random_state;

static uint64_t random_bits(void) { /* splitmix64 */
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

enum { MOST_LINES = 256 };

typedef struct code_query {
    int16_t words[4 * MOST_LINES];
    int8_t high[4 * MOST_LINES], low[4 * MOST_LINES];
    pix_scan_query query;
} code_query;

/* The largest |k| whose sums fit an int32, as scan.h promises. */
static int largest_code(size_t lines) {
    int64_t most = INT32_MAX / ((int64_t)508 * (int64_t)lines);
    return most < 32512 ? (int)most : 32512;
}

/* Kind 0: the largest, 1: the smallest, 2: in turns, else random. */
static void fill_query(code_query *q, size_t lines, int kind) {
    int most = largest_code(lines);
    int64_t sum = 0;
    for (size_t i = 0; i < 4 * lines; i++) {
        int k = kind == 0   ? most
                : kind == 1 ? -most
                : kind == 2 ? (i % 2 ? most : -most)
                            : (int)(random_bits() % (uint64_t)(2 * most + 1)) - most;
        q->words[i] = (int16_t)k;
        q->high[i] = (int8_t)((k + 128 + 65536) / 256 - 256);
        q->low[i] = (int8_t)(k - 256 * q->high[i]);
        sum += k;
    }
    q->query = (pix_scan_query){
        .words = q->words, .high = q->high, .low = q->low, .offset = (int32_t)(128 * sum)};
}

/* Codes between -127 and 127; kind as above. */
static void fill_block(uint8_t *block, size_t lines, int kind) {
    for (size_t i = 0; i < lines * PIX_LINE; i++)
        block[i] = kind == 0   ? 255
                   : kind == 1 ? 1
                   : kind == 2 ? (i % 2 ? 255 : 1)
                               : (uint8_t)(1 + random_bits() % 255);
    for (size_t i = lines * PIX_LINE; i < pix_block_bytes(lines); i++)
        block[i] = (uint8_t)random_bits();
}

static int64_t true_sum(const uint8_t *block, size_t lines, const code_query *q, size_t vector) {
    int64_t sum = 0;
    for (size_t i = 0; i < 4 * lines; i++)
        sum += ((int64_t)block[i / 4 * PIX_LINE + vector * 4 + i % 4] - 128) * q->words[i];
    return sum;
}

/* A loop over the kernels of this CPU, with `scan` one of them. */
#define EACH_SCAN                                                                                  \
    const pix_kernels *kernels;                                                                    \
    pix_scan_block *scan;                                                                          \
    for (size_t isa = 0; (kernels = pix_kernels_at(isa)) && (scan = pix_scan_for(kernels)); isa++)

static void every_kernel_gives_the_exact_sums(void **state) {
    (void)state;
    static code_query queries[PIX_SCAN_QUERIES];
    static uint8_t room[(MOST_LINES + PIX_BLOCK_FACTS + 1) * PIX_LINE + 64];
    static const size_t sizes[] = {4, 8, 24, 128, 160, 192, MOST_LINES};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < 16; kind++) {
            const size_t lines = sizes[s], count = (size_t)kind % (PIX_SCAN_QUERIES + 1);
            uint8_t *block = room + kind; /* aligned only when kind is 0 */
            pix_scan_query some[PIX_SCAN_QUERIES];
            fill_block(block, lines, kind % 4);
            for (size_t q = 0; q < count; q++) {
                fill_query(&queries[q], lines, ((int)q + kind / 4) % 4);
                some[q] = queries[q].query;
            }
            pix_block_seal(block, lines, (uint32_t)kind);
            EACH_SCAN {
                int32_t sums[PIX_SCAN_QUERIES * PIX_BLOCK];
                assert_true(scan(block, lines, some, count, (uint32_t)kind, sums));
                for (size_t i = 0; i < count * PIX_BLOCK; i++) {
                    int64_t expected =
                        true_sum(block, lines, &queries[i / PIX_BLOCK], i % PIX_BLOCK);
                    if (sums[i] != expected)
                        fail_msg("%s, %zu lines, %zu queries: sum %zu is %d instead of %lld",
                                 pix_kernels_name(kernels), lines, count, i, (int)sums[i],
                                 (long long)expected);
                }
            }
        }
}

static void every_kernel_notices_every_flipped_bit(void **state) {
    (void)state;
    enum { LINES = 8 };
    static code_query q;
    uint8_t block[(LINES + PIX_BLOCK_FACTS + 1) * PIX_LINE];
    int32_t sums[PIX_SCAN_QUERIES * PIX_BLOCK];
    fill_query(&q, LINES, 3);
    fill_block(block, LINES, 3);
    pix_block_seal(block, LINES, 7);
    for (size_t count = 0; count <= PIX_SCAN_QUERIES; count++) {
        pix_scan_query wanted[PIX_SCAN_QUERIES];
        for (size_t i = 0; i < PIX_SCAN_QUERIES; i++)
            wanted[i] = q.query;
        EACH_SCAN {
            assert_true(scan(block, LINES, wanted, count, 7, sums));
            assert_false(scan(block, LINES, wanted, count, 8, sums));
            for (size_t bit = 0; bit < 8 * sizeof block; bit++) {
                block[bit / 8] ^= (uint8_t)(1 << bit % 8);
                if (scan(block, LINES, wanted, count, 7, sums))
                    fail_msg("%s, %zu queries: bit %zu", pix_kernels_name(kernels), count, bit);
                block[bit / 8] ^= (uint8_t)(1 << bit % 8);
            }
        }
    }
}

static void a_block_of_zeros_or_with_lines_exchanged_is_noticed(void **state) {
    (void)state;
    enum { LINES = 128, SIZE = (LINES + PIX_BLOCK_FACTS + 1) * PIX_LINE };
    uint8_t block[SIZE], damaged[SIZE];
    fill_block(block, LINES, 3);
    pix_block_seal(block, LINES, 3);
    EACH_SCAN {
        memset(damaged, 0, SIZE);
        for (uint32_t seed = 0; seed < 100; seed++)
            assert_false(scan(damaged, LINES, NULL, 0, seed, NULL));
        for (size_t from = 0; from < SIZE; from += 4096) { /* a page that was never written */
            memcpy(damaged, block, SIZE);
            memset(damaged + from, 0, from + 4096 < SIZE ? 4096 : SIZE - from);
            assert_false(scan(damaged, LINES, NULL, 0, 3, NULL));
        }
        for (size_t i = 0; i + 1 < LINES; i++) {
            memcpy(damaged, block, SIZE);
            memcpy(damaged + i * PIX_LINE, block + (i + 1) * PIX_LINE, PIX_LINE);
            memcpy(damaged + (i + 1) * PIX_LINE, block + i * PIX_LINE, PIX_LINE);
            assert_false(scan(damaged, LINES, NULL, 0, 3, NULL));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_gives_the_exact_sums),
        cmocka_unit_test(every_kernel_notices_every_flipped_bit),
        cmocka_unit_test(a_block_of_zeros_or_with_lines_exchanged_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
