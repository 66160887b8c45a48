#include "indexer/inode_set.h"

#include <stdint.h>
#include <stdlib.h>

void pix_inode_set_free(pix_inode_set *set) {
    free(set->slots);
    *set = (pix_inode_set){0};
}

/* The slot that holds the pair, or the free one where it belongs. */
static pix_inode *find(pix_inode *slots, size_t capacity, dev_t device, ino_t inode) {
    uint64_t hash =
        ((uint64_t)inode + (uint64_t)device * 0x9E3779B97F4A7C15U) * 0xD6E8FEB86659FD93U;
    size_t at = (size_t)(hash >> 32) & (capacity - 1);
    while (slots[at].used && (slots[at].device != device || slots[at].inode != inode))
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static pix_status grow(pix_inode_set *set) {
    size_t capacity = set->capacity ? 2 * set->capacity : 64;
    pix_inode *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return PIX_ENOMEM;
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].used)
            *find(slots, capacity, set->slots[i].device, set->slots[i].inode) = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return PIX_OK;
}

pix_status pix_inode_set_add(pix_inode_set *set, dev_t device, ino_t inode, bool *added) {
    *added = false;
    if (2 * (set->count + 1) > set->capacity && grow(set))
        return PIX_ENOMEM;
    pix_inode *slot = find(set->slots, set->capacity, device, inode);
    if (slot->used)
        return PIX_OK;
    *slot = (pix_inode){.device = device, .inode = inode, .used = true};
    set->count++;
    *added = true;
    return PIX_OK;
}
