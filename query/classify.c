#include "query/classify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/clip/library.h"
#include "core/tensor/dot.h"
#include "query/batch.h"
#include "query/ensemble.h"
#include "query/labels.h"
#include "query/print.h"
#include "query/search.h"

/* How far the labels are is shown when they take so long, and then so often. */
static const int64_t PATIENCE_NS = 1000000000, REDRAW_NS = 200000000;

typedef struct choice {
    size_t label;
    double score, probability;
} choice;

typedef struct classifying {
    const pix_query_options *options;
    pix_query_format format;
    pix_list labels;
    pix_ensemble *ensemble;
    pix_encoder *encoder;
    pix_search *search; /* when the pictures are photos of the index */
    double logit_scale;
    size_t dimension;
    float *vectors;        /* [labels, dimension], unit */
    choice *choices;       /* [labels]: of the picture at hand */
    pix_bytes path, label; /* escaped */
    FILE *out, *notes;
    int64_t due_ns; /* when progress is shown next */
    bool shown;
    size_t done, failed;
    pix_error *error;
} classifying;

/* For a person only: thousands of labels take minutes. */
static void show_progress(void *context, size_t done) {
    classifying *job = context;
    int64_t now_ns = pix_now_ns();
    if (now_ns < job->due_ns)
        return;
    job->due_ns = now_ns + REDRAW_NS;
    job->shown = true;
    char part[32], whole[32];
    (void)fprintf(job->notes, "\r%s of %s labels encoded\033[K",
                  pix_format_count((int64_t)done, part),
                  pix_format_count((int64_t)job->labels.count, whole));
    (void)fflush(job->notes);
}

static pix_status encode_labels(classifying *job, pix_error *error) {
    bool person = isatty(fileno(job->notes));
    job->due_ns = pix_now_ns() + PATIENCE_NS;
    const pix_ensemble_listener listener = {.progress = person ? show_progress : NULL,
                                            .context = job};
    pix_status status = pix_ensemble_encode(job->ensemble, &job->labels, job->options->truncate,
                                            job->vectors, &listener, error);
    if (job->shown)
        (void)fputs("\r\033[K", job->notes);
    return status;
}

static int compare_choices(const void *left, const void *right) {
    const choice *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->label < b->label ? -1 : a->label > b->label;
}

/* Scores and probabilities of all labels, best first. */
static void choose(classifying *job, const float *vector) {
    choice *choices = job->choices;
    size_t count = job->labels.count;
    for (size_t i = 0; i < count; i++)
        choices[i] =
            (choice){.label = i,
                     .score = pix_dot(vector, job->vectors + i * job->dimension, job->dimension)};
    qsort(choices, count, sizeof *choices, compare_choices);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        choices[i].probability = exp(job->logit_scale * (choices[i].score - choices[0].score));
        sum += choices[i].probability;
    }
    for (size_t i = 0; i < count; i++)
        choices[i].probability /= sum;
}

static void print_json(const classifying *job, const pix_batch_input *picture, size_t count) {
    (void)fputs("{", job->out);
    pix_json_bytes(job->out, "path", picture->value, strlen(picture->value));
    if (!picture->vector) {
        (void)fputs(",\"error\":", job->out);
        pix_json_string(job->out, picture->error.text, strlen(picture->error.text));
        (void)fputs("}\n", job->out);
        return;
    }
    (void)fputs(",\"labels\":[", job->out);
    for (size_t i = 0; i < count; i++) {
        const char *label = job->labels.entries[job->choices[i].label].text;
        (void)fputs(i == 0 ? "{\"label\":" : ",{\"label\":", job->out);
        pix_json_string(job->out, label, strlen(label));
        (void)fputs(",\"probability\":", job->out);
        pix_json_number(job->out, job->choices[i].probability);
        (void)fputs(",\"score\":", job->out);
        pix_json_number(job->out, job->choices[i].score);
        (void)fputs("}", job->out);
    }
    (void)fputs("]}\n", job->out);
}

/* Replaces *out by the text with its control bytes escaped. */
static pix_status escape(pix_bytes *out, const char *text) {
    pix_bytes_clear(out);
    return pix_bytes_reserve(out, 0) ? PIX_ENOMEM
                                     : pix_bytes_append_escaped(out, text, strlen(text));
}

static pix_status print_plain(classifying *job, const pix_batch_input *picture, size_t count) {
    bool table = job->format == PIX_FORMAT_TABLE;
    if (escape(&job->path, picture->value))
        return PIX_ENOMEM;
    const char *path = job->path.data;
    if (!picture->vector) {
        if (!table)
            (void)fprintf(job->out, "%s\t\t\n", path);
        (void)fprintf(job->notes, "pixgrep: %s: %s\n", path, picture->error.text);
        return PIX_OK;
    }
    if (table)
        (void)fprintf(job->out, "%s\n", path);
    for (size_t i = 0; i < count; i++) {
        const choice *chosen = &job->choices[i];
        if (escape(&job->label, job->labels.entries[chosen->label].text))
            return PIX_ENOMEM;
        if (table)
            (void)fprintf(job->out, "%8.2f %%  %s\n", 100 * chosen->probability, job->label.data);
        else
            (void)fprintf(job->out, "%s\t%.6f\t%s\n", path, chosen->probability, job->label.data);
    }
    return PIX_OK;
}

