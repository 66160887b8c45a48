/* batch.h - the inputs of --embed and --classify in order, their pictures encoded in batches.
 *
 * Each input is handed on once, in its place, one that failed with its error, so what is printed
 * for them never shifts.  Memory does not grow with the number of inputs. */
#ifndef PIX_QUERY_BATCH_H
#define PIX_QUERY_BATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "core/base/error.h"
#include "core/clip/model.h"
#include "query/encoder.h"
#include "query/options.h"

typedef struct pix_batch_input {
    char *value; /* a --text, or a picture's path */
    bool is_text;
    const float *vector; /* unit [embed_dim] of a picture that could be read, else NULL */
    pix_error error;     /* why a picture could not */
} pix_batch_input;

/* How many pictures to encode at a time: the model's batch, fewer when fewer are named, 0 when all
 * is text. */
int pix_batch_size(const pix_query_options *options, const pix_model *model);

/* Calls `each` for every input of `options`, "-" standing for the paths read from `in`, each ended
 * by a newline or, with options->null_ended, NUL.  `encoder` was made for `size` pictures.  A
 * status that `each` returns ends the run; so does a failure of `out`, where the program finds it.
 */
pix_status
pix_batch_run(const pix_query_options *options, pix_encoder *encoder, int size, FILE *in, FILE *out,
              pix_status (*each)(void *context, pix_batch_input *input, pix_error *error),
              void *context, pix_error *error);

#endif
