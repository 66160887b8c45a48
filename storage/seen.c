#include "storage/seen.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t largest_id = INT64_C(1) << 36;

pix_status pix_seen_add(pix_seen *seen, int64_t id, pix_error *error) {
    if (id < 1 || id > largest_id)
        return pix_fail(error, PIX_EFORMAT, "id %" PRId64 " is out of range", id);
    size_t word = (size_t)id / 64;
    if (word >= seen->count) {
        size_t count = word + word / 2 + 64;
        uint64_t *words = realloc(seen->words, count * sizeof *words);
        if (!words)
            return pix_fail_memory(error);
        memset(words + seen->count, 0, (count - seen->count) * sizeof *words);
        seen->words = words;
        seen->count = count;
    }
    seen->words[word] |= UINT64_C(1) << (id % 64);
    return PIX_OK;
}

bool pix_seen_has(const pix_seen *seen, int64_t id) {
    size_t word = (size_t)id / 64;
    return id > 0 && word < seen->count && (seen->words[word] >> (id % 64) & 1);
}

void pix_seen_free(pix_seen *seen) {
    free(seen->words);
    *seen = (pix_seen){0};
}
