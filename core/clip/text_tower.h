/* text_tower.h - the causal text transformer (openai/CLIP, model.py, encode_text).
 *
 *     ids -> token + positional embedding -> causal blocks -> ln_final -> the end token's row ->
 *     text_projection -> [embed_dim]
 *
 * No token sees what follows it and only the first end token's row counts, so the ids after it are
 * never computed: a 7-token query runs at length 7, and texts that begin alike share that beginning
 * (text_trie.h).  Immutable; the scratch belongs to one thread. */
#ifndef PIX_CLIP_TEXT_TOWER_H
#define PIX_CLIP_TEXT_TOWER_H

#include "core/clip/transformer.h"

typedef struct pix_text_tower {
    int context_length, vocab_size, embed_dim;
    int end_token;                     /* -1: the highest id */
    const float *token_embedding;      /* [vocab_size, width] */
    const float *positional_embedding; /* [context_length, width] */
    const float *ln_final_weight, *ln_final_bias;
    pix_linear text_projection; /* [embed_dim, width] */
    pix_transformer transformer;
} pix_text_tower;

/* `compute` is borrowed until _free.  In int8 are the blocks. */
pix_status pix_text_tower_init(pix_text_tower *tower, const pix_model *model,
                               pix_precision precision, const pix_compute *compute,
                               pix_error *error);
void pix_text_tower_free(pix_text_tower *tower);

/* How many of `ids` count: those up to the first end token.  Fails on an id outside the vocabulary,
 * on too many, and when there is no end token. */
pix_status pix_text_tower_length(const pix_text_tower *tower, const int32_t *ids, size_t count,
                                 int *length, pix_error *error);

/* Token and positional embeddings of every row into scratch->x [rows, width]. */
void pix_text_tower_embed(const pix_text_tower *tower, pix_scratch *scratch,
                          const pix_text_trie *trie);

/* The texts of which ends[count] are the rows of the end tokens, to features [count, embed_dim]. */
void pix_text_tower_encode(const pix_text_tower *tower, pix_scratch *scratch, pix_text_trie *trie,
                           const int32_t *ends, int count, float *features);

#endif
