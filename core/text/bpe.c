#include "core/text/bpe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

#define NO_MERGE UINT32_MAX
enum { SHORT_WORD = 48 };

void pix_ids_free(pix_ids *ids) {
    free(ids->data);
    *ids = (pix_ids){0};
}

pix_status pix_ids_reserve(pix_ids *ids, size_t extra) {
    int32_t *data = pix_array_reserve(ids->data, &ids->capacity, ids->count, extra, sizeof *data);
    if (!data)
        return PIX_ENOMEM;
    ids->data = data;
    return PIX_OK;
}

/* CLIP numbers 21..7E, A1..AC, AE..FF first and then what is left, in order. */
uint32_t pix_byte_symbol(unsigned char byte) {
    if (byte >= 0x21 && byte <= 0x7E)
        return byte - 0x21U;
    if (byte >= 0xA1 && byte <= 0xAC)
        return byte - 0xA1U + 94;
    if (byte >= 0xAE)
        return byte - 0xAEU + 106;
    if (byte <= 0x20)
        return byte + 188U;
    return byte == 0xAD ? 255 : byte - 0x7FU + 221;
}

unsigned char pix_symbol_byte(uint32_t symbol) {
    if (symbol < 94)
        return (unsigned char)(symbol + 0x21);
    if (symbol < 106)
        return (unsigned char)(symbol - 94 + 0xA1);
    if (symbol < 188)
        return (unsigned char)(symbol - 106 + 0xAE);
    if (symbol < 221)
        return (unsigned char)(symbol - 188);
    return symbol == 255 ? 0xAD : (unsigned char)(symbol - 221 + 0x7F);
}

