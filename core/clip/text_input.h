/* text_input.h - a text as the tokens a model reads of it. */
#ifndef PIX_CLIP_TEXT_INPUT_H
#define PIX_CLIP_TEXT_INPUT_H

#include "core/base/bytes.h"
#include "core/text/tokenizer.h"

/* What of a text did not fit the model's context; `count` 0 when all did.  A zeroed one is valid;
 * `words` is freed by the caller. */
typedef struct pix_text_cut {
    size_t count;    /* tokens dropped */
    pix_bytes words; /* what they spell, cleaned as the tokenizer does */
} pix_text_cut;

/* Replaces *ids by the text's tokens, at most `context` of them: the end token stays. */
pix_status pix_text_tokens(const pix_tokenizer *tokenizer, size_t context, const char *text,
                           size_t size, pix_ids *ids, pix_text_cut *cut, pix_error *error);

#endif