static pix_status print_picture(void *context, pix_batch_input *picture, pix_error *error) {
    classifying *job = context;
    size_t most = (size_t)job->options->k;
    size_t count = job->labels.count < most ? job->labels.count : most;
    job->done++;
    if (picture->vector)
        choose(job, picture->vector);
    else
        job->failed++;
    if (job->format == PIX_FORMAT_JSON)
        print_json(job, picture, count);
    else if (print_plain(job, picture, count))
        return pix_fail_memory(error);
    return PIX_OK;
}

static pix_status open_labels(classifying *job, FILE *in, pix_error *error) {
    pix_bytes note = {0};
    pix_status status = pix_labels_open(job->options->labels, in, &job->labels, &note, error);
    if (!status && note.size > 0)
        (void)fprintf(job->notes, "pixgrep: %s\n", note.data);
    pix_bytes_free(&note);
    return status;
}

static pix_status print_photo(void *context, const pix_photo_row *photo, const float *vector,
                              const pix_error *reason) {
    classifying *job = context;
    pix_batch_input picture = {.value = strdup(photo->path), .vector = vector};
    if (!picture.value)
        return pix_fail_memory(job->error);
    if (reason)
        picture.error = *reason;
    pix_status status = print_picture(job, &picture, job->error);
    free(picture.value);
    return status ? status : ferror(job->out) ? PIX_ECANCELLED : PIX_OK;
}

/* Opens the index at the photos that pass the filters; *any is false when there are none. */
static pix_status open_photos(classifying *job, const pix_model *model, bool *any,
                              pix_error *error) {
    const pix_search_index index = {.database = job->options->database,
                                    .model = pix_model_name(model),
                                    .fingerprint = pix_model_fingerprint(model),
                                    .dimension = pix_model_config(model)->embed_dim};
    pix_bytes shortage = {0};
    pix_status status = pix_search_open(&index, &job->search, &shortage, error);
    if (!status && shortage.size > 0)
        (void)fprintf(job->notes, "pixgrep: %s\n", shortage.data);
    pix_bytes_free(&shortage);
    if (!status)
        status = pix_search_select(job->search, &job->options->filters, job->notes, error);
    *any = !status && pix_search_bound(job->search, 1) > 0;
    return status;
}

/* A program that cannot write says so itself. */
static pix_status print_photos(classifying *job, pix_error *error) {
    pix_status status = pix_search_each(job->search, print_photo, job, error);
    return status == PIX_ECANCELLED && ferror(job->out) ? PIX_OK : status;
}

static pix_status classify_with(classifying *job, pix_model *model, FILE *in, pix_error *error) {
    int size = pix_batch_size(job->options, model);
    size_t values;
    bool any = true;
    job->logit_scale = (double)pix_model_config(model)->logit_scale;
    job->dimension = (size_t)pix_model_config(model)->embed_dim;
    if (!pix_size_multiply(job->labels.count, job->dimension, &values))
        return pix_fail_memory(error);
    job->vectors = calloc(values, sizeof *job->vectors);
    job->choices = calloc(job->labels.count, sizeof *job->choices);
    if (!job->vectors || !job->choices)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    if (job->options->filters.given)
        status = open_photos(job, model, &any, error);
    if (status || !any)
        return status;
    status = pix_encoder_new(model, job->options, size, &job->encoder, error);
    if (!status)
        status = pix_ensemble_open(job->options->templates, job->encoder, &job->ensemble, error);
    if (!status)
        status = encode_labels(job, error);
    if (!status && job->search)
        status = print_photos(job, error);
    else if (!status)
        status = pix_batch_run(job->options, job->encoder, size, in, job->out, print_picture, job,
                               error);
    pix_ensemble_close(job->ensemble);
    pix_encoder_free(job->encoder);
    return status;
}

pix_status pix_classify(const pix_query_options *options, pix_query_format format, FILE *in,
                        FILE *out, FILE *notes, size_t *done, size_t *failed, pix_error *error) {
    *done = *failed = 0;
    classifying job = {
        .options = options, .format = format, .out = out, .notes = notes, .error = error};
    pix_model *model = NULL;
    pix_status status = open_labels(&job, in, error);
    if (!status)
        status = pix_library_open(options->model, &model, error);
    if (!status) {
        pix_print_notice(notes, options, model);
        status = classify_with(&job, model, in, error);
    }
    *done = job.done;
    *failed = job.failed;
    pix_search_close(job.search);
    pix_model_close(model);
    free(job.vectors);
    free(job.choices);
    pix_bytes_free(&job.path);
    pix_bytes_free(&job.label);
    pix_list_free(&job.labels);
    return status;
}
