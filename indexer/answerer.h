/* answerer.h - what answers the calls that are computed, and what it keeps ready for them.
 *
 * Each of the things kept is opened when it is first needed.  A call writes its answer, a line of
 * JSON (pixgrepd-control(7)); of one that fails nothing written counts.  All of it belongs to the
 * thread of answers.h. */
#ifndef PIX_INDEXER_ANSWERER_H
#define PIX_INDEXER_ANSWERER_H

#include <stdatomic.h>
#include <stdio.h>

#include "core/clip/session.h"
#include "core/control/protocol.h"
#include "core/image/decoder.h"
#include "indexer/options.h"
#include "storage/selection.h"
#include "storage/store.h"

typedef struct pix_answerer {
    const pix_options *options;
    const atomic_bool *unwanted; /* the answer at hand: a picture gets little more time then */
    pix_model *model;
    pix_session *texts, *pictures;
    pix_decoder *decoder;
    pix_decode_options decoding; /* of the decoder */
    pix_store *store;
    int64_t model_id; /* in the store; 0: not known yet */
    int64_t encoded;  /* photos with a vector of it, when it was last looked at */
    char *library;    /* what hello says of the store, in its state `said_of`; NULL: not known */
    char said_of[PIX_GENERATION_SIZE];

    /* What passed the last filter, in the store as it was then. */
    pix_selection *selection;
    char *filter; /* as JSON */
    char generation[PIX_GENERATION_SIZE];
} pix_answerer;

/* Everything is opened anew when it is next needed. */
void pix_answerer_close(pix_answerer *a);
void pix_answerer_drop_library(pix_answerer *a);
void pix_answerer_drop_selection(pix_answerer *a);

pix_status pix_answerer_need_model(pix_answerer *a, pix_error *error);
/* Lets go of an index that is not where it was opened: it is not what anybody else reads. */
void pix_answerer_check_place(pix_answerer *a);
pix_status pix_answerer_need_store(pix_answerer *a, pix_error *error);
/* Both, and the model's place in the store: PIX_EMISMATCH when it has none. */
pix_status pix_answerer_need_index(pix_answerer *a, pix_error *error);
/* For pix_store_models. */
pix_status pix_answerer_note_model(void *context, const pix_store_model *model);
pix_precision pix_answerer_precision(const pix_answerer *a); /* of the model that is open */

pix_status pix_answer_hello(pix_answerer *a, const pix_request *request, FILE *out,
                            pix_error *error);
pix_status pix_answer_tokenize(pix_answerer *a, const pix_request *request, FILE *out,
                               pix_error *error);
pix_status pix_answer_encode_text(pix_answerer *a, const pix_request *request, FILE *out,
                                  pix_error *error);
/* `fd` is the picture's; -1: none came along. */
pix_status pix_answer_encode_image(pix_answerer *a, const pix_request *request, int fd, FILE *out,
                                   pix_error *error);
pix_status pix_answer_select(pix_answerer *a, const pix_request *request, FILE *out,
                             pix_error *error);
pix_status pix_answer_search(pix_answerer *a, const pix_request *request, FILE *out,
                             pix_error *error);

/* The members of an answer that has texts encoded, each after a comma, once all are known; and
 * their vectors, [text_count, dimension], the caller's to free even on failure. */
pix_status pix_answer_write_texts(pix_answerer *a, const pix_request *request, FILE *out,
                                  float **vectors, pix_error *error);

#endif
