/* trie_attention.h - what the heads of texts that share their beginnings attend to.
 *
 * A row of a trie attends to itself and its ancestors.  Its result never depends on the other
 * texts or on the number of threads, to the bit.  Any thread. */
#ifndef PIX_CLIP_TRIE_ATTENTION_H
#define PIX_CLIP_TRIE_ATTENTION_H

#include "core/clip/text_trie.h"
#include "core/tensor/attention.h"

typedef struct pix_trie_queries {
    const pix_text_trie *trie;
    const int32_t *rows; /* [count], of the queries; NULL: 0, 1, 2, ... */
    int count;
    const float *q; /* [count, width] at q_stride */
    size_t q_stride;
    pix_memory memory; /* of every row of the trie: [width] */
    int heads;
    size_t width; /* of all heads */
} pix_trie_queries;

/* out: [count, width]; `room` is that of pix_attend_room for the longest text. */
void pix_trie_attend(const pix_compute *compute, const pix_trie_queries *queries, float *room,
                     float *out);

#endif
