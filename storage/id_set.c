#include "storage/id_set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t largest_id = INT64_C(1) << 36;

pix_status pix_id_set_add(pix_id_set *set, int64_t id, pix_error *error) {
    if (id < 1 || id > largest_id)
        return pix_fail(error, PIX_EFORMAT, "id %" PRId64 " is out of range", id);
    size_t word = (size_t)id / 64;
    if (word >= set->count) {
        size_t count = word + word / 2 + 64;
        uint64_t *words = realloc(set->words, count * sizeof *words);
        if (!words)
            return pix_fail_memory(error);
        memset(words + set->count, 0, (count - set->count) * sizeof *words);
        set->words = words;
        set->count = count;
    }
    set->words[word] |= UINT64_C(1) << (id % 64);
    return PIX_OK;
}

bool pix_id_set_has(const pix_id_set *set, int64_t id) {
    size_t word = (size_t)id / 64;
    return id > 0 && word < set->count && (set->words[word] >> (id % 64) & 1);
}

int64_t pix_id_set_next(const pix_id_set *set, int64_t from) {
    size_t word = (size_t)from / 64;
    if (word >= set->count)
        return 0;
    uint64_t rest = set->words[word] >> (from % 64) << (from % 64);
    while (rest == 0 && ++word < set->count)
        rest = set->words[word];
    return rest ? (int64_t)word * 64 + __builtin_ctzll(rest) : 0;
}

void pix_id_set_free(pix_id_set *set) {
    free(set->words);
    *set = (pix_id_set){0};
}
