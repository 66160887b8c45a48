#include "query/embed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "core/base/json.h"
#include "core/clip/library.h"
#include "core/clip/session.h"
#include "query/encoder.h"
#include "query/print.h"

/* An input waiting for its window to be encoded and printed. */
typedef struct entry {
    char *value;
    bool is_text;
    int picture; /* its place in the batch, -1 when it failed */
    pix_error error;
} entry;

typedef struct embedding {
    const pix_query_options *options;
    pix_encoder *encoder;
    size_t dimension;
    entry *window; /* [capacity] */
    size_t waiting, capacity;
    float *features; /* [capacity, dimension]: the pictures of a window */
    float *vector;   /* [dimension]: of a text */
    pix_text_cut cut;
    FILE *out, *notes;
    size_t failed;
} embedding;

static pix_status print_plain(embedding *job, const entry *input, const float *vector) {
    pix_bytes name = {0};
    pix_status status = pix_bytes_append_escaped(&name, input->value, strlen(input->value));
    if (!status) {
        (void)fprintf(job->out, "%s\t", name.data ? name.data : "");
        for (size_t i = 0; vector && i < job->dimension; i++)
            (void)fprintf(job->out, i == 0 ? "%.9g" : " %.9g", (double)vector[i]);
        (void)fputs("\n", job->out);
        if (!vector)
            (void)fprintf(job->notes, "pixgrep: %s: %s\n", name.data ? name.data : "",
                          input->error.text);
    }
    pix_bytes_free(&name);
    return status;
}

static void print_json(const embedding *job, const entry *input, const float *vector) {
    (void)fputs("{", job->out);
    pix_json_bytes(job->out, "input", input->value, strlen(input->value));
    if (vector) {
        (void)fputs(",\"vector\":", job->out);
        pix_json_vector(job->out, vector, job->dimension);
    } else {
        (void)fputs(",\"error\":", job->out);
        pix_json_string(job->out, input->error.text, strlen(input->error.text));
    }
    (void)fputs("}\n", job->out);
}

static pix_status finish_entry(embedding *job, entry *input, pix_error *error) {
    float *vector = NULL;
    pix_status status = PIX_OK;
    if (input->is_text) {
        status = pix_encoder_text(job->encoder, input->value, strlen(input->value), job->vector,
                                  &job->cut, &input->error);
        vector = status ? NULL : job->vector;
        if (vector && pix_print_cut(job->notes, &job->cut))
            return pix_fail_memory(error);
    } else if (input->picture >= 0) {
        vector = job->features + (size_t)input->picture * job->dimension;
        if (pix_normalise(vector, job->dimension, &input->error))
            vector = NULL;
    }
    if (!vector)
        job->failed++;
    if (job->options->format == PIX_FORMAT_JSON)
        print_json(job, input, vector);
    else if (print_plain(job, input, vector))
        return pix_fail_memory(error);
    return PIX_OK;
}

/* Encodes and prints what waits. */
static pix_status flush(embedding *job, pix_error *error) {
    pix_status status = pix_encoder_run_pictures(job->encoder, job->features, error);
    for (size_t i = 0; i < job->waiting; i++) {
        if (!status)
            status = finish_entry(job, &job->window[i], error);
        free(job->window[i].value);
    }
    job->waiting = 0;
    return status;
}

static pix_status add(embedding *job, const char *value, bool is_text, pix_error *error) {
    if (job->waiting == job->capacity) {
        pix_status status = flush(job, error);
        if (status)
            return status;
    }
    entry *input = &job->window[job->waiting];
    *input = (entry){.value = strdup(value), .is_text = is_text, .picture = -1};
    if (!input->value)
        return pix_fail_memory(error);
    job->waiting++;
    if (!is_text) /* a failure stays in the entry, for its line */
        (void)pix_encoder_add_picture(job->encoder, value, &input->picture, &input->error);
    return PIX_OK;
}

static pix_status add_lines(embedding *job, FILE *in, pix_error *error) {
    char *line = NULL;
    size_t capacity = 0;
    pix_status status = PIX_OK;
    while (!status && !ferror(job->out)) {
        errno = 0;
        ssize_t length = getline(&line, &capacity, in);
        if (length < 0) {
            if (!feof(in))
                status = pix_fail_errno(error, "cannot read standard input");
            break;
        }
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        status = add(job, line, false, error);
    }
    free(line);
    return status;
}

static pix_status add_all(embedding *job, FILE *in, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < job->options->input_count && !status; i++) {
        const pix_query_input *input = &job->options->inputs[i];
        if (!input->is_text && strcmp(input->value, "-") == 0)
            status = add_lines(job, in, error);
        else
            status = add(job, input->value, input->is_text, error);
    }
    return status ? status : flush(job, error);
}

/* How many pictures can wait at a time: a batch, fewer when fewer are named, 0 when all is text. */
static int batch_for(const pix_query_options *options, const pix_model *model) {
    int batch = pix_model_batch_size(model);
    int files = 0;
    for (size_t i = 0; i < options->input_count; i++) {
        if (options->inputs[i].is_text)
            continue;
        if (strcmp(options->inputs[i].value, "-") == 0 || ++files == batch)
            return batch;
    }
    return files;
}

pix_status pix_embed(const pix_query_options *options, FILE *in, FILE *out, FILE *notes,
                     size_t *failed, pix_error *error) {
    *failed = 0;
    embedding job = {.options = options, .out = out, .notes = notes};
    pix_model *model = NULL;
    pix_status status = pix_library_open(options->model, &model, error);
    if (status)
        return status;
    pix_print_notice(notes, options, model);
    int batch = batch_for(options, model);
    job.dimension = (size_t)pix_model_config(model)->embed_dim;
    job.capacity = batch > 0 ? (size_t)batch : 1;
    job.window = calloc(job.capacity, sizeof *job.window);
    job.features = calloc(job.capacity * job.dimension, sizeof *job.features);
    job.vector = calloc(job.dimension, sizeof *job.vector);
    if (!job.window || !job.features || !job.vector) {
        status = pix_fail_memory(error);
        goto done;
    }
    status = pix_encoder_new(model, options, batch, &job.encoder, error);
    if (!status)
        status = add_all(&job, in, error);
done:
    for (size_t i = 0; i < job.waiting; i++)
        free(job.window[i].value);
    *failed = job.failed;
    pix_encoder_free(job.encoder);
    pix_bytes_free(&job.cut.words);
    free(job.vector);
    free(job.features);
    free(job.window);
    pix_model_close(model);
    return status;
}
