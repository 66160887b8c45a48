/* Any bytes as a vocabulary's file, plain, compressed or JSON, for a model of as many merges as the
 * first byte says: an error, or exactly so many merges, which make a tokenizer. */
#include "core/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

enum { TOKENS_WITHOUT_MERGES = 514 };

static void check_merges(const pix_bytes *merges, size_t token_count) {
    static const char text[] = "To be in a bath: \xc3\xa9 \xe2\x82\xac!";
    pix_tokenizer *tokenizer;
    pix_error error;
    demand(!pix_tokenizer_new(merges->data, merges->size, &tokenizer, &error));
    demand(pix_tokenizer_end(tokenizer) == (int32_t)token_count - 1);
    pix_ids ids = {0};
    pix_bytes decoded = {0};
    demand(!pix_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids));
    for (size_t i = 0; i < ids.count; i++)
        demand(ids.data[i] >= 0 && ids.data[i] < (int32_t)token_count);
    demand(!pix_tokenizer_decode(tokenizer, ids.data, ids.count, &decoded, &error));
    pix_bytes_free(&decoded);
    pix_ids_free(&ids);
    pix_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t token_count = (size_t)TOKENS_WITHOUT_MERGES + data[0];
    pix_bytes merges = {0};
    pix_error error = {0};
    pix_status status =
        pix_vocabulary_load(fuzz_file(data + 1, size - 1), token_count, &merges, &error);
    if (status) {
        demand_reason(status, &error);
        demand(merges.size == 0);
    } else
        check_merges(&merges, token_count);
    pix_bytes_free(&merges);
    return 0;
}
