#include "query/vocabulary.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/clip/library.h"

enum { OPENAI_TOKENS = 49408, OPENAI_CONTEXT = 77 };

pix_status pix_query_vocabulary_open(const char *path, size_t token_count, pix_tokenizer **out,
                                     pix_error *error) {
    *out = NULL;
    pix_bytes merges = {0};
    pix_status status = pix_vocabulary_load(path, token_count, &merges, error);
    if (!status)
        status = pix_tokenizer_new(merges.data, merges.size, out, error);
    pix_bytes_free(&merges);
    return status;
}

/* The model that the options mean, *out = NULL when none was named and none is current. */
static pix_status open_model(const char *name, pix_model **out, pix_error *error) {
    *out = NULL;
    if (!name) {
        char *current = NULL;
        pix_status status = pix_library_current(&current, error);
        bool none = !current;
        free(current);
        if (status || none)
            return status;
    }
    return pix_library_open(name, out, error);
}

/* A vocabulary file that is installed for everybody or kept by this person; NULL when there is
 * none. */
static char *find_installed(void) {
    static const char file[] = "bpe_simple_vocab_16e6.txt.gz";
    const char *named = getenv("PIXGREP_VOCAB");
    char *path = named && named[0] ? strdup(named) : pix_place_data(file);
    if (path && access(path, R_OK) == 0)
        return path;
    free(path);
    path = pix_place_installed("share/pixgrep/bpe_simple_vocab_16e6.txt.gz");
    if (path && access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static pix_status from_file(const char *path, pix_query_vocabulary *out, pix_error *error) {
    size_t tokens = OPENAI_TOKENS;
    if (out->model)
        tokens = (size_t)pix_model_config(out->model)->vocab_size;
    pix_status status = pix_query_vocabulary_open(path, tokens, &out->owned, error);
    out->tokenizer = out->owned;
    return status;
}

pix_status pix_query_vocabulary_choose(const pix_query_options *options, pix_query_vocabulary *out,
                                       pix_error *error) {
    *out = (pix_query_vocabulary){.context_length = OPENAI_CONTEXT};
    /* A vocabulary file alone needs no model; a model named beside it gives the sizes. */
    pix_status status = PIX_OK;
    if (!options->vocabulary || options->model)
        status = open_model(options->model, &out->model, error);
    if (!status && out->model)
        out->context_length = (size_t)pix_model_config(out->model)->context_length;
    if (status)
        goto fail;
    if (options->vocabulary) {
        status = from_file(options->vocabulary, out, error);
    } else if (out->model) {
        const char *why = NULL;
        status = pix_model_has_text(out->model, &why)
                     ? pix_model_tokenizer(out->model, &out->tokenizer, error)
                     : pix_fail(error, PIX_EUNSUPPORTED, "%s", why);
    } else {
        char *path = find_installed();
        status = path ? from_file(path, out, error)
                      : pix_fail(error, PIX_ENOTFOUND,
                                 "no vocabulary: name one with --vocab FILE, or import a model");
        free(path);
    }
    if (!status)
        return PIX_OK;
fail:
    pix_query_vocabulary_close(out);
    return status;
}

void pix_query_vocabulary_close(pix_query_vocabulary *vocabulary) {
    pix_tokenizer_free(vocabulary->owned);
    pix_model_close(vocabulary->model);
    *vocabulary = (pix_query_vocabulary){0};
}
