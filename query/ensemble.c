#include "query/ensemble.h"

#include <stdlib.h>
#include <string.h>

#include "core/clip/prompts.h"
#include "core/clip/session.h"

/* Prompts encoded between two reports of progress, at least one label's. */
enum { PROMPTS = 1024 };

typedef struct ensemble {
    pix_encoder *encoder;
    const pix_list *templates, *labels;
    bool truncate;
    size_t dimension;
    size_t block;   /* labels at a time */
    pix_ids *ids;   /* [templates, block] */
    float *vectors; /* [templates, block, dimension], unit */
    double *sum;    /* [dimension] */
    pix_bytes prompt;
    pix_text_cut cut;
} ensemble;

static pix_status begin(ensemble *e, pix_error *error) {
    size_t templates = e->templates->count, prompts, values;
    e->dimension = pix_encoder_dimension(e->encoder);
    e->block = templates < PROMPTS ? PROMPTS / templates : 1;
    if (e->block > e->labels->count)
        e->block = e->labels->count;
    if (!pix_size_multiply(templates, e->block, &prompts) ||
        !pix_size_multiply(prompts, e->dimension, &values))
        return pix_fail_memory(error);
    e->ids = calloc(prompts, sizeof *e->ids);
    e->vectors = calloc(values, sizeof *e->vectors);
    e->sum = calloc(e->dimension, sizeof *e->sum);
    return e->ids && e->vectors && e->sum ? PIX_OK : pix_fail_memory(error);
}

static void end(ensemble *e) {
    for (size_t i = 0; e->ids && i < e->templates->count * e->block; i++)
        pix_ids_free(&e->ids[i]);
    free(e->ids);
    free(e->vectors);
    free(e->sum);
    pix_bytes_free(&e->prompt);
    pix_bytes_free(&e->cut.words);
}

static pix_status tokenize(ensemble *e, const char *template, const char *label, pix_ids *ids,
                           pix_error *error) {
    pix_text_cut *cut = &e->cut;
    if (pix_prompt_fill(template, label, strlen(label), &e->prompt))
        return pix_fail_memory(error);
    pix_status status =
        pix_encoder_tokens(e->encoder, e->prompt.data, e->prompt.size, ids, cut, error);
    if (!status && cut->count > 0 && !e->truncate)
        status = pix_fail(error, PIX_ELIMIT,
                          "label '%s': too long for the model by %zu token%s in '%s'; shorten it, "
                          "or let it be cut with --truncate",
                          label, cut->count, cut->count == 1 ? "" : "s", template);
    return status;
}

/* The prompts of one template lie side by side: those begin alike and are encoded near each other.
 */
static pix_status encode_block(ensemble *e, size_t first, size_t count, pix_error *error) {
    size_t templates = e->templates->count;
    pix_status status = PIX_OK;
    for (size_t t = 0; t < templates; t++)
        for (size_t i = 0; i < count && !status; i++)
            status = tokenize(e, e->templates->entries[t].text, e->labels->entries[first + i].text,
                              &e->ids[t * count + i], error);
    return status ? status
                  : pix_encoder_texts(e->encoder, e->ids, templates * count, e->vectors, error);
}

/* The mean of the prompts' vectors, `step` apart, as a unit vector. */
static pix_status take_mean(ensemble *e, const float *vectors, size_t step, float *out,
                            pix_error *error) {
    memset(e->sum, 0, e->dimension * sizeof *e->sum);
    for (size_t t = 0; t < e->templates->count; t++)
        for (size_t j = 0; j < e->dimension; j++)
            e->sum[j] += (double)vectors[t * step + j];
    for (size_t j = 0; j < e->dimension; j++)
        out[j] = (float)(e->sum[j] / (double)e->templates->count);
    return pix_normalise(out, e->dimension, error);
}

static pix_status run(ensemble *e, float *vectors, void (*progress)(void *context, size_t done),
                      void *context, pix_error *error) {
    size_t total = e->labels->count, d = e->dimension;
    pix_status status = PIX_OK;
    for (size_t first = 0, count; first < total && !status; first += count) {
        count = total - first < e->block ? total - first : e->block;
        status = encode_block(e, first, count, error);
        for (size_t i = 0; i < count && !status; i++)
            status = take_mean(e, e->vectors + i * d, count * d, vectors + (first + i) * d, error);
        if (!status && progress)
            progress(context, first + count);
    }
    return status;
}

pix_status pix_ensemble_encode(pix_encoder *encoder, const pix_list *templates,
                               const pix_list *labels, bool truncate, float *vectors,
                               void (*progress)(void *context, size_t done), void *context,
                               pix_error *error) {
    ensemble e = {
        .encoder = encoder, .templates = templates, .labels = labels, .truncate = truncate};
    pix_status status = begin(&e, error);
    if (!status)
        status = run(&e, vectors, progress, context, error);
    end(&e);
    return status;
}
