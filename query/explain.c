#include "query/explain.h"

#include <inttypes.h>
#include <math.h>

#include "core/clip/prompts.h"

enum { NAME_COLUMN = 11 };

static void put_name(FILE *out, const char *name) {
    (void)fprintf(out, "%-*s ", NAME_COLUMN, name);
}

static pix_status put_escaped(FILE *out, const char *text, size_t size) {
    pix_bytes line = {0};
    pix_status status = pix_bytes_append_escaped(&line, text, size);
    if (!status)
        (void)fprintf(out, "%s", line.data ? line.data : "");
    pix_bytes_free(&line);
    return status;
}

/* A text as the model reads it. */
static pix_status put_tokens(pix_asker *asker, const char *text, size_t size, FILE *out,
                             pix_error *error) {
    pix_ids ids = {0};
    pix_text_cut cut = {0};
    pix_status status = pix_encoder_tokens(asker->encoder, text, size, &ids, &cut, error);
    for (size_t i = 0; i < ids.count && !status; i++)
        (void)fprintf(out, i == 0 ? "%" PRId32 : " %" PRId32, ids.data[i]);
    if (!status && cut.count > 0)
        (void)fprintf(out, " (%zu more were cut)", cut.count);
    (void)fputc('\n', out);
    pix_ids_free(&ids);
    pix_bytes_free(&cut.words);
    return status;
}

static pix_status put_prompts(pix_asker *asker, const pix_bytes *words, FILE *out,
                              pix_error *error) {
    const pix_list *templates = pix_ensemble_templates(asker->ensemble);
    pix_bytes prompt = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < templates->count && !status; i++) {
        put_name(out, "  prompt");
        if (pix_prompt_fill(templates->entries[i].text, words->data, words->size, &prompt) ||
            put_escaped(out, prompt.data, prompt.size))
            status = pix_fail_memory(error);
        (void)fputc('\n', out);
        put_name(out, "  tokens");
        if (!status)
            status = put_tokens(asker, prompt.data, prompt.size, out, error);
    }
    pix_bytes_free(&prompt);
    return status;
}

static pix_status put_term(pix_asker *asker, const pix_term *term, FILE *out, pix_error *error) {
    put_name(out, "term");
    (void)fprintf(out, "%c %g %s ", term->weight < 0 ? '-' : '+', fabs(term->weight),
                  term->is_picture ? "picture" : "words");
    if (put_escaped(out, term->value.data, term->value.size))
        return pix_fail_memory(error);
    (void)fputc('\n', out);
    if (term->is_picture)
        return PIX_OK;
    if (asker->ensemble)
        return put_prompts(asker, &term->value, out, error);
    put_name(out, "  tokens");
    return put_tokens(asker, term->value.data, term->value.size, out, error);
}

static void put_cache(const pix_asker *asker, FILE *out) {
    const char *uncached = pix_ensemble_uncached(asker->ensemble);
    put_name(out, "cache");
    if (uncached[0])
        (void)fprintf(out, "not used: %s\n", uncached);
    else
        (void)fprintf(out, "%zu of the texts were kept\n", pix_ensemble_hits(asker->ensemble));
}

static void put_backend(const pix_asker *asker, FILE *out) {
    const char *why = pix_backend_silence(asker->backend);
    put_name(out, "computed");
    if (why)
        (void)fprintf(out, "here: %s\n", why);
    else
        (void)fputs("by the running pixgrepd watch\n", out);
}

static void put_search(const pix_search_report *report, const pix_answer *answer, FILE *out) {
    char bytes[32], rescored[32];
    put_name(out, "search");
    if (answer->folded) /* asks again and again */
        (void)fprintf(out, "the best %zu kept, with what is alike folded into them\n",
                      answer->count);
    else
        (void)fprintf(out, "%s bytes of vectors read, %s scored exactly, the best %zu kept\n",
                      pix_format_count(report->bytes, bytes),
                      pix_format_count(report->rescored, rescored), answer->count);
}

static void put_cut(const pix_asker *asker, const pix_answer *answer, FILE *out) {
    const pix_background *background = pix_search_background(asker->search);
    const pix_cut *cut = &answer->cut;
    char count[32];
    put_name(out, "background");
    if (background->vectors == 0)
        (void)fputs("not known\n", out);
    else
        (void)fprintf(out, "the average of %s photos scores %.6f\n",
                      pix_format_count(background->vectors, count), cut->mean);
    if (background->has_level) {
        put_name(out, "");
        (void)fprintf(out, "the best photo for common words scores %.6f\n", background->level);
    }
    double best = -INFINITY, last = INFINITY; /* wherever --sort has put them */
    for (size_t i = 0; i < answer->count; i++) {
        best = fmax(best, answer->hits[i].score);
        last = fmin(last, answer->hits[i].score);
    }
    put_name(out, "cut");
    if (answer->count > 0)
        (void)fprintf(out, "the best scores %.6f, the last of them %.6f\n", best, last);
    else
        (void)fputs("there is no photo\n", out);
    put_name(out, "");
    if (isfinite(cut->stop))
        (void)fprintf(out, "%zu shown, from %.6f on\n", cut->shown, cut->stop);
    else if (cut->stop > 0)
        (void)fprintf(out, "none shown: the best does not reach %.6f\n", cut->level);
    else
        (void)fprintf(out, "%zu shown, whatever they score\n", cut->shown);
}

static void put_time(FILE *out, const char *name, int64_t ns) {
    (void)fprintf(out, "%s %.1f ms", name, (double)ns / 1e6);
}

pix_status pix_explain(pix_asker *asker, const pix_expression *expression, const pix_answer *answer,
                       const pix_search_report *report, int64_t show_ns, FILE *notes,
                       pix_error *error) {
    put_name(notes, "model");
    (void)fprintf(notes, "%s %.12s, %s, %d dimensions\n", pix_model_name(asker->model),
                  pix_model_fingerprint(asker->model), pix_encoder_precision(asker->encoder),
                  asker->dimension);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < expression->count && !status; i++)
        status = put_term(asker, &expression->terms[i], notes, error);
    if (status)
        return status;
    if (asker->ensemble)
        put_cache(asker, notes);
    put_backend(asker, notes);
    put_search(report, answer, notes);
    put_cut(asker, answer, notes);
    put_name(notes, "time");
    put_time(notes, "model", asker->model_ns);
    put_time(notes, ", index", asker->index_ns);
    put_time(notes, ", encoding", asker->encode_ns);
    put_time(notes, ", search", asker->search_ns);
    put_time(notes, ", output", show_ns);
    (void)fputc('\n', notes);
    return PIX_OK;
}
