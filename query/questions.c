#include "query/questions.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/lines.h"
#include "query/asker.h"
#include "query/show.h"

/* Queries that share a pass, and hits that they may hold together. */
enum { MOST_QUESTIONS = 64, MOST_HITS = 1 << 20 };

typedef struct question {
    pix_bytes text;
    pix_expression expression;
    pix_error error; /* its status is not PIX_OK when the query failed */
} question;

typedef struct questions {
    const pix_query_options *options;
    pix_asker asker;
    pix_show show;
    FILE *in, *notes;
    size_t room, count; /* of a block */
    int64_t line;       /* read so far */
    question items[MOST_QUESTIONS];
    pix_expression expressions[MOST_QUESTIONS]; /* of those that did not fail, borrowed */
    pix_answer answers[MOST_QUESTIONS];         /* to them */
    float *vectors;                             /* [MOST_QUESTIONS, dimension] and their vectors */
    size_t asked;
    size_t failed, capped; /* of all blocks */
    bool is_blind;
} questions;

/* Whether reading another line would not wait. */
static bool is_there(FILE *in) {
    struct pollfd wanted = {.fd = fileno(in), .events = POLLIN};
    return wanted.fd < 0 || poll(&wanted, 1, 0) > 0;
}

static pix_status parse(questions *job, question *q, pix_error *error) {
    pix_query_input input = {.value = q->text.data};
    pix_query_options options = *job->options;
    options.inputs = &input;
    options.input_count = 1;
    if (strlen(q->text.data) != q->text.size)
        return pix_fail(error, PIX_EINVALID, "the query holds a NUL byte");
    return pix_expression_parse(&options, &q->expression, error);
}

/* What encoding says about texts names their line. */
static void tell(questions *job, const char *notes) {
    static const char prefix[] = "pixgrep: ";
    for (const char *line = notes; *line;) {
        size_t size = strcspn(line, "\n");
        const char *text =
            strncmp(line, prefix, strlen(prefix)) == 0 ? line + strlen(prefix) : line;
        (void)fprintf(job->notes, "%sline %lld: %.*s\n", prefix, (long long)job->line,
                      (int)(size - (size_t)(text - line)), text);
        line += size + (line[size] == '\n');
    }
}

static pix_status encode(questions *job, question *q, pix_error *error) {
    char *text = NULL;
    size_t size = 0;
    float *vector = job->vectors + job->asked * (size_t)job->asker.dimension;
    FILE *notes = open_memstream(&text, &size);
    if (!notes)
        return pix_fail_memory(error);
    pix_status status = pix_asker_encode(&job->asker, &q->expression, vector, notes, error);
    if (fclose(notes))
        status = status ? status : pix_fail_memory(error);
    else
        tell(job, text);
    free(text);
    return status;
}

/* One more query of the block; what is wrong with it stays with it, but for want of memory. */
static pix_status add(questions *job, pix_error *error) {
    question *q = &job->items[job->count++];
    q->error = (pix_error){0};
    pix_status status = parse(job, q, &q->error);
    if (!status)
        status = encode(job, q, &q->error);
    if (status == PIX_ENOMEM)
        return pix_fail_memory(error);
    if (status) {
        job->failed++;
        if (job->show.form != PIX_FORMAT_JSON) {
            pix_error told = q->error;
            (void)pix_error_prefix(&told, "line %lld", (long long)job->line);
            pix_note(job->notes, told.text);
        }
        return PIX_OK;
    }
    job->expressions[job->asked++] = q->expression;
    return PIX_OK;
}

static pix_status read_block(questions *job, bool *more, pix_error *error) {
    int end = job->options->null_ended ? '\0' : '\n';
    pix_status status = PIX_OK;
    while (job->count < job->room && *more && !status && (job->count == 0 || is_there(job->in))) {
        pix_bytes *text = &job->items[job->count].text;
        status = pix_line_read(job->in, end, "standard input", text, more, error);
        if (status || !*more)
            break;
        job->line++;
        status = pix_bytes_reserve(text, 0) ? pix_fail_memory(error) : add(job, error);
    }
    return status;
}

static void clear_block(questions *job) {
    for (size_t i = 0; i < job->count; i++)
        pix_expression_free(&job->items[i].expression);
    pix_answers_free(job->answers, job->asked);
    job->count = job->asked = 0;
}

static pix_status answer_block(questions *job, pix_error *error) {
    pix_status status = PIX_OK;
    if (job->asked > 0)
        status = pix_asker_find(&job->asker, job->expressions, job->vectors, job->asked,
                                job->answers, NULL, error);
    for (size_t i = 0, next = 0; i < job->count && !status; i++) {
        question *q = &job->items[i];
        if (q->error.status) {
            status = pix_show_failure(&job->show, q->text.data, &q->error, error);
            continue;
        }
        const pix_answer *answer = &job->answers[next++];
        job->capped += answer->cut.is_capped && !answer->cut.is_blind;
        job->is_blind |= answer->cut.is_blind;
        status = pix_show_answer(&job->show, job->asker.search, q->text.data, answer, error);
    }
    return status;
}

/* What a search says of its cut, once for all. */
static void tell_cuts(const questions *job) {
    if (job->is_blind)
        pix_note_blind(job->notes);
    if (job->capped > 0)
        (void)fprintf(job->notes,
                      "pixgrep: %zu answer%s the best %d; more match, -k N prints more\n",
                      job->capped, job->capped == 1 ? " is" : "s are", PIX_MOST_RESULTS);
}

static pix_status run(questions *job, FILE *out, pix_error *error) {
    size_t wanted = pix_asker_wanted(&job->asker) + 1, values;
    job->room = MOST_HITS / wanted;
    job->room = job->room < 1 ? 1 : job->room > MOST_QUESTIONS ? MOST_QUESTIONS : job->room;
    if (!pix_size_multiply(job->room, (size_t)job->asker.dimension, &values))
        return pix_fail_memory(error);
    job->vectors = calloc(values, sizeof *job->vectors);
    pix_status status = job->vectors ? PIX_OK : pix_fail_memory(error);
    (void)setvbuf(job->in, NULL, _IONBF, 0); /* so that what is not there yet can be told */
    for (bool more = true; more && !status && !ferror(out);) {
        status = read_block(job, &more, error);
        if (!status)
            status = answer_block(job, error);
        clear_block(job);
        (void)fflush(out); /* a failure stays in the stream */
    }
    return status;
}

pix_status pix_ask_all(const pix_query_options *options, pix_query_format format, FILE *in,
                       FILE *out, FILE *notes, size_t *found, size_t *failed, pix_error *error) {
    *found = *failed = 0;
    questions *job = calloc(1, sizeof *job);
    if (!job)
        return pix_fail_memory(error);
    job->options = options;
    job->in = in;
    job->notes = notes;
    pix_status status = pix_show_open(options, format, out, notes, &job->show, error);
    if (!status)
        status = pix_asker_open(options, NULL, notes, &job->asker, error);
    if (!status)
        status = run(job, out, error);
    if (!status)
        tell_cuts(job);
    if (!status)
        status = pix_show_commit(&job->show, error);
    *found = job->show.shown;
    *failed = job->failed;
    for (size_t i = 0; i < MOST_QUESTIONS; i++)
        pix_bytes_free(&job->items[i].text);
    pix_asker_close(&job->asker);
    pix_show_close(&job->show);
    free(job->vectors);
    free(job);
    return status;
}
