#include "query/embed.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/clip/library.h"
#include "query/batch.h"
#include "query/encoder.h"
#include "query/ensemble.h"
#include "query/print.h"

typedef struct embedding {
    const pix_query_options *options;
    pix_encoder *encoder;
    size_t dimension;
    float *vector;          /* [dimension]: of a text */
    pix_ensemble *ensemble; /* NULL: texts as they are */
    pix_text_cut cut;
    FILE *out, *notes;
    size_t failed;
} embedding;

static pix_status print_plain(const embedding *job, const pix_batch_input *input,
                              const float *vector) {
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

static void print_json(const embedding *job, const pix_batch_input *input, const float *vector) {
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

static pix_status tell_cut(void *context, size_t text, const pix_text_cut *cut) {
    (void)text;
    return pix_print_cut(((embedding *)context)->notes, "the text", cut);
}

static pix_status encode_text(embedding *job, const char *text, pix_error *error) {
    const pix_ensemble_listener listener = {.cut = tell_cut, .context = job};
    pix_list_entry entry = {.text = (char *)text};
    const pix_list texts = {.entries = &entry, .count = 1};
    if (job->ensemble)
        return pix_ensemble_encode(job->ensemble, &texts, true, job->vector, &listener, error);
    pix_status status =
        pix_encoder_text(job->encoder, text, strlen(text), job->vector, &job->cut, error);
    if (!status && tell_cut(job, 0, &job->cut))
        status = pix_fail_memory(error);
    return status;
}

static pix_status print_input(void *context, pix_batch_input *input, pix_error *error) {
    embedding *job = context;
    const float *vector = input->vector;
    if (input->is_text && !encode_text(job, input->value, &input->error))
        vector = job->vector;
    if (!vector)
        job->failed++;
    if (job->options->format == PIX_FORMAT_JSON)
        print_json(job, input, vector);
    else if (print_plain(job, input, vector))
        return pix_fail_memory(error);
    return PIX_OK;
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
    int size = pix_batch_size(options, model);
    job.dimension = (size_t)pix_model_config(model)->embed_dim;
    job.vector = calloc(job.dimension, sizeof *job.vector);
    status = job.vector ? pix_encoder_new(model, options, size, &job.encoder, error)
                        : pix_fail_memory(error);
    if (!status && options->ensemble)
        status = pix_ensemble_open(options->ensemble, job.encoder, &job.ensemble, error);
    if (!status)
        status = pix_batch_run(options, job.encoder, size, in, out, print_input, &job, error);
    *failed = job.failed;
    pix_ensemble_close(job.ensemble);
    pix_encoder_free(job.encoder);
    pix_bytes_free(&job.cut.words);
    free(job.vector);
    pix_model_close(model);
    return status;
}
