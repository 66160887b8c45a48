/* arena.h - memory with a budget: pieces that are freed all at once, and arrays that grow.
 *
 * Whatever a file asks for, no more than the limit is ever allocated. */
#ifndef PIX_WEIGHTS_ARENA_H
#define PIX_WEIGHTS_ARENA_H

#include <stddef.h>

#include "core/base/error.h"

typedef struct pix_arena {
    struct pix_arena_chunk *chunks;
    size_t spent, limit; /* bytes */
} pix_arena;

void pix_arena_free(pix_arena *arena);

/* *(T **)out = `size` zeroed bytes, aligned for any type, that live as long as the arena. */
pix_status pix_arena_take(pix_arena *arena, size_t size, void *out, pix_error *error);

/* Makes the heap array *(T **)array hold `need` items of `item` bytes, new ones zeroed; the caller
 * frees it. */
pix_status pix_arena_grow(pix_arena *arena, void *array, size_t *capacity, size_t need, size_t item,
                          pix_error *error);

#endif
