#include "core/weights/arena.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

enum { CHUNK_SIZE = 65536, ALIGNMENT = 16 };

typedef struct pix_arena_chunk {
    struct pix_arena_chunk *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char data[];
} chunk;

void pix_arena_free(pix_arena *arena) {
    while (arena->chunks) {
        chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->spent = 0;
}

static pix_status charge(pix_arena *arena, size_t size, pix_error *error) {
    if (size > arena->limit - arena->spent)
        return pix_fail(error, PIX_ELIMIT, "it needs more than %zu bytes of memory", arena->limit);
    arena->spent += size;
    return PIX_OK;
}

pix_status pix_arena_take(pix_arena *arena, size_t size, void *out, pix_error *error) {
    size_t rounded;
    if (!pix_size_add(size, ALIGNMENT - 1, &rounded))
        return pix_fail_memory(error);
    rounded -= rounded % ALIGNMENT;
    chunk *c = arena->chunks;
    if (!c || rounded > c->size - c->used) {
        size_t room = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE, total;
        if (!pix_size_add(sizeof *c, room, &total))
            return pix_fail_memory(error);
        pix_status status = charge(arena, total, error);
        if (status)
            return status;
        c = calloc(1, total);
        if (!c)
            return pix_fail_memory(error);
        c->size = room;
        c->next = arena->chunks;
        arena->chunks = c;
    }
    void *memory = c->data + c->used;
    c->used += rounded;
    memcpy(out, &memory, sizeof memory);
    return PIX_OK;
}

pix_status pix_arena_grow(pix_arena *arena, void *array, size_t *capacity, size_t need, size_t item,
                          pix_error *error) {
    if (need <= *capacity)
        return PIX_OK;
    size_t wanted = *capacity + *capacity / 2, total, old = *capacity * item;
    if (wanted < need)
        wanted = need < 256 ? 256 : need;
    if (!pix_size_multiply(wanted, item, &total))
        return pix_fail_memory(error);
    pix_status status = charge(arena, total - old, error);
    if (status)
        return status;
    char *data;
    memcpy(&data, array, sizeof data);
    data = realloc(data, total);
    if (!data)
        return pix_fail_memory(error);
    memset(data + old, 0, total - old);
    memcpy(array, &data, sizeof data);
    *capacity = wanted;
    return PIX_OK;
}
