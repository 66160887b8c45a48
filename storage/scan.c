#include "storage/scan_kernels.h"

/* check = rotate_left(check + word, 7) in every column of one line. */
static inline void check_line(uint32_t check[PIX_BLOCK], const uint8_t *line) {
    uint32_t words[PIX_BLOCK];
    memcpy(words, line, sizeof words);
    for (size_t i = 0; i < PIX_BLOCK; i++) {
        uint32_t sum = check[i] + words[i];
        check[i] = sum << 7 | sum >> 25;
    }
}

/* The checks of some lines. */
static void check_lines(uint32_t check[PIX_BLOCK], const uint8_t *lines, size_t count,
                        uint32_t seed) {
    for (size_t i = 0; i < PIX_BLOCK; i++)
        check[i] = pix_check_start(seed) + pix_check_columns[i];
    for (size_t i = 0; i < count; i++)
        check_line(check, lines + i * PIX_LINE);
}

static void check_ids(uint32_t check[PIX_BLOCK], const uint8_t *block, size_t lines,
                      uint32_t seed) {
    check_lines(check, block + (lines + PIX_FACT_ID) * PIX_LINE, PIX_FACT_ID_CHECK - PIX_FACT_ID,
                ~seed);
}

bool pix_block_ids_hold(const uint8_t *block, size_t lines, uint32_t seed) {
    uint32_t check[PIX_BLOCK];
    check_ids(check, block, lines, seed);
    return memcmp(check, block + (lines + PIX_FACT_ID_CHECK) * PIX_LINE, sizeof check) == 0;
}

void pix_block_seal(uint8_t *block, size_t lines, uint32_t seed) {
    uint32_t check[PIX_BLOCK];
    check_ids(check, block, lines, seed);
    memcpy(block + (lines + PIX_FACT_ID_CHECK) * PIX_LINE, check, sizeof check);
    check_lines(check, block, lines + PIX_BLOCK_FACTS, seed);
    memcpy(block + (lines + PIX_BLOCK_FACTS) * PIX_LINE, check, sizeof check);
}

/* Products of one line with the four words of a query at `k`; at most 4 * 255 * 32512 < 2^31. */
static inline void add_line(int32_t sums[PIX_BLOCK], const uint8_t *line, const int16_t *k) {
    for (size_t i = 0; i < PIX_BLOCK; i++) {
        const uint8_t *four = line + 4 * i;
        int32_t sum = four[0] * k[0] + four[1] * k[1] + four[2] * k[2] + four[3] * k[3];
        sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)sum);
    }
}

bool pix_scan_portable(const uint8_t *block, size_t lines, const pix_scan_query *queries,
                       size_t count, uint32_t seed, int32_t *sums) {
    for (size_t q = 0; q < count; q++, sums += PIX_BLOCK) {
        for (size_t i = 0; i < PIX_BLOCK; i++)
            sums[i] = (int32_t)(0 - (uint32_t)queries[q].offset);
        for (size_t i = 0; i < lines; i++)
            add_line(sums, block + i * PIX_LINE, queries[q].words + 4 * i);
    }
    uint32_t check[PIX_BLOCK];
    check_lines(check, block, lines + PIX_BLOCK_FACTS, seed);
    return memcmp(check, block + (lines + PIX_BLOCK_FACTS) * PIX_LINE, sizeof check) == 0;
}

pix_scan_block *pix_scan_for(const pix_kernels *kernels) {
    static const struct {
        const char *name;
        pix_scan_block *scan;
    } all[] = {
#if defined(__x86_64__)
        {"avx2", pix_scan_avx2},
        {"avxvnni", pix_scan_avxvnni},
        {"avx512", pix_scan_avx2},
        {"avx512vnni", pix_scan_avx512vnni},
#elif defined(__aarch64__)
        {"neon", pix_scan_neon},
        {"dotprod", pix_scan_dotprod},
        {"i8mm", pix_scan_dotprod},
#endif
        {"portable", pix_scan_portable},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, pix_kernels_name(kernels)) == 0)
            return all[i].scan;
    return pix_scan_portable;
}
