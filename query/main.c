/* pixgrep - find photos by what they show.
 *
 * The command line becomes a unit vector, the vector the nearest photos of the index, and these
 * lines.  Results go to stdout, everything else to stderr, and what is written is checked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/mapping.h"
#include "core/tensor/isa.h"
#include "query/ask.h"
#include "query/cache.h"
#include "query/classify.h"
#include "query/crop.h"
#include "query/duplicates.h"
#include "query/embed.h"
#include "query/options.h"
#include "query/output.h"
#include "query/questions.h"
#include "query/tokenize.h"

enum { EXIT_FOUND = 0, EXIT_NOTHING = 1, EXIT_ERROR = 2 };

/* A person reads a table where a script reads lines. */
static pix_query_format format_for_reader(const pix_query_options *options) {
    bool person = options->format == PIX_FORMAT_LINES && isatty(STDOUT_FILENO);
    return person ? PIX_FORMAT_TABLE : options->format;
}

/* One line on stderr, whatever bytes the names in it hold. */
static void complain(const char *text, const char *hint) {
    pix_bytes line = {0};
    bool escaped = pix_bytes_append_escaped(&line, text, strlen(text)) == PIX_OK;
    (void)fprintf(stderr, "pixgrep: %s%s\n", escaped && line.data ? line.data : "out of memory",
                  hint);
    pix_bytes_free(&line);
}

/* The exit code of a batch mode, and how many inputs failed: a script may overlook error objects
 * among many lines. */
static int batch_code(size_t failed, const char *what) {
    if (failed == 0)
        return EXIT_FOUND;
    (void)fprintf(stderr, "pixgrep: %zu %s%s failed\n", failed, what, failed == 1 ? "" : "s");
    return EXIT_ERROR;
}

static pix_status search(const pix_query_options *options, FILE *out, int *code, pix_error *error) {
    size_t found = 0, failed = 0;
    pix_query_format format = format_for_reader(options);
    pix_status status =
        options->batch ? pix_ask_all(options, format, stdin, out, stderr, &found, &failed, error)
                       : pix_ask(options, format, out, stderr, &found, error);
    *code = found > 0 ? EXIT_FOUND : EXIT_NOTHING;
    if (failed > 0)
        *code = batch_code(failed, "line");
    return status;
}

/* Does what the options ask and leaves the exit code of success in *code. */
static pix_status run(const pix_query_options *options, FILE *out, int *code, pix_error *error) {
    size_t count = 0, done = 0;
    const pix_kernels *kernels;
    bool computes = options->mode == PIX_QUERY_SEARCH || options->mode == PIX_QUERY_EMBED ||
                    options->mode == PIX_QUERY_CROP || options->mode == PIX_QUERY_CLASSIFY;
    bool chosen = getenv(PIX_ISA_VARIABLE) != NULL; /* perhaps what this CPU has not */
    pix_status status = computes && chosen ? pix_kernels_wanted(&kernels, error) : PIX_OK;
    *code = EXIT_FOUND;
    if (status)
        return status;
    switch (options->mode) {
    case PIX_QUERY_SEARCH:
        status = search(options, out, code, error);
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
        status = pix_classify(options, format_for_reader(options), stdin, out, stderr, &done,
                              &count, error);
        *code = done == 0 && options->filters.given ? EXIT_NOTHING : batch_code(count, "picture");
        break;
    case PIX_QUERY_DUPLICATES:
        status = pix_duplicates(options, format_for_reader(options), out, stderr, &count, error);
        *code = count > 0 ? EXIT_FOUND : EXIT_NOTHING;
        break;
    case PIX_QUERY_CACHE:
        status = pix_cache(options, out, stderr, error);
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

/* In a signal handler. */
static void lose_file(const char *line) {
    (void)!write(STDERR_FILENO, "pixgrep: ", strlen("pixgrep: "));
    (void)!write(STDERR_FILENO, line, strlen(line));
    _exit(EXIT_ERROR);
}

int main(int argc, char **argv) {
    pix_query_options options;
    pix_error error = {0};
    int code = EXIT_ERROR;
    pix_mapping_guard(lose_file);
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
