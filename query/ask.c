#include "query/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/library.h"
#include "query/collapse.h"
#include "query/expression.h"
#include "query/expression_vector.h"
#include "query/print.h"
#include "query/relevance.h"
#include "query/search.h"
#include "query/sort.h"

/* How many photos are named when none is shown. */
enum { NEAREST = 3 };

typedef struct asking {
    const pix_query_options *options;
    pix_query_format format;
    FILE *out, *notes;
    pix_model *model;
    pix_search *search;
    pix_expression expression;
    int dimension;
    float *vector; /* [dimension] */
    pix_hit *hits;
    size_t *folded; /* with --collapse, how many photos each stands for besides itself */
    size_t count, found;
} asking;

/* One line, whatever bytes it holds. */
static void note(const asking *job, const char *text) {
    pix_bytes line = {0};
    if (pix_bytes_append_escaped(&line, text, strlen(text)) == PIX_OK)
        (void)fprintf(job->notes, "pixgrep: %s\n", line.data ? line.data : "");
    pix_bytes_free(&line);
}

static void hint_at_picture(const asking *job, const char *words) {
    pix_error text;
    if (!pix_words_name_picture(words))
        return;
    (void)pix_fail(&text, PIX_OK, "searching for the words '%s'; for the picture write ./%s", words,
                   words);
    note(job, text.text);
}

/* Words may be meant as pictures: those of each term, and an argument that signs take apart. */
static void hint_at_pictures(const asking *job) {
    const pix_expression *expression = &job->expression;
    if (job->options->literal)
        return;
    for (size_t i = 0; i < expression->count; i++)
        if (!expression->terms[i].is_picture)
            hint_at_picture(job, expression->terms[i].value.data);
    if (job->options->input_count == 1 && expression->count > 1)
        hint_at_picture(job, job->options->inputs[0].value);
}

static pix_status print_shown(asking *job, size_t shown, pix_error *error) {
    pix_photo_row photo;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < shown && !status; i++) {
        status = pix_search_photo(job->search, job->hits[i].image_id, &photo, error);
        if (status == PIX_ENOTFOUND) { /* gone since the search */
            status = PIX_OK;
            continue;
        }
        if (status)
            break;
        if (job->format == PIX_FORMAT_TABLE && job->found == 0)
            pix_print_heading(job->out);
        const pix_result result = {.score = job->hits[i].score,
                                   .photo = &photo,
                                   .is_collapsed = job->folded != NULL,
                                   .folded = job->folded ? job->folded[i] : 0};
        if (pix_print_result(job->out, job->format, &result))
            status = pix_fail_memory(error);
        job->found++;
    }
    return status;
}

/* What came nearest when nothing is good enough. */
static pix_status tell_nearest(asking *job, const pix_cut *cut, pix_error *error) {
    double wanted = isinf(cut->stop) ? cut->level : cut->stop;
    pix_bytes names = {0};
    pix_photo_row photo;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < job->count && i < NEAREST && !status; i++) {
        char score[32];
        (void)snprintf(score, sizeof score, "%s%.3f ", i == 0 ? "" : ", ", job->hits[i].score);
        status = pix_search_photo(job->search, job->hits[i].image_id, &photo, error);
        if (status == PIX_ENOTFOUND)
            status = PIX_OK;
        else if (!status && (pix_bytes_append_text(&names, score) ||
                             pix_bytes_append_escaped(&names, photo.path, photo.path_size)))
            status = pix_fail_memory(error);
    }
    if (!status && names.size > 0)
        (void)fprintf(job->notes,
                      "pixgrep: nothing matches well: no photo scores %.3f; the nearest: %s; "
                      "-k N prints them anyway\n",
                      wanted, names.data);
    pix_bytes_free(&names);
    return status;
}

