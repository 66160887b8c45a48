/* tokenizer.h - CLIP's byte-level BPE tokenizer (openai/CLIP, simple_tokenizer.py).
 *
 * Vocabulary: 256 bytes, 256 bytes that end a word, the merges in order, start, end.  So a model of
 * V tokens has V - 514 merges.  Immutable after creation: any number of threads may share one. */
#ifndef PIX_TEXT_TOKENIZER_H
#define PIX_TEXT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

typedef struct pix_tokenizer pix_tokenizer;

/* A growable list of token ids; zeroed is empty. */
typedef struct pix_ids {
    int32_t *data;
    size_t count;
    size_t capacity;
} pix_ids;
void pix_ids_free(pix_ids *ids);

/* Reads a vocabulary as people have it and appends its first token_count - 514 merges in our own
 * form (one "left right\n" a line, in order): bpe_simple_vocab_16e6.txt(.gz), merges.txt, or
 * tokenizer.json.  A file that holds fewer, or whose token numbers are not CLIP's, is
 * PIX_EMISMATCH. */
pix_status pix_vocabulary_load(const char *path, size_t token_count, pix_bytes *merges,
                               pix_error *error);

/* Builds a tokenizer from merges in that form; the text is not kept. */
pix_status pix_tokenizer_new(const char *merges, size_t size, pix_tokenizer **out,
                             pix_error *error);
void pix_tokenizer_free(pix_tokenizer *tokenizer);

int32_t pix_tokenizer_start(const pix_tokenizer *tokenizer);
int32_t pix_tokenizer_end(const pix_tokenizer *tokenizer);

/* Replaces *out by start, the tokens of the cleaned text, end; never cut.  Fails only on memory. */
pix_status pix_tokenizer_encode(const pix_tokenizer *tokenizer, const char *text, size_t size,
                                pix_ids *out);

/* Cuts to `context_length` ids, the last of them the end token, as tokenize(truncate=True) does;
 * returns the number of ids cut. */
size_t pix_tokenizer_truncate(const pix_tokenizer *tokenizer, pix_ids *ids, size_t context_length);

/* Appends the text of `ids` as SimpleTokenizer.decode gives it: bytes joined, invalid UTF-8
 * replaced,
 * "</w>" as a space.  An id outside the vocabulary is PIX_EINVALID. */
pix_status pix_tokenizer_decode(const pix_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                pix_bytes *out, pix_error *error);

#endif
