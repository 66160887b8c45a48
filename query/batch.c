#include "query/batch.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/lines.h"
#include "core/clip/session.h"

/* An input waiting for its window to be encoded. */
typedef struct entry {
    pix_batch_input input;
    int picture; /* its place in the batch, -1 when it failed */
} entry;

typedef struct batch {
    pix_encoder *encoder;
    size_t dimension;
    entry *window; /* [capacity] */
    size_t waiting, capacity;
    float *features; /* [capacity, dimension]: the pictures of a window */
    pix_status (*each)(void *context, pix_batch_input *input, pix_error *error);
    void *context;
} batch;

static pix_status hand_on(batch *job, entry *waiting, pix_error *error) {
    if (waiting->picture >= 0) {
        float *vector = job->features + (size_t)waiting->picture * job->dimension;
        if (!pix_normalise(vector, job->dimension, &waiting->input.error))
            waiting->input.vector = vector;
    }
    return job->each(job->context, &waiting->input, error);
}

/* Encodes and hands on what waits. */
static pix_status flush(batch *job, pix_error *error) {
    pix_status status = pix_encoder_run_pictures(job->encoder, job->features, error);
    for (size_t i = 0; i < job->waiting; i++) {
        if (!status)
            status = hand_on(job, &job->window[i], error);
        free(job->window[i].input.value);
    }
    job->waiting = 0;
    return status;
}

static pix_status add(batch *job, const char *value, bool is_text, pix_error *error) {
    if (job->waiting == job->capacity) {
        pix_status status = flush(job, error);
        if (status)
            return status;
    }
    entry *waiting = &job->window[job->waiting];
    *waiting = (entry){.input = {.value = strdup(value), .is_text = is_text}, .picture = -1};
    if (!waiting->input.value)
        return pix_fail_memory(error);
    job->waiting++;
    if (!is_text) /* a failure stays with the input */
        (void)pix_encoder_add_picture(job->encoder, value, &waiting->picture,
                                      &waiting->input.error);
    return PIX_OK;
}

static pix_status add_lines(batch *job, FILE *in, int end, FILE *out, pix_error *error) {
    pix_bytes line = {0};
    bool more = true;
    pix_status status = PIX_OK;
    while (!status && more && !ferror(out)) {
        status = pix_line_read(in, end, "standard input", &line, &more, error);
        if (!status && more)
            status = add(job, line.data, false, error);
    }
    pix_bytes_free(&line);
    return status;
}

int pix_batch_size(const pix_query_options *options, const pix_model *model) {
    int size = pix_model_batch_size(model);
    int files = 0;
    for (size_t i = 0; i < options->input_count; i++) {
        if (options->inputs[i].is_text)
            continue;
        if (strcmp(options->inputs[i].value, "-") == 0 || ++files == size)
            return size;
    }
    return files;
}

pix_status
pix_batch_run(const pix_query_options *options, pix_encoder *encoder, int size, FILE *in, FILE *out,
              pix_status (*each)(void *context, pix_batch_input *input, pix_error *error),
              void *context, pix_error *error) {
    batch job = {.encoder = encoder,
                 .dimension = pix_encoder_dimension(encoder),
                 .capacity = size > 0 ? (size_t)size : 1,
                 .each = each,
                 .context = context};
    job.window = calloc(job.capacity, sizeof *job.window);
    job.features = calloc(job.capacity * job.dimension, sizeof *job.features);
    pix_status status = job.window && job.features ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < options->input_count && !status; i++) {
        const pix_query_input *input = &options->inputs[i];
        if (!input->is_text && strcmp(input->value, "-") == 0)
            status = add_lines(&job, in, options->null_ended ? '\0' : '\n', out, error);
        else
            status = add(&job, input->value, input->is_text, error);
    }
    if (!status)
        status = flush(&job, error);
    for (size_t i = 0; i < job.waiting; i++)
        free(job.window[i].input.value);
    free(job.features);
    free(job.window);
    return status;
}