/* The `wanted` best photos. */
static pix_status find(asking *job, size_t wanted, pix_error *error) {
    const pix_query_options *options = job->options;
    job->hits = calloc(wanted + 1, sizeof *job->hits);
    if (!job->hits)
        return pix_fail_memory(error);
    if (!options->collapse)
        return pix_search_best(job->search, job->vector, 1, wanted, job->hits, &job->count, NULL,
                               error);
    job->folded = calloc(wanted + 1, sizeof *job->folded);
    if (!job->folded)
        return pix_fail_memory(error);
    return pix_collapse(job->search, job->vector, job->dimension,
                        options->alike != 0 ? options->alike : PIX_ALIKE, wanted, job->hits,
                        job->folded, &job->count, error);
}

static pix_status answer(asking *job, pix_error *error) {
    const pix_query_options *options = job->options;
    const pix_expression *terms = &job->expression;
    pix_relevance relevance = {.background = pix_search_background(job->search),
                               .query = job->vector,
                               .dimension = job->dimension,
                               .is_words = terms->count == 1 && !terms->terms[0].is_picture,
                               .k = (size_t)options->k,
                               .has_least = options->has_min_score,
                               .least = options->min_score};
    size_t wanted = pix_search_bound(job->search, pix_relevance_wanted(&relevance));
    pix_cut cut;
    pix_status status = find(job, wanted, error);
    if (status)
        return status;
    const char *trouble = pix_search_trouble(job->search);
    if (trouble)
        note(job, trouble);
    pix_relevance_cut(&relevance, job->hits, job->count, &cut);
    status = pix_sort_hits(job->search, options->sort, job->hits, job->folded, cut.shown, error);
    if (!status)
        status = print_shown(job, cut.shown, error);
    if (!status && cut.shown == 0)
        status = tell_nearest(job, &cut, error);
    if (cut.is_blind && job->count > 0)
        note(job, "this index does not know yet what its scores are worth, so there is no cut; run "
                  "pixgrepd index");
    else if (cut.is_capped)
        (void)fprintf(job->notes, "pixgrep: these are the best %zu; more match, -k N prints more\n",
                      cut.shown);
    return status;
}

static pix_status open_all(asking *job, pix_error *error) {
    const pix_query_options *options = job->options;
    pix_bytes shortage = {0};
    pix_status status = pix_expression_parse(options, &job->expression, error);
    if (!status)
        hint_at_pictures(job);
    if (!status)
        status = pix_library_open(options->model, &job->model, error);
    if (status)
        return status;
    job->dimension = pix_model_config(job->model)->embed_dim;
    job->vector = calloc((size_t)job->dimension, sizeof *job->vector);
    if (!job->vector)
        return pix_fail_memory(error);
    status = pix_search_open(options->database, pix_model_name(job->model),
                             pix_model_fingerprint(job->model), job->dimension, &job->search,
                             &shortage, error);
    if (!status)
        pix_print_notice(job->notes, options, job->model);
    if (!status && shortage.size > 0)
        note(job, shortage.data);
    if (!status)
        status = pix_search_select(job->search, &options->filters, job->notes, error);
    pix_bytes_free(&shortage);
    return status;
}

static pix_status encode(asking *job, pix_error *error) {
    pix_ensemble *ensemble = NULL;
    pix_encoder *encoder = NULL;
    const char *templates = job->options->ensemble;
    pix_status status =
        pix_encoder_new(job->model, job->options,
                        pix_expression_batch(&job->expression, job->model), &encoder, error);
    if (!status && templates)
        status = pix_ensemble_open(templates, encoder, &ensemble, error);
    if (!status)
        status = pix_expression_encode(&job->expression, encoder, ensemble, job->vector, job->notes,
                                       error);
    pix_ensemble_close(ensemble);
    pix_encoder_free(encoder);
    return status;
}

pix_status pix_ask(const pix_query_options *options, pix_query_format format, FILE *out,
                   FILE *notes, size_t *found, pix_error *error) {
    asking job = {.options = options, .format = format, .out = out, .notes = notes};
    pix_status status = open_all(&job, error);
    if (!status)
        status = encode(&job, error);
    if (!status)
        status = answer(&job, error);
    *found = job.found;
    pix_search_close(job.search);
    pix_model_close(job.model);
    pix_expression_free(&job.expression);
    free(job.vector);
    free(job.hits);
    free(job.folded);
    return status;
}
