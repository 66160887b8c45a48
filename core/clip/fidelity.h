/* fidelity.h - how near int8's features are to float32's: numbers that decide what a model runs in.
 *
 * Pure functions: any thread. */
#ifndef PIX_CLIP_FIDELITY_H
#define PIX_CLIP_FIDELITY_H

#include <stddef.h>

#include "core/base/error.h"
#include "core/clip/precision.h"

/* Unit vectors [count, size] of the same pictures, or texts, in both precisions. */
typedef struct pix_feature_pairs {
    size_t count, size;
    const float *fp32, *int8;
} pix_feature_pairs;

/* The cosines of each pair, 0 where one is not finite: the least and their mean; NaN of no pairs.
 */
void pix_fidelity_cosines(const pix_feature_pairs *pairs, double *least, double *mean);

/* The standard deviation of the error of a picture's score for a text, as a share of the scores'
 * own: over the pictures, since a text's scores are compared with each other only.  NaN where all
 * pictures score alike or one's score is not finite. */
double pix_fidelity_score_error(const pix_feature_pairs *pictures, const pix_feature_pairs *texts);

/* The mean share of a text's `top` best pictures in float32 that are among its best in int8; ties
 * go to the earlier picture.  NaN when there are no texts, or fewer pictures than that. */
pix_status pix_fidelity_overlap(const pix_feature_pairs *pictures, const pix_feature_pairs *texts,
                                size_t top, double *overlap, pix_error *error);

/* Near enough that nobody would notice: a least cosine of 0.99 and a mean of 0.995, of pictures
 * and, where the model reads any, of texts, and an error of scores of a tenth of their spread. */
bool pix_fidelity_is_enough(const pix_fidelity *fidelity);

/* "pictures 0.9997 (least 0.9994), texts 0.9995 (least 0.9990), score error 4.1 %", without what
 * was not measured.  Returns `out`. */
enum { PIX_FIDELITY_TEXT = 128 };
const char *pix_fidelity_text(const pix_fidelity *fidelity, char out[PIX_FIDELITY_TEXT]);

/* What to warn of who wants a model of this fidelity to run in `precision`, in
 * `out`; false when there is nothing. */
enum { PIX_FIDELITY_WARNING = 512 };
bool pix_fidelity_warning(const char *name, const pix_fidelity *fidelity, pix_precision precision,
                          char out[PIX_FIDELITY_WARNING]);

#endif
