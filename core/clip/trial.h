/* trial.h - a model run on the built-in samples, in float32 and in int8.
 *
 * Half of the samples show how far its activations reach, which quantising must know; the other
 * half how near int8 then comes to float32.  A trial is one thread's; it uses all processors. */
#ifndef PIX_CLIP_TRIAL_H
#define PIX_CLIP_TRIAL_H

#include "core/clip/fidelity.h"
#include "core/clip/model.h"
#include "core/clip/ranges.h"

typedef struct pix_trial {
    size_t pictures, texts; /* in each half; fewer for large models, and no texts where the model
                               reads none */
    size_t features;        /* in a vector */
    uint8_t *rgb;           /* [2][pictures], as the model wants them */
    pix_ids *ids;           /* [2][texts] */
    float *picture_features[2], *text_features[2]; /* by precision: of the second halves */
    pix_ranges vision, text;
} pix_trial;

pix_status pix_trial_init(pix_trial *trial, pix_model *model, pix_error *error);
void pix_trial_free(pix_trial *trial);

/* In float32 both halves run, and the ranges are those of the first. */
pix_status pix_trial_run(pix_trial *trial, pix_model *model, pix_precision precision,
                         pix_error *error);

/* What both runs showed. */
pix_fidelity pix_trial_fidelity(const pix_trial *trial);

#endif
