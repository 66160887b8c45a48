/* Cleaning and encoding take any bytes; both results are checked, not only survived. */
#include "core/text/clean.h"
#include "core/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char merges[] = "t h\nth e</w>\na a\na n\naa aa\ni n\nin g</w>\n";
    static pix_tokenizer *tokenizer;
    pix_error error;
    if (!tokenizer)
        demand(pix_tokenizer_new(merges, sizeof merges - 1, &tokenizer, &error) == PIX_OK);

    const char *text = (const char *)data;
    pix_bytes fixed = {0}, clean = {0}, decoded = {0};
    pix_ids ids = {0};
    demand(pix_fix_text(text, size, &fixed) == PIX_OK);
    demand(pix_clean(text, size, &clean) == PIX_OK);
    demand(pix_is_utf8(fixed.data, fixed.size) && pix_is_utf8(clean.data, clean.size));

    demand(pix_tokenizer_encode(tokenizer, text, size, &ids) == PIX_OK);
    demand(ids.count >= 2 && ids.data[0] == pix_tokenizer_start(tokenizer) &&
           ids.data[ids.count - 1] == pix_tokenizer_end(tokenizer));
    demand(pix_tokenizer_decode(tokenizer, ids.data, ids.count, &decoded, &error) == PIX_OK);
    demand(pix_is_utf8(decoded.data, decoded.size));

    /* The same bytes as a vocabulary: an error or a tokenizer. */
    pix_tokenizer *other;
    if (pix_tokenizer_new(text, size, &other, &error) == PIX_OK)
        demand(pix_tokenizer_encode(other, text, size, &ids) == PIX_OK);
    pix_tokenizer_free(other);

    pix_bytes_free(&fixed);
    pix_bytes_free(&clean);
    pix_bytes_free(&decoded);
    pix_ids_free(&ids);
    return 0;
}
