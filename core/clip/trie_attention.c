#include "core/clip/trie_attention.h"

#include <stdatomic.h>

/* Queries that a thread takes at a time. */
enum { QUERIES = 16 };

typedef struct attending {
    const pix_compute *compute;
    const pix_trie_queries *queries;
    size_t longest; /* path */
    float *room, *out;
    atomic_int next; /* the first query that nobody has taken */
} attending;

/* `path` and `scores` have room for the longest path. */
static void attend(const attending *work, int index, int32_t *path, float *scores) {
    const pix_trie_queries *all = work->queries;
    size_t head_width = all->width / (size_t)all->heads;
    int row = all->rows ? all->rows[index] : index;
    size_t length = (size_t)all->trie->depth[row] + 1;
    const float *q = all->q + (size_t)index * all->q_stride;
    float *out = work->out + (size_t)index * all->width;
    pix_memory memory = all->memory;
    pix_text_trie_path(all->trie, row, path);
    for (size_t column = 0; column < all->width; column += head_width) {
        pix_attend_rows(work->compute->kernels, q + column, &memory, path, length, head_width,
                        scores, out + column);
        memory.k += head_width;
        memory.v += head_width;
    }
}

/* Queries until there are no more; each task has a part of the room. */
static void attend_task(void *context, size_t index) {
    attending *work = context;
    float *scores = work->room + 2 * index * work->longest;
    int32_t *path = (int32_t *)(void *)(scores + work->longest);
    int count = work->queries->count;
    for (int first; (first = atomic_fetch_add(&work->next, QUERIES)) < count;)
        for (int i = first; i < first + QUERIES && i < count; i++)
            attend(work, i, path, scores);
}

void pix_trie_attend(const pix_compute *compute, const pix_trie_queries *queries, float *room,
                     float *out) {
    const pix_text_trie *trie = queries->trie;
    int deepest = 0;
    for (int row = 0; row < trie->rows; row++)
        deepest = trie->depth[row] > deepest ? trie->depth[row] : deepest;
    attending work = {.compute = compute,
                      .queries = queries,
                      .longest = (size_t)(deepest / 16 + 1) * 16, /* whole cache lines */
                      .room = room,
                      .out = out};
    size_t threads = (size_t)pix_pool_threads(compute->pool);
    size_t tasks = ((size_t)queries->count + QUERIES - 1) / QUERIES;
    pix_pool_run(compute->pool, tasks < threads ? tasks : threads, attend_task, &work);
}
