#include "query/vocabulary.h"

#include <stdlib.h>

#include "core/base/files.h"
#include "core/clip/library.h"
#include "core/clip/vocabulary.h"

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

pix_status pix_query_open_any_model(const char *name, pix_model **out, pix_error *error) {
    *out = NULL;
    if (!name) {
        char *current = NULL;
        pix_status status = pix_library_current(&current, error);
        bool none = !current;
        free(current);
        if (status == PIX_ENOTFOUND) /* no HOME: no place for a model to be current in */
            return PIX_OK;
        if (status || none)
            return status;
    }
    return pix_library_open(name, out, error);
}

static pix_status from_file(const char *path, pix_query_vocabulary *out, pix_error *error) {
    size_t tokens = OPENAI_TOKENS;
    if (out->model)
        tokens = (size_t)pix_clip_token_count(pix_model_config(out->model));
    pix_status status = pix_query_vocabulary_open(path, tokens, &out->owned, error);
    out->tokenizer = out->owned;
    return status;
}

/* The vocabulary of the bundled model that stands in, and its sizes. */
static pix_status from_stand_in(pix_query_vocabulary *out, pix_error *error) {
    pix_status status = pix_library_open(NULL, &out->model, error);
    if (status)
        return status;
    out->context_length = (size_t)pix_model_config(out->model)->context_length;
    return pix_model_tokenizer(out->model, &out->tokenizer, error);
}

/* The first vocabulary that lies among the models or is installed, or else the bundled model's. */
static pix_status from_installed(pix_query_vocabulary *out, pix_error *error) {
    char *folder = pix_place_data("models");
    if (!folder) /* without HOME, a place that is looked at anyway */
        folder = pix_place_installed("share/pixgrep/vocab");
    if (!folder)
        return pix_fail_memory(error);
    pix_bytes merges = {0};
    char *path = NULL, *why = NULL;
    pix_status status = pix_vocabulary_search(folder, OPENAI_TOKENS, &merges, &path, &why, error);
    if (!status && !path && from_stand_in(out, NULL))
        status =
            pix_fail(error, PIX_ENOTFOUND, "%s; name one with --vocab, or import a model", why);
    if (!status && path) {
        status = pix_tokenizer_new(merges.data, merges.size, &out->owned, error);
        out->tokenizer = out->owned;
    }
    pix_bytes_free(&merges);
    free(path);
    free(why);
    free(folder);
    return status;
}

pix_status pix_query_vocabulary_choose(const pix_query_options *options, pix_query_vocabulary *out,
                                       pix_error *error) {
    *out = (pix_query_vocabulary){.context_length = OPENAI_CONTEXT};
    /* A vocabulary file alone needs no model; a model named beside it gives the sizes. */
    pix_status status = PIX_OK;
    if (!options->vocabulary || options->model)
        status = pix_query_open_any_model(options->model, &out->model, error);
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
        status = from_installed(out, error);
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
