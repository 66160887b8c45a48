/* print.h - results as a person and a script read them. */
#ifndef PIX_QUERY_PRINT_H
#define PIX_QUERY_PRINT_H

#include <stdio.h>

#include "query/encoder.h"
#include "query/options.h"
#include "storage/store.h"

typedef struct pix_result {
    double score;
    const pix_photo_row *photo;
    bool is_collapsed; /* it may stand for others: */
    size_t folded;     /* so many */
} pix_result;

/* One result in the given form.  Lines: score with six decimals, tab, path with control bytes and
 * backslash escaped (\n, \t, \\, \xHH).  JSON: the keys path (or path_base64), score, width,
 * height, format, taken, camera, latitude, longitude, always all of them, null when unknown, and
 * folded when it is collapsed.  Write errors stay in the stream; the status says only that memory
 * ran out. */
pix_status pix_print_result(FILE *out, pix_query_format format, const pix_result *result);

/* The JSON object alone, without an end of line. */
void pix_print_object(FILE *out, const pix_result *result);

/* The line above a table. */
void pix_print_heading(FILE *out);

/* One line when the model is one that nobody chose; see pix_library_notice. */
void pix_print_notice(FILE *out, const pix_query_options *options, const pix_model *model);

/* One line that says where a text, called `what`, was cut and quotes what was dropped; nothing when
 * all fitted. */
pix_status pix_print_cut(FILE *out, const char *what, const pix_text_cut *cut);

#endif
