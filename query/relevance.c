#include "query/relevance.h"

#include <math.h>

#include "core/tensor/dot.h"

/* Of the way from the average photo to the best one: with the model tiny on 785 stamps and 2,002
 * drawings, 0.8 to 0.9 gave the best mean F1 of what was shown (tests/bench/relevance.py). */
static const double RISE = 0.8;

/* A hit of this score is the picture that was asked with, and says nothing of the others. */
static const double SAME = 0.9995;

size_t pix_relevance_wanted(const pix_relevance *r) {
    return r->k > 0 ? r->k : PIX_MOST_RESULTS + 1;
}

static void find_stop(const pix_relevance *r, const pix_hit *hits, size_t count, pix_cut *out) {
    size_t own = 0;
    while (own < count && hits[own].score >= SAME)
        own++;
    if (own == count)
        return;
    double best = hits[own].score;
    out->stop = best > out->mean ? out->mean + RISE * (best - out->mean) : best;
    if (own == 0 && r->is_words && r->background->has_level)
        out->level = r->background->level;
    if (best < out->level)
        out->stop = INFINITY;
}

void pix_relevance_cut(const pix_relevance *r, const pix_hit *hits, size_t count, pix_cut *out) {
    *out = (pix_cut){.mean = NAN, .level = -INFINITY, .stop = -INFINITY};
    bool known = r->background->vectors > 0;
    if (known)
        out->mean = pix_dot(r->query, r->background->mean, (size_t)r->dimension);
    if (r->has_least)
        out->stop = r->least;
    else if (r->k == 0 && known)
        find_stop(r, hits, count, out);
    while (out->shown < count && hits[out->shown].score >= out->stop)
        out->shown++;
    size_t most = r->k > 0 ? r->k : PIX_MOST_RESULTS;
    if (r->k == 0 && !known && !r->has_least && count > 0) {
        out->is_blind = true;
        most = PIX_BLIND_RESULTS;
    }
    out->is_capped = out->shown > most;
    if (out->is_capped)
        out->shown = most;
}
