/* bpe.h - byte-pair encoding of one word.
 *
 * Symbols are token ids: the 256 bytes in CLIP's order, the same ending a word, then one for each
 * merge.  Immutable once filled: any thread may encode. */
#ifndef PIX_TEXT_BPE_H
#define PIX_TEXT_BPE_H

#include "core/text/symbol_table.h"
#include "core/text/tokenizer.h"

enum { PIX_BYTE_SYMBOLS = 256, PIX_FIRST_MERGE = 512 };

typedef struct pix_bpe {
    pix_symbol_table table;
    struct pix_pair {
        uint32_t left, right;
    } * pairs; /* [merges]: what symbol PIX_FIRST_MERGE + i replaces */
    size_t count;
} pix_bpe;

pix_status pix_bpe_init(pix_bpe *bpe, size_t merges);
void pix_bpe_free(pix_bpe *bpe);
/* Adds the next merge, of two symbols that exist by now: at most as many merges as were announced,
 * no pair twice. */
void pix_bpe_add(pix_bpe *bpe, uint32_t left, uint32_t right);

/* The symbol of a byte inside a word: printable Latin-1 first, then the others. */
uint32_t pix_byte_symbol(unsigned char byte);
unsigned char pix_symbol_byte(uint32_t symbol);

/* Appends the symbols of a word (size > 0), merged as far as they go: the earliest merge first,
 * everywhere in the word, from left to right. */
pix_status pix_bpe_encode(const pix_bpe *bpe, const char *word, size_t size, pix_ids *out);

pix_status pix_ids_reserve(pix_ids *ids, size_t extra);

#endif
