/* alike.h - which pictures are so alike that one of them can stand for the others.
 *
 * The first vector leads a group; each following one joins the first leader whose cosine with it
 * reaches the threshold, or leads a group of its own.  So every member is that near to its leader,
 * whatever lies between them, and a chain of small steps never makes one group.  Exact: what
 * decides is the float64 dot product that scores are made of, so every CPU gives the same groups.
 */
#ifndef PIX_STORAGE_ALIKE_H
#define PIX_STORAGE_ALIKE_H

#include "core/base/error.h"
#include "core/tensor/matmul.h"

typedef struct pix_alike {
    size_t leader; /* the index of a vector; its own in a leader */
    double score;  /* the cosine with it; 1 in a leader */
} pix_alike;

/* Groups the unit vectors [count, dimension], best first, into out [count].  Takes at most
 * count^2 / 2 products of int8 vectors, and a byte of memory for each number of a vector.
 * `progress`, when not NULL, is told now and then what part is done, 0 to 1. */
pix_status pix_alike_group(const pix_compute *compute, const float *vectors, size_t count,
                           int dimension, double threshold, pix_alike *out,
                           void (*progress)(void *context, double done), void *context,
                           pix_error *error);

#endif
