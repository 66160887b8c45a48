#include "storage/best.h"

/* Whether `a` comes before `b` in a list of results. */
static bool ranks_before(const pix_hit *a, const pix_hit *b) {
    return a->score != b->score ? a->score > b->score : a->image_id < b->image_id;
}

static void swap_hits(pix_hit *a, pix_hit *b) {
    pix_hit old = *a;
    *a = *b;
    *b = old;
}

static void sift_up(pix_best *best, size_t i) {
    for (; i > 0 && ranks_before(&best->hits[(i - 1) / 2], &best->hits[i]); i = (i - 1) / 2)
        swap_hits(&best->hits[(i - 1) / 2], &best->hits[i]);
}

static void sift_down(pix_best *best) {
    for (size_t i = 0;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < best->count; child++)
            if (ranks_before(&best->hits[worst], &best->hits[child]))
                worst = child;
        if (worst == i)
            return;
        swap_hits(&best->hits[i], &best->hits[worst]);
        i = worst;
    }
}

bool pix_best_offer(pix_best *best, pix_hit hit) {
    if (best->count < best->capacity) {
        best->hits[best->count] = hit;
        sift_up(best, best->count++);
        return true;
    }
    if (!ranks_before(&hit, &best->hits[0]))
        return false;
    best->hits[0] = hit;
    sift_down(best);
    return true;
}

/* The worst goes to the end, and so on. */
void pix_best_sort(pix_best *best) {
    size_t total = best->count;
    while (best->count > 1) {
        swap_hits(&best->hits[0], &best->hits[--best->count]);
        sift_down(best);
    }
    best->count = total;
}
