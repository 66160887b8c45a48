/* bpe.h - byte-pair encoding of one word.
 *
 * Symbols are token ids: the 256 bytes in CLIP's order, the same ending a word, then one for each
 * merge.  Immutable once filled: any thread may encode. */
#ifndef PIX_TEXT_BPE_H
#define PIX_TEXT_BPE_H

#include "core/text/tokenizer.h"

/* Maps a pair of symbols to the one that replaces it: open addressing over a power of two. */
typedef struct pix_bpe {
    struct pix_merge {
        uint32_t left, right;
        uint32_t symbol; /* 0: an empty slot; a lower symbol is an earlier merge */
    } * slots;
    size_t mask;
} pix_bpe;

enum { PIX_BYTE_SYMBOLS = 256, PIX_FIRST_MERGE = 512 };

pix_status pix_bpe_init(pix_bpe *bpe, size_t merges);
void pix_bpe_free(pix_bpe *bpe);
/* False when the pair is there already. There must be room. */
bool pix_bpe_add(pix_bpe *bpe, uint32_t left, uint32_t right, uint32_t symbol);

/* The symbol of a byte inside a word: printable Latin-1 first, then the others. */
uint32_t pix_byte_symbol(unsigned char byte);
unsigned char pix_symbol_byte(uint32_t symbol);

/* Appends the symbols of a word (size > 0), merged as far as they go: the earliest merge first,
 * everywhere in the word, from left to right. */
pix_status pix_bpe_encode(const pix_bpe *bpe, const char *word, size_t size, pix_ids *out);

pix_status pix_ids_reserve(pix_ids *ids, size_t extra);

#endif
