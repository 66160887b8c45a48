/* id_set.h - a set of row ids, one bit each: photos a run has met, photos a filter lets through.
 *
 * A zeroed pix_id_set is empty.  Not thread-safe while it changes. */
#ifndef PIX_STORAGE_ID_SET_H
#define PIX_STORAGE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_id_set {
    uint64_t *words;
    size_t count; /* of words */
} pix_id_set;

/* Ids are 1 to 2^36 (8 GiB of bits); others, as a damaged file may hold, are PIX_EFORMAT. */
pix_status pix_id_set_add(pix_id_set *set, int64_t id, pix_error *error);
bool pix_id_set_has(const pix_id_set *set, int64_t id);
/* The lowest id from `from` (at least 1) on, 0 for none. */
int64_t pix_id_set_next(const pix_id_set *set, int64_t from);
void pix_id_set_free(pix_id_set *set); /* leaves it empty */

#endif
