/* expression_vector.h - an expression as the one unit vector that is searched for.
 *
 * The texts of an expression are encoded in one call and its pictures in batches, which are one
 * unless there are very many.  One thread at a time. */
#ifndef PIX_QUERY_EXPRESSION_VECTOR_H
#define PIX_QUERY_EXPRESSION_VECTOR_H

#include <stdio.h>

#include "core/base/error.h"
#include "query/encoder.h"
#include "query/ensemble.h"
#include "query/expression.h"

/* How many pictures an encoder for this expression takes at a time; 0 without pictures. */
int pix_expression_batch(const pix_expression *expression, const pix_model *model);

/* Appends the words of its terms, in the order in which they are encoded. */
pix_status pix_expression_texts(const pix_expression *expression, pix_list *out, pix_error *error);

/* The unit vector [embed_dim] that the expression means: the weighted sum of its terms' unit
 * vectors, in float64, normalised; of a term alone, that term's vector itself.  Words are put into
 * the sentences of `ensemble`, unless it is NULL.  Terms that cancel each other out are
 * PIX_EINVALID.  A text that had to be cut has a line in `notes`. */
pix_status pix_expression_encode(const pix_expression *expression, pix_encoder *encoder,
                                 pix_ensemble *ensemble, float *vector, FILE *notes,
                                 pix_error *error);

#endif
