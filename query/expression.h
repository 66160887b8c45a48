/* expression.h - what a query asks for: words, or a picture.
 *
 * An argument is a picture only when it begins with "/", "./", "../", "~/" or "file://"; a bare
 * name is always words, whatever files lie around, so a query means the same in every folder. */
#ifndef PIX_QUERY_EXPRESSION_H
#define PIX_QUERY_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "query/encoder.h"
#include "query/options.h"

typedef struct pix_expression {
    bool is_picture;
    pix_bytes value; /* the words joined by spaces, or the path of the picture */
} pix_expression;

/* Several arguments are words joined by spaces; a picture stands alone. */
pix_status pix_expression_parse(const pix_query_input *inputs, size_t count, pix_expression *out,
                                pix_error *error);
/* Whether one argument is words and the name of a file as well, which calls for a hint. */
bool pix_expression_names_picture(const pix_query_input *inputs, size_t count);
void pix_expression_free(pix_expression *expression);

/* The unit vector [embed_dim] that the expression means.  *cut is as in pix_encoder_text. */
pix_status pix_expression_encode(const pix_expression *expression, pix_encoder *encoder,
                                 float *vector, pix_text_cut *cut, pix_error *error);

#endif
