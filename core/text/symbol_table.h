/* symbol_table.h - a hash table of symbols whose keys its user keeps.
 *
 * Open addressing in one array of 32 bits a slot: 8 bits of the key's hash, so that few keys are
 * compared in vain, and the symbol.  Small enough to stay in the cache while it is filled. */
#ifndef PIX_TEXT_SYMBOL_TABLE_H
#define PIX_TEXT_SYMBOL_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/error.h"

enum { PIX_SYMBOL_LIMIT = 1 << 24 };

typedef struct pix_symbol_table {
    uint32_t *slots; /* 0: empty */
    size_t mask;
} pix_symbol_table;

static inline pix_status pix_symbol_table_init(pix_symbol_table *table, size_t symbols) {
    size_t slots = 64;
    while (slots < symbols + symbols / 4)
        slots *= 2;
    *table = (pix_symbol_table){calloc(slots, sizeof *table->slots), slots - 1};
    return table->slots ? PIX_OK : PIX_ENOMEM;
}

static inline void pix_symbol_table_free(pix_symbol_table *table) {
    free(table->slots);
    *table = (pix_symbol_table){0};
}

static inline uint32_t pix_symbol_tag(uint64_t hash) {
    return (uint32_t)(hash >> 32) & 0xFF000000;
}

/* The next symbol whose key may have this hash, 0 after the last; *probe is 0 at first. */
static inline uint32_t pix_symbol_next(const pix_symbol_table *table, uint64_t hash,
                                       size_t *probe) {
    for (;;) {
        uint32_t slot = table->slots[((size_t)hash + (*probe)++) & table->mask];
        if (slot == 0 || (slot & 0xFF000000) == pix_symbol_tag(hash))
            return slot & 0xFFFFFF;
    }
}

/* Adds a symbol where pix_symbol_next has just returned 0. */
static inline void pix_symbol_add(pix_symbol_table *table, uint64_t hash, size_t probe,
                                  uint32_t symbol) {
    table->slots[((size_t)hash + probe - 1) & table->mask] = pix_symbol_tag(hash) | symbol;
}

#endif
