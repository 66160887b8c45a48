/* fidelity.h - how near int8's features are to float32's: numbers that decide what a model runs in.
 *
 * Pure functions: any thread.  Features that are not finite are near nothing. */
#ifndef PIX_CLIP_FIDELITY_H
#define PIX_CLIP_FIDELITY_H

#include <stddef.h>

#include "core/base/error.h"

/* Unit vectors [count, size] of the same pictures, or texts, in both precisions. */
typedef struct pix_feature_pairs {
    size_t count, size;
    const float *fp32, *int8;
} pix_feature_pairs;

/* The cosines of each pair: the least and their mean; NaN of none. */
void pix_fidelity_cosines(const pix_feature_pairs *pairs, double *least, double *mean);

/* The standard deviation of the error of a picture's score for a text, as a share of the scores'
 * own: over the pictures, since a text's scores are compared with each other only.  NaN where all
 * pictures score alike. */
double pix_fidelity_score_error(const pix_feature_pairs *pictures, const pix_feature_pairs *texts);

/* The mean share of a text's `top` best pictures in float32 that are among its best in int8; ties
 * go to the earlier picture.  NaN when there are no texts, or fewer pictures than that. */
pix_status pix_fidelity_overlap(const pix_feature_pairs *pictures, const pix_feature_pairs *texts,
                                size_t top, double *overlap, pix_error *error);

#endif
