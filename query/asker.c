#include "query/asker.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/clip/library.h"
#include "core/clip/session.h"
#include "query/collapse.h"
#include "query/expression_vector.h"
#include "query/print.h"
#include "query/sort.h"

void pix_note(FILE *notes, const char *text) {
    pix_bytes line = {0};
    if (pix_bytes_append_escaped(&line, text, strlen(text)) == PIX_OK)
        (void)fprintf(notes, "pixgrep: %s\n", line.data ? line.data : "");
    pix_bytes_free(&line);
}

void pix_note_blind(FILE *notes) {
    pix_note(notes, "this index does not know yet what its scores are worth, so there is no cut; "
                    "run pixgrepd index");
}

/* A daemon encodes while model and index are opened here, but for somebody who wants another model
 * or index than the usual, which it is unlikely to have. */
static pix_status call_daemon(pix_asker *asker, const pix_expression *first, pix_error *error) {
    const pix_query_options *options = asker->options;
    bool usual = !options->model && !options->database && !options->precision &&
                 !options->vocabulary && !options->ensemble;
    const pix_relevance any = {.k = (size_t)options->k};
    const bool plain = first && first->count == 1 && !options->filters.given && !options->collapse;
    pix_list texts = {0};
    pix_status status = usual && first ? pix_expression_texts(first, &texts, error) : PIX_OK;
    if (!status)
        asker->backend = getenv("PIXGREP_ISA")
                             ? pix_backend_none("PIXGREP_ISA asks for kernels of its own")
                             : pix_backend_open(&texts, plain ? pix_relevance_wanted(&any) : 0);
    pix_list_free(&texts);
    return status;
}

static pix_status open_index(pix_asker *asker, pix_error *error) {
    const pix_query_options *options = asker->options;
    const pix_model *model = asker->model;
    const pix_search_index index = {.database = options->database,
                                    .model = pix_model_name(model),
                                    .fingerprint = pix_model_fingerprint(model),
                                    .dimension = asker->dimension,
                                    .backend = asker->backend,
                                    .precision = pix_precision_name(pix_precision_or(
                                        options->precision, pix_model_precision(model)))};
    pix_bytes shortage = {0};
    pix_status status = pix_search_open(&index, &asker->search, &shortage, error);
    if (!status)
        pix_print_notice(asker->notes, options, model);
    if (!status && shortage.size > 0)
        pix_note(asker->notes, shortage.data);
    if (!status)
        status = pix_search_select(asker->search, &options->filters, asker->notes, error);
    pix_bytes_free(&shortage);
    return status;
}

pix_status pix_asker_open(const pix_query_options *options, const pix_expression *first,
                          FILE *notes, pix_asker *out, pix_error *error) {
    *out = (pix_asker){.options = options, .notes = notes};
    int64_t start_ns = pix_now_ns();
    pix_status status = call_daemon(out, first, error);
    if (!status)
        status = pix_library_open(options->model, &out->model, error);
    out->model_ns = pix_now_ns() - start_ns;
    if (!status) {
        out->dimension = pix_model_config(out->model)->embed_dim;
        status = open_index(out, error);
    }
    out->index_ns = pix_now_ns() - start_ns - out->model_ns;
    if (status)
        pix_asker_close(out);
    return status;
}

void pix_asker_close(pix_asker *asker) {
    pix_ensemble_close(asker->ensemble);
    pix_encoder_free(asker->encoder);
    pix_search_close(asker->search);
    pix_backend_close(asker->backend);
    pix_model_close(asker->model);
    *asker = (pix_asker){0};
}

/* A batch may ask with pictures any time; one search says so at once. */
static pix_status need_encoder(pix_asker *asker, const pix_expression *expression,
                               pix_error *error) {
    const pix_query_options *options = asker->options;
    if (asker->encoder)
        return PIX_OK;
    int pictures = options->batch ? pix_model_batch_size(asker->model)
                                  : pix_expression_batch(expression, asker->model);
    pix_status status = pix_encoder_new(asker->model, options, pictures, &asker->encoder, error);
    if (!status)
        pix_encoder_use(asker->encoder, asker->backend);
    if (!status && options->ensemble)
        status = pix_ensemble_open(options->ensemble, asker->encoder, &asker->ensemble, error);
    return status;
}

pix_status pix_asker_encode(pix_asker *asker, const pix_expression *expression, float *vector,
                            FILE *notes, pix_error *error) {
    int64_t start_ns = pix_now_ns();
    pix_status status = need_encoder(asker, expression, error);
    if (!status)
        status = pix_expression_encode(expression, asker->encoder, asker->ensemble, vector, notes,
                                       error);
    asker->encode_ns += pix_now_ns() - start_ns;
    return status;
}

