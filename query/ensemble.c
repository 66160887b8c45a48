#include "query/ensemble.h"

#include <stdlib.h>
#include <string.h>

#include "core/clip/prompts.h"
#include "core/clip/session.h"

/* The prompt's unit vector into `vector`. */
static pix_status encode_prompt(pix_encoder *encoder, const char *template, const pix_bytes *prompt,
                                bool truncate, pix_text_cut *cut, float *vector, pix_error *error) {
    pix_status status = pix_encoder_text(encoder, prompt->data, prompt->size, vector, cut, error);
    if (!status && cut->count > 0 && !truncate)
        status = pix_fail(error, PIX_ELIMIT,
                          "too long for the model by %zu token%s in '%s'; shorten it, or let it be "
                          "cut with --truncate",
                          cut->count, cut->count == 1 ? "" : "s", template);
    return status;
}

pix_status pix_ensemble_encode(pix_encoder *encoder, const pix_list *templates, const char *label,
                               bool truncate, float *vector, pix_error *error) {
    size_t dimension = pix_encoder_dimension(encoder);
    pix_bytes prompt = {0};
    pix_text_cut cut = {0};
    double *sum = calloc(dimension, sizeof *sum);
    pix_status status = sum ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < templates->count && !status; i++) {
        const char *template = templates->entries[i].text;
        if (pix_prompt_fill(template, label, strlen(label), &prompt))
            status = pix_fail_memory(error);
        else
            status = encode_prompt(encoder, template, &prompt, truncate, &cut, vector, error);
        for (size_t j = 0; j < dimension && !status; j++)
            sum[j] += (double)vector[j];
    }
    for (size_t j = 0; j < dimension && !status; j++)
        vector[j] = (float)(sum[j] / (double)templates->count);
    if (!status)
        status = pix_normalise(vector, dimension, error);
    pix_bytes_free(&prompt);
    pix_bytes_free(&cut.words);
    free(sum);
    return status;
}
