#include "core/clip/text_input.h"

pix_status pix_text_tokens(const pix_tokenizer *tokenizer, size_t context, const char *text,
                           size_t size, pix_ids *ids, pix_text_cut *cut, pix_error *error) {
    cut->count = 0;
    pix_bytes_clear(&cut->words);
    if (pix_tokenizer_encode(tokenizer, text, size, ids))
        return pix_fail_memory(error);
    if (ids->count <= context)
        return PIX_OK;
    size_t last = ids->count - 1; /* the end token */
    pix_status status = pix_tokenizer_decode(tokenizer, ids->data + context - 1,
                                             last - (context - 1), &cut->words, error);
    if (!status)
        cut->count = pix_tokenizer_truncate(tokenizer, ids, context);
    return status;
}
