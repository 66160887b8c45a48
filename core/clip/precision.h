/* precision.h - the arithmetic a model's towers run in, and how near int8 comes to float32. */
#ifndef PIX_CLIP_PRECISION_H
#define PIX_CLIP_PRECISION_H

#include <stdbool.h>

typedef enum pix_precision { PIX_FP32 = 0, PIX_INT8 = 1 } pix_precision;

/* "fp32", "int8": as options, messages and the store have it. */
const char *pix_precision_name(pix_precision precision);

/* False for any other name. */
bool pix_precision_parse(const char *name, pix_precision *out);

/* That of a name which parses; of NULL, `otherwise`. */
pix_precision pix_precision_or(const char *name, pix_precision otherwise);

/* What int8 makes of a model, beside float32; NaN of texts where it reads none. */
typedef struct pix_fidelity {
    double image_least, image_mean; /* cosine of the same picture's features */
    double text_least, text_mean;   /* and of the same text's */
    double score_error;             /* as pix_fidelity_score_error has it */
} pix_fidelity;

#endif
