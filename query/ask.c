#include "query/ask.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/threads.h"
#include "query/asker.h"
#include "query/explain.h"
#include "query/show.h"

/* How many photos are named when none is shown. */
enum { NEAREST = 3 };

typedef struct asking {
    const pix_query_options *options;
    pix_asker asker;
    pix_show show;
    pix_expression expression;
    pix_bytes query;
    float *vector; /* [dimension] */
    pix_answer answer;
    pix_search_report report;
    FILE *notes;
} asking;

static void hint_at_picture(const asking *job, const char *words) {
    pix_error text;
    if (!pix_words_name_picture(words))
        return;
    (void)pix_fail(&text, PIX_OK, "searching for the words '%s'; for the picture write ./%s", words,
                   words);
    pix_note(job->notes, text.text);
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

/* The query as it was given. */
static pix_status join_inputs(asking *job, pix_error *error) {
    for (size_t i = 0; i < job->options->input_count; i++)
        if (pix_bytes_append_text(&job->query, i > 0 ? " " : "") ||
            pix_bytes_append_text(&job->query, job->options->inputs[i].value))
            return pix_fail_memory(error);
    return PIX_OK;
}

/* What came nearest when nothing is good enough. */
static pix_status tell_nearest(asking *job, pix_error *error) {
    const pix_answer *answer = &job->answer;
    double wanted = isinf(answer->cut.stop) ? answer->cut.level : answer->cut.stop;
    pix_bytes names = {0};
    pix_photo_row photo;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < answer->count && i < NEAREST && !status; i++) {
        char score[32];
        (void)snprintf(score, sizeof score, "%s%.3f ", i == 0 ? "" : ", ", answer->hits[i].score);
        status = pix_search_photo(job->asker.search, answer->hits[i].image_id, &photo, error);
        if (status == PIX_ENOTFOUND)
            status = PIX_OK;
        else if (!status && (pix_bytes_append_text(&names, score) ||
                             pix_bytes_append_escaped(&names, photo.path, photo.path_size)))
            status = pix_fail_memory(error);
    }
    if (!status && names.size > 0)
        (void)fprintf(job->notes,
                      "pixgrep: nothing matches well: no photo scores %.3f; the nearest: %s; "
                      "%s prints them anyway\n",
                      wanted, names.data,
                      job->options->has_min_score ? "a lower --min-score" : "-k N");
    pix_bytes_free(&names);
    return status;
}

static pix_status answer(asking *job, pix_error *error) {
    pix_asker *asker = &job->asker;
    const pix_cut *cut = &job->answer.cut;
    job->vector = calloc((size_t)asker->dimension, sizeof *job->vector);
    if (!job->vector)
        return pix_fail_memory(error);
    pix_status status = pix_asker_encode(asker, &job->expression, job->vector, job->notes, error);
    if (!status)
        status = pix_asker_find(asker, &job->expression, job->vector, 1, &job->answer, &job->report,
                                error);
    int64_t start_ns = pix_now_ns();
    if (!status)
        status = pix_show_answer(&job->show, asker->search, job->query.data, &job->answer, error);
    int64_t show_ns = pix_now_ns() - start_ns;
    if (!status && cut->shown == 0)
        status = tell_nearest(job, error);
    if (!status && cut->is_blind)
        pix_note_blind(job->notes);
    else if (!status && cut->is_capped)
        (void)fprintf(job->notes, "pixgrep: these are the best %zu; more match, -k N prints more\n",
                      cut->shown);
    if (!status && job->options->explain)
        status = pix_explain(asker, &job->expression, &job->answer, &job->report, show_ns,
                             job->notes, error);
    return status;
}

pix_status pix_ask(const pix_query_options *options, pix_query_format format, FILE *out,
                   FILE *notes, size_t *found, pix_error *error) {
    asking job = {.options = options, .notes = notes};
    *found = 0;
    pix_status status = pix_expression_parse(options, &job.expression, error);
    if (!status)
        hint_at_pictures(&job);
    if (!status)
        status = join_inputs(&job, error);
    if (!status)
        status = pix_show_open(options, format, out, notes, &job.show, error);
    if (!status)
        status = pix_asker_open(options, &job.expression, notes, &job.asker, error);
    if (!status)
        status = answer(&job, error);
    if (!status)
        status = pix_show_commit(&job.show, error);
    *found = job.show.shown;
    pix_answers_free(&job.answer, 1);
    pix_asker_close(&job.asker);
    pix_show_close(&job.show);
    pix_expression_free(&job.expression);
    pix_bytes_free(&job.query);
    free(job.vector);
    return status;
}