static uint64_t hash_pair(uint32_t left, uint32_t right) {
    uint64_t hash = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

pix_status pix_bpe_init(pix_bpe *bpe, size_t merges) {
    size_t bytes;
    *bpe = (pix_bpe){0};
    if (pix_symbol_table_init(&bpe->table, merges) ||
        !pix_size_multiply(merges + 1, sizeof *bpe->pairs, &bytes))
        return PIX_ENOMEM;
    bpe->pairs = malloc(bytes);
    return bpe->pairs ? PIX_OK : PIX_ENOMEM;
}

void pix_bpe_free(pix_bpe *bpe) {
    pix_symbol_table_free(&bpe->table);
    free(bpe->pairs);
    *bpe = (pix_bpe){0};
}

void pix_bpe_add(pix_bpe *bpe, uint32_t left, uint32_t right) {
    uint64_t hash = hash_pair(left, right);
    size_t probe = 0;
    while (pix_symbol_next(&bpe->table, hash, &probe) != 0) {
    }
    pix_symbol_add(&bpe->table, hash, probe, (uint32_t)(PIX_FIRST_MERGE + bpe->count));
    bpe->pairs[bpe->count++] = (struct pix_pair){left, right};
}

static uint32_t find_merge(const pix_bpe *bpe, uint32_t left, uint32_t right) {
    uint64_t hash = hash_pair(left, right);
    size_t probe = 0;
    for (uint32_t symbol; (symbol = pix_symbol_next(&bpe->table, hash, &probe)) != 0;) {
        const struct pix_pair *pair = &bpe->pairs[symbol - PIX_FIRST_MERGE];
        if (pair->left == left && pair->right == right)
            return symbol;
    }
    return NO_MERGE;
}

/* Few symbols: look at all pairs for every merge. */
static size_t merge_short(const pix_bpe *bpe, uint32_t *symbols, size_t count) {
    uint32_t merges[SHORT_WORD];
    for (size_t i = 0; i + 1 < count; i++)
        merges[i] = find_merge(bpe, symbols[i], symbols[i + 1]);
    merges[count - 1] = NO_MERGE;
    while (count > 1) {
        uint32_t best = NO_MERGE;
        for (size_t i = 0; i + 1 < count; i++)
            best = merges[i] < best ? merges[i] : best;
        if (best == NO_MERGE)
            break;
        size_t out = 0;
        for (size_t i = 0; i < count; out++) {
            bool merge = i + 1 < count && merges[i] == best;
            symbols[out] = merge ? best : symbols[i];
            merges[out] = merges[i];
            i += merge ? 2 : 1;
        }
        count = out;
        /* Only pairs that hold the new symbol changed. */
        for (size_t i = 0; i + 1 < count; i++)
            if (symbols[i] == best || symbols[i + 1] == best)
                merges[i] = find_merge(bpe, symbols[i], symbols[i + 1]);
    }
    return count;
}

/* Many symbols: a linked list of symbols and a heap of possible merges. */
typedef struct candidate {
    uint32_t symbol; /* that the merge would make */
    uint32_t at;     /* its left symbol */
} candidate;

typedef struct long_word {
    const pix_bpe *bpe;
    struct node {
        uint32_t symbol, previous, next; /* NO_MERGE: none; a symbol merged away is NO_MERGE too */
    } * nodes;
    candidate *heap; /* lowest symbol first, then leftmost */
    size_t count;
} long_word;

static bool comes_first(candidate a, candidate b) {
    return a.symbol < b.symbol || (a.symbol == b.symbol && a.at < b.at);
}

static void push(long_word *word, candidate added) {
    size_t at = word->count++;
    while (at > 0 && comes_first(added, word->heap[(at - 1) / 2])) {
        word->heap[at] = word->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    word->heap[at] = added;
}

static candidate pop(long_word *word) {
    candidate first = word->heap[0], last = word->heap[--word->count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < word->count; at = child) {
        if (child + 1 < word->count && comes_first(word->heap[child + 1], word->heap[child]))
            child++;
        if (!comes_first(word->heap[child], last))
            break;
        word->heap[at] = word->heap[child];
    }
    word->heap[at] = last;
    return first;
}

static uint32_t merge_at(const long_word *word, uint32_t at) {
    const struct node *node = &word->nodes[at];
    if (node->symbol == NO_MERGE || node->next == NO_MERGE)
        return NO_MERGE;
    return find_merge(word->bpe, node->symbol, word->nodes[node->next].symbol);
}

static void find_candidate(long_word *word, uint32_t at) {
    uint32_t symbol = at == NO_MERGE ? NO_MERGE : merge_at(word, at);
    if (symbol != NO_MERGE)
        push(word, (candidate){symbol, at});
}

/* A merge is made of symbols of earlier merges, so what a new symbol can become comes later in the
 * heap than all merges of the kind under way. */
static void merge_long(long_word *word) {
    while (word->count > 0) {
        candidate first = pop(word);
        if (merge_at(word, first.at) != first.symbol)
            continue;
        struct node *node = &word->nodes[first.at], *gone = &word->nodes[node->next];
        node->symbol = first.symbol;
        node->next = gone->next;
        gone->symbol = NO_MERGE;
        if (node->next != NO_MERGE)
            word->nodes[node->next].previous = first.at;
        find_candidate(word, node->previous);
        find_candidate(word, first.at);
    }
}

static pix_status encode_long(const pix_bpe *bpe, const uint32_t *symbols, size_t size,
                              pix_ids *out) {
    long_word word = {.bpe = bpe};
    pix_status status = PIX_ENOMEM;
    size_t nodes, heap;
    /* A candidate for every symbol at first, and two more for every merge. */
    if (size >= UINT32_MAX || !pix_size_multiply(size, sizeof *word.nodes, &nodes) ||
        !pix_size_multiply(size, 3 * sizeof *word.heap, &heap))
        return PIX_ENOMEM;
    word.nodes = malloc(nodes);
    word.heap = malloc(heap);
    if (!word.nodes || !word.heap)
        goto done;
    for (uint32_t i = 0; i < size; i++)
        word.nodes[i] = (struct node){symbols[i], i - 1, i + 1 < size ? i + 1 : NO_MERGE};
    for (uint32_t i = 0; i < size; i++)
        find_candidate(&word, i);
    merge_long(&word);
    for (uint32_t i = 0; i != NO_MERGE; i = word.nodes[i].next)
        out->data[out->count++] = (int32_t)word.nodes[i].symbol;
    status = PIX_OK;
done:
    free(word.nodes);
    free(word.heap);
    return status;
}

static void read_symbols(const char *word, size_t size, uint32_t *symbols) {
    for (size_t i = 0; i < size; i++)
        symbols[i] = pix_byte_symbol((unsigned char)word[i]);
    symbols[size - 1] += PIX_BYTE_SYMBOLS;
}

pix_status pix_bpe_encode(const pix_bpe *bpe, const char *word, size_t size, pix_ids *out) {
    assert(size > 0);
    if (pix_ids_reserve(out, size))
        return PIX_ENOMEM;
    if (size <= SHORT_WORD) {
        uint32_t symbols[SHORT_WORD];
        read_symbols(word, size, symbols);
        size_t count = merge_short(bpe, symbols, size);
        for (size_t i = 0; i < count; i++)
            out->data[out->count++] = (int32_t)symbols[i];
        return PIX_OK;
    }
    size_t bytes;
    uint32_t *symbols = NULL;
    if (pix_size_multiply(size, sizeof *symbols, &bytes))
        symbols = malloc(bytes);
    if (!symbols)
        return PIX_ENOMEM;
    read_symbols(word, size, symbols);
    pix_status status = encode_long(bpe, symbols, size, out);
    free(symbols);
    return status;
}