static pix_relevance relevance_of(const pix_asker *asker, const pix_expression *expression,
                                  const float *vector) {
    return (pix_relevance){.background = pix_search_background(asker->search),
                           .query = vector,
                           .dimension = asker->dimension,
                           .is_words = expression && expression->count == 1 &&
                                       !expression->terms[0].is_picture,
                           .k = (size_t)asker->options->k,
                           .has_least = asker->options->has_min_score,
                           .least = asker->options->min_score};
}

size_t pix_asker_wanted(const pix_asker *asker) {
    pix_relevance any = relevance_of(asker, NULL, NULL);
    return pix_search_bound(asker->search, pix_relevance_wanted(&any));
}

/* The `wanted` best hits for every vector, in one pass over the index. */
static pix_status find_all(pix_asker *asker, const float *vectors, size_t count, size_t wanted,
                           pix_answer *answers, pix_search_report *report, pix_error *error) {
    size_t room;
    if (!pix_size_multiply(wanted + 1, count, &room))
        return pix_fail_memory(error);
    pix_hit *hits = calloc(room, sizeof *hits);
    size_t *counts = calloc(count, sizeof *counts);
    pix_status status = hits && counts ? PIX_OK : pix_fail_memory(error);
    if (!status)
        status =
            pix_search_best(asker->search, vectors, count, wanted, hits, counts, report, error);
    for (size_t i = 0; i < count && !status; i++) {
        answers[i].hits = calloc(counts[i] + 1, sizeof *hits);
        if (!answers[i].hits)
            status = pix_fail_memory(error);
        else
            memcpy(answers[i].hits, hits + i * wanted, counts[i] * sizeof *hits);
        answers[i].count = counts[i];
    }
    free(hits);
    free(counts);
    return status;
}

/* The same with --collapse, which asks on until it has enough. */
static pix_status find_collapsed(pix_asker *asker, const float *vector, size_t wanted,
                                 pix_answer *answer, pix_error *error) {
    double alike = asker->options->alike != 0 ? asker->options->alike : PIX_ALIKE;
    answer->hits = calloc(wanted + 1, sizeof *answer->hits);
    answer->folded = calloc(wanted + 1, sizeof *answer->folded);
    if (!answer->hits || !answer->folded)
        return pix_fail_memory(error);
    return pix_collapse(asker->search, vector, asker->dimension, alike, wanted, answer->hits,
                        answer->folded, &answer->count, error);
}

/* What is folded scores better than the next photo to be printed, whether -k or the cut ends them.
 */
static pix_status fold_shown(pix_asker *asker, const float *vector, pix_answer *answer,
                             pix_error *error) {
    const pix_cut cut = answer->cut;
    if (cut.shown == 0 || cut.shown == answer->count)
        return PIX_OK;
    pix_answers_free(answer, 1);
    answer->cut = cut;
    pix_status status = find_collapsed(asker, vector, cut.shown, answer, error);
    if (answer->cut.shown > answer->count) /* some are gone since */
        answer->cut.shown = answer->count;
    return status;
}

static pix_status find(pix_asker *asker, const pix_expression *expressions, const float *vectors,
                       size_t count, pix_answer *answers, pix_search_report *report,
                       pix_error *error) {
    size_t wanted = pix_asker_wanted(asker), dimension = (size_t)asker->dimension;
    pix_status status = PIX_OK;
    if (!asker->options->collapse)
        status = find_all(asker, vectors, count, wanted, answers, report, error);
    for (size_t i = 0; i < count && !status; i++) {
        pix_answer *answer = &answers[i];
        const float *vector = vectors + i * dimension;
        pix_relevance relevance = relevance_of(asker, &expressions[i], vector);
        if (asker->options->collapse)
            status = find_collapsed(asker, vector, wanted, answer, error);
        if (status)
            break;
        pix_relevance_cut(&relevance, answer->hits, answer->count, &answer->cut);
        if (asker->options->collapse)
            status = fold_shown(asker, vector, answer, error);
        if (status)
            break;
        status = pix_sort_hits(asker->search, asker->options->sort, answer->hits, answer->folded,
                               answer->cut.shown, error);
    }
    return status;
}

pix_status pix_asker_find(pix_asker *asker, const pix_expression *expressions, const float *vectors,
                          size_t count, pix_answer *answers, pix_search_report *report,
                          pix_error *error) {
    int64_t start_ns = pix_now_ns();
    memset(answers, 0, count * sizeof *answers);
    pix_status status = find(asker, expressions, vectors, count, answers, report, error);
    const char *trouble = pix_search_trouble(asker->search);
    if (!status && trouble)
        pix_note(asker->notes, trouble);
    asker->search_ns += pix_now_ns() - start_ns;
    return status;
}

void pix_answers_free(pix_answer *answers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(answers[i].hits);
        free(answers[i].folded);
        answers[i] = (pix_answer){0};
    }
}
