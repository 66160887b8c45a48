#include "query/expression_vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/session.h"
#include "query/encoder.h"
#include "query/print.h"

/* Terms whose sum is shorter than this part of their weights cancel each other out: the same
 * picture twice in a batch differs by 1e-6 in places, so such a sum points nowhere. */
static const double LEAST_LENGTH = 1e-4;

/* An expression on its way to a vector. */
typedef struct summing {
    const pix_expression *expression;
    pix_encoder *encoder;
    size_t dimension;
    double *sum;    /* [dimension] */
    float *vectors; /* [texts, or pictures of a batch; dimension] */
    float *out;     /* [dimension] */
} summing;

static size_t count_terms(const pix_expression *expression, bool pictures) {
    size_t count = 0;
    for (size_t i = 0; i < expression->count; i++)
        count += expression->terms[i].is_picture == pictures;
    return count;
}

/* A term alone is taken as it is, to the bit: dividing by its length again would round. */
static void add_vector(summing *s, const pix_term *term, const float *vector) {
    if (s->expression->count == 1) {
        memcpy(s->out, vector, s->dimension * sizeof *vector);
        return;
    }
    for (size_t i = 0; i < s->dimension; i++)
        s->sum[i] += term->weight * (double)vector[i];
}

static pix_status tokenize(const summing *s, size_t term, pix_ids *ids, FILE *notes,
                           pix_error *error) {
    const pix_bytes *words = &s->expression->terms[term].value;
    pix_text_cut cut = {0};
    char name[64] = "the text";
    if (s->expression->count > 1)
        (void)snprintf(name, sizeof name, "term %zu of the query", term + 1);
    pix_status status = pix_encoder_tokens(s->encoder, words->data, words->size, ids, &cut, error);
    if (!status && pix_print_cut(notes, name, &cut))
        status = pix_fail_memory(error);
    pix_bytes_free(&cut.words);
    return status;
}

/* All texts in one call, which shares what they begin with alike. */
static pix_status add_texts(summing *s, FILE *notes, pix_error *error) {
    const pix_expression *expression = s->expression;
    size_t texts = count_terms(expression, false), count = 0;
    pix_ids *ids = calloc(texts + 1, sizeof *ids);
    pix_status status = ids ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < expression->count && !status; i++)
        if (!expression->terms[i].is_picture)
            status = tokenize(s, i, &ids[count++], notes, error);
    if (!status && texts > 0)
        status = pix_encoder_texts(s->encoder, ids, texts, s->vectors, error);
    for (size_t i = 0, row = 0; i < expression->count && !status; i++)
        if (!expression->terms[i].is_picture)
            add_vector(s, &expression->terms[i], s->vectors + row++ * s->dimension);
    for (size_t i = 0; i < count; i++)
        pix_ids_free(&ids[i]);
    free(ids);
    return status;
}

/* A name that nobody has may be an expression between quotes. */
static pix_status fail_picture(const char *path, pix_status status, pix_error *error) {
    bool signs = strstr(path, " + ") || strstr(path, " - ");
    if (status == PIX_ENOTFOUND && signs) {
        pix_error cause = *error;
        return pix_fail(error, status, "%s: %s (+ and - join a picture outside its quotes)", path,
                        cause.text);
    }
    return pix_error_prefix(error, "%s", path);
}

/* Encodes the pictures of terms[first, end) that wait in the batch. */
static pix_status add_batch(summing *s, size_t first, size_t end, pix_error *error) {
    pix_status status = pix_encoder_run_pictures(s->encoder, s->vectors, error);
    for (size_t i = first, row = 0; i < end && !status; i++) {
        const pix_term *term = &s->expression->terms[i];
        if (!term->is_picture)
            continue;
        float *vector = s->vectors + row++ * s->dimension;
        status = pix_normalise(vector, s->dimension, error);
        if (status)
            return pix_error_prefix(error, "%s", term->value.data);
        add_vector(s, term, vector);
    }
    return status;
}

static pix_status add_pictures(summing *s, int batch, pix_error *error) {
    const pix_expression *expression = s->expression;
    size_t first = 0;
    int waiting = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < expression->count && !status; i++) {
        const pix_term *term = &expression->terms[i];
        int place;
        if (!term->is_picture)
            continue;
        status = pix_encoder_add_picture(s->encoder, term->value.data, &place, error);
        if (status)
            return fail_picture(term->value.data, status, error);
        if (++waiting == batch) {
            status = add_batch(s, first, i + 1, error);
            first = i + 1;
            waiting = 0;
        }
    }
    return status ? status : add_batch(s, first, expression->count, error);
}

static pix_status normalise_sum(const summing *s, pix_error *error) {
    double squares = 0, weights = 0;
    for (size_t i = 0; i < s->expression->count; i++)
        weights += fabs(s->expression->terms[i].weight);
    for (size_t i = 0; i < s->dimension; i++)
        squares += s->sum[i] * s->sum[i];
    double length = sqrt(squares);
    if (!(length >= LEAST_LENGTH * weights))
        return pix_fail(error, PIX_EINVALID,
                        "the terms of the query cancel each other out: nothing is left to look "
                        "for");
    for (size_t i = 0; i < s->dimension; i++)
        s->out[i] = (float)(s->sum[i] / length);
    return PIX_OK;
}

static pix_status sum_up(summing *s, int batch, FILE *notes, pix_error *error) {
    size_t rows = count_terms(s->expression, false), values;
    if (rows < (size_t)batch)
        rows = (size_t)batch;
    if (!pix_size_multiply(rows, s->dimension, &values))
        return pix_fail_memory(error);
    double *sum = s->sum = calloc(s->dimension, sizeof *sum);
    float *vectors = s->vectors = calloc(values, sizeof *vectors);
    pix_status status = sum && vectors ? PIX_OK : pix_fail_memory(error);
    if (!status)
        status = add_texts(s, notes, error);
    if (!status)
        status = add_pictures(s, batch, error);
    if (!status && s->expression->count > 1)
        status = normalise_sum(s, error);
    free(sum);
    free(vectors);
    return status;
}

pix_status pix_expression_encode(const pix_expression *expression, pix_model *model,
                                 const pix_query_options *options, float *vector, FILE *notes,
                                 pix_error *error) {
    size_t pictures = count_terms(expression, true);
    int batch = pix_model_batch_size(model);
    if (pictures < (size_t)batch)
        batch = (int)pictures;
    summing s = {.expression = expression,
                 .dimension = (size_t)pix_model_config(model)->embed_dim,
                 .out = vector};
    pix_status status = pix_encoder_new(model, options, batch, &s.encoder, error);
    if (!status)
        status = sum_up(&s, batch, notes, error);
    pix_encoder_free(s.encoder);
    return status;
}
