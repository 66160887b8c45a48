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
    pix_ensemble *ensemble; /* NULL: words as they are */
    FILE *notes;
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

static size_t number_of_text(const pix_expression *expression, size_t text) {
    size_t i = 0;
    while (expression->terms[i].is_picture || text-- > 0)
        i++;
    return i;
}

/* Says which of several texts was cut, and where. */
static pix_status tell_cut(void *context, size_t text, const pix_text_cut *cut) {
    const summing *s = context;
    char name[64] = "the text";
    if (s->expression->count > 1)
        (void)snprintf(name, sizeof name, "term %zu of the query",
                       number_of_text(s->expression, text) + 1);
    return pix_print_cut(s->notes, name, cut);
}

/* All in one call, which shares what they begin with alike. */
static pix_status encode_bare(summing *s, const pix_list *texts, pix_error *error) {
    pix_text_cut *cuts = calloc(texts->count + 1, sizeof *cuts);
    pix_status status = cuts ? PIX_OK : pix_fail_memory(error);
    if (!status && texts->count > 0)
        status = pix_encoder_words(s->encoder, texts, s->vectors, cuts, error);
    for (size_t i = 0; cuts && i < texts->count; i++) {
        if (!status && tell_cut(s, i, &cuts[i]))
            status = pix_fail_memory(error);
        pix_bytes_free(&cuts[i].words);
    }
    free(cuts);
    return status;
}

pix_status pix_expression_texts(const pix_expression *expression, pix_list *out, pix_error *error) {
    for (size_t i = 0; i < expression->count; i++) {
        const pix_bytes *words = &expression->terms[i].value;
        if (!expression->terms[i].is_picture && pix_list_add(out, words->data, words->size, 0))
            return pix_fail_memory(error);
    }
    return PIX_OK;
}

static pix_status add_texts(summing *s, pix_error *error) {
    const pix_expression *expression = s->expression;
    const pix_ensemble_listener listener = {.cut = tell_cut, .context = s};
    pix_list texts = {0};
    pix_status status = pix_expression_texts(expression, &texts, error);
    if (!status && s->ensemble && texts.count > 0)
        status = pix_ensemble_encode(s->ensemble, &texts, true, s->vectors, &listener, error);
    else if (!status)
        status = encode_bare(s, &texts, error);
    pix_list_free(&texts);
    for (size_t i = 0, row = 0; i < expression->count && !status; i++)
        if (!expression->terms[i].is_picture)
            add_vector(s, &expression->terms[i], s->vectors + row++ * s->dimension);
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

static pix_status sum_up(summing *s, int batch, pix_error *error) {
    size_t rows = count_terms(s->expression, false), values;
    if (rows < (size_t)batch)
        rows = (size_t)batch;
    if (!pix_size_multiply(rows, s->dimension, &values))
        return pix_fail_memory(error);
    double *sum = s->sum = calloc(s->dimension, sizeof *sum);
    float *vectors = s->vectors = calloc(values, sizeof *vectors);
    pix_status status = sum && vectors ? PIX_OK : pix_fail_memory(error);
    if (!status)
        status = add_texts(s, error);
    if (!status)
        status = add_pictures(s, batch, error);
    if (!status && s->expression->count > 1)
        status = normalise_sum(s, error);
    free(sum);
    free(vectors);
    return status;
}

int pix_expression_batch(const pix_expression *expression, const pix_model *model) {
    size_t pictures = count_terms(expression, true);
    int batch = pix_model_batch_size(model);
    return pictures < (size_t)batch ? (int)pictures : batch;
}

pix_status pix_expression_encode(const pix_expression *expression, pix_encoder *encoder,
                                 pix_ensemble *ensemble, float *vector, FILE *notes,
                                 pix_error *error) {
    summing s = {.expression = expression,
                 .encoder = encoder,
                 .ensemble = ensemble,
                 .notes = notes,
                 .dimension = pix_encoder_dimension(encoder),
                 .out = vector};
    pix_status status = sum_up(&s, pix_encoder_batch(encoder), error);
    pix_encoder_drop_pictures(encoder); /* those that waited when another one failed */
    return status;
}
