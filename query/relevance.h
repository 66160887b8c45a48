/* relevance.h - how many of the best photos are worth showing.
 *
 * Without -k, results stop where the score has fallen by a fifth of the way from the best photo to
 * the average one of the library; and when the best photo scores less than common words that nobody
 * asked for usually find, nothing matches.  Only the order of results and their scores matter, so
 * the answer does not depend on how they were found. */
#ifndef PIX_QUERY_RELEVANCE_H
#define PIX_QUERY_RELEVANCE_H

#include "storage/background.h"
#include "storage/best.h"

enum { PIX_MOST_RESULTS = 50, PIX_BLIND_RESULTS = 10 };

typedef struct pix_relevance {
    const pix_background *background;
    const float *query; /* [dimension] */
    int dimension;
    bool is_words;  /* one term of words: nothing else compares with common words */
    size_t k;       /* exactly so many; 0: as many as are worth it */
    bool has_least; /* --min-score, in place of both rules */
    double least;
} pix_relevance;

typedef struct pix_cut {
    double mean;    /* what the average photo scores; NAN when nobody knows */
    double level;   /* what the best must score for anything to match; -INFINITY when any will do */
    double stop;    /* what each must score; -INFINITY when any will do */
    size_t shown;   /* of the hits */
    bool is_blind;  /* there is no background: a few were taken */
    bool is_capped; /* more are as good */
} pix_cut;

/* How many hits to look for. */
size_t pix_relevance_wanted(const pix_relevance *relevance);

/* `hits` are the best ones, best first, as many as wanted or all there are. */
void pix_relevance_cut(const pix_relevance *relevance, const pix_hit *hits, size_t count,
                       pix_cut *out);

#endif
