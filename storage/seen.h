/* seen.h - the ids a run has met, one bit each, so that a run over unchanged photos writes nothing.
 *
 * A zeroed pix_seen is empty.  Not thread-safe. */
#ifndef PIX_STORAGE_SEEN_H
#define PIX_STORAGE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_seen {
    uint64_t *words;
    size_t count;
} pix_seen;

/* Ids are 1 to 2^36 (8 GiB of bits); others, as a damaged file may hold, are PIX_EFORMAT. */
pix_status pix_seen_add(pix_seen *seen, int64_t id, pix_error *error);
bool pix_seen_has(const pix_seen *seen, int64_t id);
void pix_seen_free(pix_seen *seen); /* leaves it empty */

#endif
