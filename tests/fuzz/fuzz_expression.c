/* Any bytes as the arguments of a search, NUL between them: an error, or terms that can be encoded.
 * The first bit asks for --literal, the second makes the last argument a FILE of --like. */
#include <math.h>

#include "query/expression.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ARGUMENTS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pix_query_input inputs[MAX_ARGUMENTS];
    pix_query_options options = {.inputs = inputs};
    char *whole = malloc(size + 1);
    demand(whole != NULL);
    memcpy(whole, data, size);
    whole[size] = '\0';
    for (size_t at = size > 0; at < size && options.input_count < MAX_ARGUMENTS;
         at += strlen(whole + at) + 1)
        inputs[options.input_count++] = (pix_query_input){.value = whole + at};
    options.literal = size > 0 && data[0] & 1;
    if (options.input_count > 0)
        inputs[options.input_count - 1].is_like = data[0] & 2;

    pix_expression expression;
    pix_error error = {0};
    pix_status status = pix_expression_parse(&options, &expression, &error);
    if (status)
        demand_reason(status, &error);
    demand((status == PIX_OK) == (expression.count > 0));
    for (size_t i = 0; i < expression.count; i++) {
        const pix_term *term = &expression.terms[i];
        demand(isfinite(term->weight) && term->weight != 0 && (i > 0 || term->weight > 0));
        demand(term->value.size > 0 && strlen(term->value.data) == term->value.size);
        (void)pix_words_name_picture(term->value.data);
    }
    pix_expression_free(&expression);
    free(whole);
    return 0;
}
