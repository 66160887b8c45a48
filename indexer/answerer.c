#include "indexer/answerer.h"

#include <stdlib.h>
#include <string.h>

#include "core/clip/library.h"
#include "indexer/commands.h"

void pix_answerer_drop_selection(pix_answerer *a) {
    pix_selection_free(a->selection);
    free(a->filter);
    a->selection = NULL;
    a->filter = NULL;
}

void pix_answerer_drop_library(pix_answerer *a) {
    free(a->library);
    a->library = NULL;
}

static void close_store(pix_answerer *a) {
    pix_answerer_drop_selection(a);
    pix_answerer_drop_library(a);
    pix_store_close(a->store);
    a->store = NULL;
    a->model_id = 0;
}

void pix_answerer_close(pix_answerer *a) {
    close_store(a);
    pix_session_free(a->texts);
    pix_session_free(a->pictures);
    pix_decoder_close(a->decoder);
    pix_model_close(a->model);
    a->texts = a->pictures = NULL;
    a->decoder = NULL;
    a->model = NULL;
}

pix_status pix_answerer_need_model(pix_answerer *a, pix_error *error) {
    return a->model ? PIX_OK : pix_library_open(a->options->model, &a->model, error);
}

void pix_answerer_check_place(pix_answerer *a) {
    if (a->store && pix_store_place_get(a->store) != PIX_STORE_IN_PLACE)
        close_store(a);
}

pix_status pix_answerer_need_store(pix_answerer *a, pix_error *error) {
    pix_answerer_check_place(a);
    return a->store ? PIX_OK : pix_command_open_store(a->options, PIX_STORE_READ, &a->store, error);
}

pix_precision pix_answerer_precision(const pix_answerer *a) {
    return pix_precision_or(a->options->precision, pix_model_precision(a->model));
}

pix_status pix_answerer_note_model(void *context, const pix_store_model *model) {
    pix_answerer *a = context;
    if (strcmp(model->fingerprint, pix_model_fingerprint(a->model)) != 0)
        return PIX_OK;
    a->model_id = model->id;
    a->encoded = model->embeddings;
    return PIX_OK;
}

pix_status pix_answerer_need_index(pix_answerer *a, pix_error *error) {
    pix_status status = pix_answerer_need_model(a, error);
    if (!status)
        status = pix_answerer_need_store(a, error);
    if (!status && a->model_id == 0)
        status = pix_store_models(a->store, pix_answerer_note_model, a, error);
    if (!status && a->model_id == 0)
        status = pix_fail(error, PIX_EMISMATCH, "no photo has a vector of this model");
    return status;
}
