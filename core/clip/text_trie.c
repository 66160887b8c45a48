#include "core/clip/text_trie.h"

#include <assert.h>
#include <stdlib.h>

pix_status pix_text_trie_init(pix_text_trie *trie, int capacity, pix_error *error) {
    assert(capacity > 0);
    size_t rows = (size_t)capacity;
    *trie = (pix_text_trie){.capacity = capacity,
                            .token = calloc(rows, sizeof *trie->token),
                            .parent = calloc(rows, sizeof *trie->parent),
                            .depth = calloc(rows, sizeof *trie->depth),
                            .child = calloc(rows, sizeof *trie->child),
                            .sibling = calloc(rows, sizeof *trie->sibling),
                            .first = -1};
    if (trie->token && trie->parent && trie->depth && trie->child && trie->sibling)
        return PIX_OK;
    pix_text_trie_free(trie);
    return pix_fail_memory(error);
}

void pix_text_trie_free(pix_text_trie *trie) {
    free(trie->token);
    free(trie->parent);
    free(trie->depth);
    free(trie->child);
    free(trie->sibling);
    *trie = (pix_text_trie){.first = -1};
}

void pix_text_trie_clear(pix_text_trie *trie) {
    trie->rows = 0;
    trie->first = -1;
}

/* Where the newest row that follows `parent` is kept. */
static int32_t *newest(pix_text_trie *trie, int parent) {
    return parent < 0 ? &trie->first : &trie->child[parent];
}

/* The row of `token` after `parent`, -1 when there is none. */
static int find(pix_text_trie *trie, int parent, int32_t token) {
    int row = *newest(trie, parent);
    while (row >= 0 && trie->token[row] != token)
        row = trie->sibling[row];
    return row;
}

static int append(pix_text_trie *trie, int parent, int32_t token) {
    int row = trie->rows++;
    trie->token[row] = token;
    trie->parent[row] = parent;
    trie->depth[row] = parent < 0 ? 0 : trie->depth[parent] + 1;
    trie->child[row] = -1;
    trie->sibling[row] = *newest(trie, parent);
    *newest(trie, parent) = row;
    return row;
}

int pix_text_trie_add(pix_text_trie *trie, const int32_t *ids, int length) {
    assert(length > 0);
    int row = -1, known = 0;
    for (int next; known < length && (next = find(trie, row, ids[known])) >= 0; known++)
        row = next;
    if (length - known > trie->capacity - trie->rows)
        return -1;
    for (; known < length; known++)
        row = append(trie, row, ids[known]);
    return row;
}

void pix_text_trie_path(const pix_text_trie *trie, int row, int32_t *path) {
    for (int place = trie->depth[row]; row >= 0; row = trie->parent[row])
        path[place--] = row;
}
