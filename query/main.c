/* pixgrep - find photos by what they show.
 *
 * The command line becomes a unit vector, the vector the nearest photos of the index, and these
 * lines.  Results go to stdout, everything else to stderr, and what is written is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clip/library.h"
#include "core/tensor/isa.h"
#include "query/classify.h"
#include "query/crop.h"
#include "query/embed.h"
#include "query/expression.h"
#include "query/expression_vector.h"
#include "query/options.h"
#include "query/output.h"
#include "query/print.h"
#include "query/search.h"
#include "query/tokenize.h"

enum { EXIT_FOUND = 0, EXIT_NOTHING = 1, EXIT_ERROR = 2 };

typedef struct printing {
    FILE *out;
    pix_query_format format;
    bool started;
    pix_error *error;
} printing;

static pix_status print_hit(void *context, double score, const pix_photo_row *photo) {
    printing *job = context;
    if (job->format == PIX_FORMAT_TABLE && !job->started)
        pix_print_heading(job->out);
    job->started = true;
    if (pix_print_result(job->out, job->format, score, photo))
        return pix_fail_memory(job->error);
    return PIX_OK;
}

/* A person reads a table where a script reads lines. */
static pix_query_format format_for_reader(const pix_query_options *options) {
    bool person = options->format == PIX_FORMAT_LINES && isatty(STDOUT_FILENO);
    return person ? PIX_FORMAT_TABLE : options->format;
}

static pix_status search_with(pix_model *model, const pix_query_options *options,
                              const pix_expression *expression, FILE *out, size_t *found,
                              pix_error *error) {
    int dimension = pix_model_config(model)->embed_dim;
    pix_search *search = NULL;
    pix_bytes note = {0};
    printing job = {.out = out, .format = format_for_reader(options), .error = error};
    float *vector = calloc((size_t)dimension, sizeof *vector);
    pix_status status = vector ? PIX_OK : pix_fail_memory(error);
    if (!status)
        status = pix_search_open(options->database, pix_model_name(model),
                                 pix_model_fingerprint(model), &search, &note, error);
    if (!status)
        pix_print_notice(stderr, options, model);
    if (!status && note.size > 0)
        (void)fprintf(stderr, "pixgrep: %s\n", note.data);
    if (!status)
        status = pix_expression_encode(expression, model, options, vector, stderr, error);
    if (!status)
        status = pix_search_run(search, vector, dimension, (size_t)options->k, print_hit, &job,
                                found, error);
    pix_search_close(search);
    pix_bytes_free(&note);
    free(vector);
    return status;
}

/* One line on stderr, whatever bytes the names in it hold. */
static void complain(const char *text, const char *hint) {
    pix_bytes line = {0};
    bool escaped = pix_bytes_append_escaped(&line, text, strlen(text)) == PIX_OK;
    (void)fprintf(stderr, "pixgrep: %s%s\n", escaped && line.data ? line.data : "out of memory",
                  hint);
    pix_bytes_free(&line);
}

static void hint_at_picture(const char *words) {
    pix_error note;
    if (!pix_words_name_picture(words))
        return;
    (void)pix_fail(&note, PIX_OK, "searching for the words '%s'; for the picture write ./%s", words,
                   words);
    complain(note.text, "");
}

/* Words may be meant as pictures: those of each term, and an argument that signs take apart. */
static void hint_at_pictures(const pix_query_options *options, const pix_expression *expression) {
    if (options->literal)
        return;
    for (size_t i = 0; i < expression->count; i++)
        if (!expression->terms[i].is_picture)
            hint_at_picture(expression->terms[i].value.data);
    if (options->input_count == 1 && expression->count > 1)
        hint_at_picture(options->inputs[0].value);
}

static pix_status run_search(const pix_query_options *options, FILE *out, size_t *found,
                             pix_error *error) {
    pix_expression expression;
    pix_model *model = NULL;
    pix_status status = pix_expression_parse(options, &expression, error);
    if (!status)
        hint_at_pictures(options, &expression);
    if (!status)
        status = pix_library_open(options->model, &model, error);
    if (!status)
        status = search_with(model, options, &expression, out, found, error);
    pix_model_close(model);
    pix_expression_free(&expression);
    return status;
}

/* The exit code of a batch mode, and how many inputs failed: a script may overlook error objects
 * among many lines. */
static int batch_code(size_t failed, const char *what) {
    if (failed == 0)
        return EXIT_FOUND;
    (void)fprintf(stderr, "pixgrep: %zu %s%s failed\n", failed, what, failed == 1 ? "" : "s");
    return EXIT_ERROR;
}

/* Does what the options ask and leaves the exit code of success in *code. */
static pix_status run(const pix_query_options *options, FILE *out, int *code, pix_error *error) {
    size_t count = 0;
    const pix_kernels *kernels;
    bool computes = options->mode == PIX_QUERY_SEARCH || options->mode == PIX_QUERY_EMBED ||
                    options->mode == PIX_QUERY_CROP || options->mode == PIX_QUERY_CLASSIFY;
    pix_status status = computes ? pix_kernels_wanted(&kernels, error) : PIX_OK;
    *code = EXIT_FOUND;
    if (status)
        return status;
    switch (options->mode) {
    case PIX_QUERY_SEARCH:
        status = run_search(options, out, &count, error);
        *code = count > 0 ? EXIT_FOUND : EXIT_NOTHING;
        break;
    case PIX_QUERY_TOKENIZE:
        status = pix_tokenize(options, stdin, out, &count, error);
        *code = batch_code(count, "line");
        break;
    case PIX_QUERY_EMBED:
        status = pix_embed(options, stdin, out, stderr, &count, error);
        *code = batch_code(count, "input");
        break;
    case PIX_QUERY_CLASSIFY:
        status =
            pix_classify(options, format_for_reader(options), stdin, out, stderr, &count, error);
        *code = batch_code(count, "picture");
        break;
    case PIX_QUERY_CROP:
        if (isatty(STDOUT_FILENO))
            return pix_fail(error, PIX_EINVALID,
                            "--crop does not write a picture to a terminal; redirect it");
        status = pix_crop_write(options, out, error);
        break;
    case PIX_QUERY_HELP:
        pix_query_options_help(out);
        break;
    case PIX_QUERY_VERSION:
        (void)fprintf(out, "pixgrep %s\n", PIX_VERSION);
        break;
    }
    return status;
}

/* A reader that has gone (EPIPE, where SIGPIPE is ignored) knows; anything else is told. */
static bool close_output(FILE *out) {
    int failure = pix_output_close(out);
    if (failure && failure != EPIPE)
        (void)fprintf(stderr, "pixgrep: cannot write the output: %s\n", strerror(failure));
    return !failure;
}

int main(int argc, char **argv) {
    pix_query_options options;
    pix_error error = {0};
    int code = EXIT_ERROR;
    FILE *out = pix_output_open();
    if (!out) {
        complain("out of memory", "");
        return EXIT_ERROR;
    }
    if (pix_query_options_parse(argc, argv, &options, &error)) {
        complain(error.text, "; see pixgrep --help");
    } else if (run(&options, out, &code, &error)) {
        complain(error.text, "");
        code = EXIT_ERROR;
    }
    pix_query_options_free(&options);
    if (!close_output(out))
        code = EXIT_ERROR;
    return code;
}
