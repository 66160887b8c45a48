/* frame.h - the coordinates in which vectors become int8 codes, and how far a score computed from
 * codes can be from the true one.
 *
 * A frame is a mean m, two directions u and v (usually those in which pictures and texts lie) and a
 * rotation R.  A vector x is kept as its parts a along u and b along v, and R(x - m - a u - b v) as
 * codes with one scale.  So what all pictures share costs no precision, and what a query shares
 * with all texts is multiplied exactly.
 *
 * The bounds hold for every unit vector and query whatever the frame; a good one makes them narrow.
 * Their derivation is in frame.c.  A frame never changes: any thread may use it. */
#ifndef PIX_STORAGE_FRAME_H
#define PIX_STORAGE_FRAME_H

#include <stdint.h>

#include "storage/rotation.h"
#include "storage/scan.h"

typedef struct pix_frame {
    size_t dimension;
    size_t padded; /* codes of a vector: up to a multiple of 16 */
    double *axes;  /* [3, dimension]: m, u, v */
    pix_rotation rotation;
} pix_frame;

/* `axes` [3, dimension] is copied.  A mean longer than 1.01 or a direction longer than 1 + 1e-9 is
 * PIX_EFORMAT; both directions may be zero. */
pix_status pix_frame_init(pix_frame *frame, size_t dimension, const double *axes, uint64_t seed,
                          pix_error *error);
void pix_frame_free(pix_frame *frame);

/* What stands for a vector beside its codes. */
typedef struct pix_coded {
    float scale;
    float residual; /* at least the distance from the codes to what they stand for */
    float first, second;
} pix_coded;

/* What a query must know of all vectors it is compared with. */
typedef struct pix_extent {
    double length; /* at least the length of every vector of codes times its scale */
    double cross;  /* at least every |<u, z>| and |<v, z>|, z being what is rotated */
} pix_extent;

/* `vector` [dimension] has a length within 1e-3 of 1; `work` is room for [dimension], `codes` for
 * [padded] of code + 128.  Widens *extent. */
void pix_frame_code(const pix_frame *frame, const float *vector, double *work, uint8_t *codes,
                    pix_coded *coded, pix_extent *extent);

/* A query in a frame. */
typedef struct pix_frame_query {
    double mean, first, second; /* its dot products with m, u, v */
    double scale;               /* of its codes */
    double reach;               /* at least the length of its remainder */
    double slack;               /* of every bound, beside residual * reach */
    float rough_slack;          /* slack, and what float32 may add to it */
    pix_scan_query codes;
    void *memory;
} pix_frame_query;

/* `vector` [dimension] as above; `extent` of all vectors it will be compared with. */
pix_status pix_frame_query_init(pix_frame_query *query, const pix_frame *frame, const float *vector,
                                const pix_extent *extent, pix_error *error);
void pix_frame_query_free(pix_frame_query *query);

typedef struct pix_bounds {
    double low, high;
} pix_bounds;

/* pix_dot of query and vector lies within these; `sum` is that of pix_scan_block. */
static inline pix_bounds pix_frame_bounds(const pix_frame_query *query, const pix_coded *coded,
                                          int32_t sum) {
    double score = query->mean + query->first * (double)coded->first +
                   query->second * (double)coded->second +
                   query->scale * (double)coded->scale * (double)sum;
    double error = query->reach * (double)coded->residual + query->slack;
    return (pix_bounds){.low = score - error, .high = score + error};
}

#endif
