/* text_trie.h - the tokens of several texts as one tree: what texts begin with alike is there once.
 *
 * A row is a token in its place and its parent is the token before it.  No token of a causal tower
 * sees what follows it, so a row computed once serves every text that goes through it: eighty
 * prompts that begin "a photo of a" share five.  Parents come before their children; a text alone
 * is rows 0, 1, 2, ...  One thread at a time, but any number may read. */
#ifndef PIX_CLIP_TEXT_TRIE_H
#define PIX_CLIP_TEXT_TRIE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_text_trie {
    int capacity, rows;
    int32_t *token;           /* [rows] */
    int32_t *parent;          /* [rows], -1 for a first token */
    int32_t *depth;           /* [rows]: tokens before it, its place in the text */
    int32_t *child, *sibling; /* [rows]: the newest child and the next older one, -1 for none */
    int32_t first;            /* the newest first token, -1 when there are no rows */
} pix_text_trie;

pix_status pix_text_trie_init(pix_text_trie *trie, int capacity, pix_error *error);
void pix_text_trie_free(pix_text_trie *trie);

/* Takes out all texts. */
void pix_text_trie_clear(pix_text_trie *trie);

/* The row of the last of `length` ids, at least 1, adding those that are not there yet; -1 when
 * they do not fit, and nothing is added then. */
int pix_text_trie_add(pix_text_trie *trie, const int32_t *ids, int length);

/* The rows from the text's first token to `row`: path[depth[row] + 1]. */
void pix_text_trie_path(const pix_text_trie *trie, int row, int32_t *path);

#endif
