/* best.h - the k best hits so far, a heap with the worst on top.
 *
 * Better is a higher score, then a lower image id; so the order does not depend on when a hit came.
 */
#ifndef PIX_STORAGE_BEST_H
#define PIX_STORAGE_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pix_hit {
    int64_t image_id;
    double score;
} pix_hit;

/* Starts with `hits`, the caller's room for `capacity` > 0 of them, and no count. */
typedef struct pix_best {
    pix_hit *hits; /* a heap: no hit ranks before its parent */
    size_t count, capacity;
} pix_best;

/* False when the hit is not among the best. */
bool pix_best_offer(pix_best *best, pix_hit hit);

/* Whether no hit of this score can enter any more, whatever its image id. */
static inline bool pix_best_excludes(const pix_best *best, double score) {
    return best->count == best->capacity && score < best->hits[0].score;
}

/* Best first; no hit may be offered afterwards. */
void pix_best_sort(pix_best *best);

#endif
