#include "query/encoder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clip/session.h"
#include "core/image/decoder.h"
#include "query/vocabulary.h"

struct pix_encoder {
    pix_model *model;
    const pix_clip_config *config;
    const pix_query_options *options;
    int max_pictures;
    int pictures;         /* in the batch */
    uint8_t *rgb;         /* [max_pictures, size, size, 3] */
    pix_backend *backend; /* NULL: none */
    float *encoded;       /* [max_pictures, embed_dim] of pictures that the backend encoded */
    bool *is_encoded;     /* [max_pictures] */
    pix_ids ids;          /* of the text at hand */
    pix_session *session;
    pix_decoder *decoder;
    pix_tokenizer *vocabulary; /* of --vocab */
};

pix_status pix_encoder_new(pix_model *model, const pix_query_options *options, int max_pictures,
                           pix_encoder **out, pix_error *error) {
    *out = NULL;
    pix_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return pix_fail_memory(error);
    encoder->model = model;
    encoder->config = pix_model_config(model);
    encoder->options = options;
    encoder->max_pictures = max_pictures;
    *out = encoder;
    return PIX_OK;
}

void pix_encoder_free(pix_encoder *encoder) {
    if (!encoder)
        return;
    pix_tokenizer_free(encoder->vocabulary);
    pix_decoder_close(encoder->decoder);
    pix_session_free(encoder->session);
    pix_ids_free(&encoder->ids);
    free(encoder->rgb);
    free(encoder->encoded);
    free(encoder->is_encoded);
    free(encoder);
}

void pix_encoder_use(pix_encoder *encoder, pix_backend *backend) {
    encoder->backend = backend;
}

size_t pix_encoder_dimension(const pix_encoder *encoder) {
    return (size_t)encoder->config->embed_dim;
}

int pix_encoder_batch(const pix_encoder *encoder) {
    return encoder->max_pictures;
}

const char *pix_encoder_fingerprint(const pix_encoder *encoder) {
    return pix_model_fingerprint(encoder->model);
}

static pix_precision precision_of(const pix_encoder *encoder) {
    return pix_precision_or(encoder->options->precision, pix_model_precision(encoder->model));
}

const char *pix_encoder_precision(const pix_encoder *encoder) {
    return pix_precision_name(precision_of(encoder));
}

bool pix_encoder_has_own_vocabulary(const pix_encoder *encoder) {
    return encoder->options->vocabulary != NULL;
}

static pix_status need_session(pix_encoder *encoder, pix_error *error) {
    if (encoder->session)
        return PIX_OK;
    return pix_session_new(encoder->model, precision_of(encoder), encoder->max_pictures,
                           encoder->options->threads, &encoder->session, error);
}

static pix_status need_tokenizer(pix_encoder *encoder, const pix_tokenizer **out,
                                 pix_error *error) {
    *out = NULL;
    const char *path = encoder->options->vocabulary;
    if (!path) {
        const char *why = NULL;
        if (!pix_model_has_text(encoder->model, &why))
            return pix_fail(error, PIX_EUNSUPPORTED, "%s", why);
        return pix_model_tokenizer(encoder->model, out, error);
    }
    if (!encoder->vocabulary) {
        pix_status status = pix_query_vocabulary_open(
            path, (size_t)pix_clip_token_count(encoder->config), &encoder->vocabulary, error);
        if (status)
            return status;
    }
    *out = encoder->vocabulary;
    return PIX_OK;
}

pix_status pix_encoder_tokens(pix_encoder *encoder, const char *text, size_t size, pix_ids *ids,
                              pix_text_cut *cut, pix_error *error) {
    const pix_tokenizer *tokenizer;
    if (!encoder->options->vocabulary && pix_backend_tokens(encoder->backend, text, size, ids, cut))
        return PIX_OK;
    pix_status status = need_tokenizer(encoder, &tokenizer, error);
    return status ? status
                  : pix_text_tokens(tokenizer, (size_t)encoder->config->context_length, text, size,
                                    ids, cut, error);
}

pix_status pix_encoder_texts(pix_encoder *encoder, const pix_ids *texts, size_t count,
                             float *vectors, pix_error *error) {
    size_t dimension = pix_encoder_dimension(encoder);
    if (pix_backend_texts(encoder->backend, texts, count, vectors))
        return PIX_OK;
    pix_status status = need_session(encoder, error);
    if (!status)
        status = pix_session_encode_texts(encoder->session, texts, count, vectors, error);
    for (size_t i = 0; i < count && !status; i++)
        status = pix_normalise(vectors + i * dimension, dimension, error);
    return status;
}

static pix_status encode_words_here(pix_encoder *encoder, const pix_list *texts, pix_ids *ids,
                                    float *vectors, pix_text_cut *cuts, pix_error *error) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < texts->count && !status; i++) {
        const char *text = texts->entries[i].text;
        status = pix_encoder_tokens(encoder, text, strlen(text), &ids[i], &cuts[i], error);
    }
    return status ? status : pix_encoder_texts(encoder, ids, texts->count, vectors, error);
}

pix_status pix_encoder_words(pix_encoder *encoder, const pix_list *texts, float *vectors,
                             pix_text_cut *cuts, pix_error *error) {
    if (!encoder->options->vocabulary && pix_backend_words(encoder->backend, texts, vectors, cuts))
        return PIX_OK;
    pix_ids *ids = calloc(texts->count + 1, sizeof *ids);
    pix_status status =
        ids ? encode_words_here(encoder, texts, ids, vectors, cuts, error) : pix_fail_memory(error);
    for (size_t i = 0; ids && i < texts->count; i++)
        pix_ids_free(&ids[i]);
    free(ids);
    return status;
}

pix_status pix_encoder_text(pix_encoder *encoder, const char *text, size_t size, float *vector,
                            pix_text_cut *cut, pix_error *error) {
    pix_status status = pix_encoder_tokens(encoder, text, size, &encoder->ids, cut, error);
    return status ? status : pix_encoder_texts(encoder, &encoder->ids, 1, vector, error);
}

static size_t crop_bytes(const pix_encoder *encoder) {
    size_t side = (size_t)encoder->config->image_size;
    return side * side * 3;
}

static pix_status need_decoder(pix_encoder *encoder, pix_error *error) {
    if (!encoder->rgb) {
        encoder->rgb = calloc((size_t)encoder->max_pictures, crop_bytes(encoder));
        if (!encoder->rgb)
            return pix_fail_memory(error);
    }
    if (encoder->decoder)
        return PIX_OK;
    pix_decode_options decode = {.size = encoder->config->image_size,
                                 .exact = encoder->options->exact,
                                 .ignore_rotation = encoder->options->ignore_rotation};
    return pix_decoder_open(NULL, &decode, &encoder->decoder, error);
}

/* Has the backend encode the picture at the next place of the batch. */
static bool encode_elsewhere(pix_encoder *encoder, int fd) {
    size_t room = (size_t)encoder->max_pictures, dimension = pix_encoder_dimension(encoder);
    if (pix_backend_silence(encoder->backend))
        return false;
    if (!encoder->encoded)
        encoder->encoded = calloc(room * dimension, sizeof *encoder->encoded);
    if (!encoder->is_encoded)
        encoder->is_encoded = calloc(room, sizeof *encoder->is_encoded);
    return encoder->encoded && encoder->is_encoded &&
           pix_backend_picture(encoder->backend, fd, encoder->options->exact,
                               encoder->options->ignore_rotation,
                               encoder->encoded + (size_t)encoder->pictures * dimension);
}

static pix_status decode_here(pix_encoder *encoder, int fd, pix_error *error) {
    pix_photo facts;
    pix_status status = need_decoder(encoder, error);
    if (status)
        return status;
    uint8_t *crop = encoder->rgb + (size_t)encoder->pictures * crop_bytes(encoder);
    return pix_decoder_run(encoder->decoder, fd, crop, &facts, error);
}

pix_status pix_encoder_add_picture(pix_encoder *encoder, const char *path, int *place,
                                   pix_error *error) {
    *place = -1;
    int fd;
    pix_status status = pix_photo_open(path, &fd, error);
    if (status)
        return status;
    bool elsewhere = encode_elsewhere(encoder, fd);
    if (!elsewhere)
        status = decode_here(encoder, fd, error);
    if (encoder->is_encoded)
        encoder->is_encoded[encoder->pictures] = elsewhere;
    (void)close(fd);
    if (!status)
        *place = encoder->pictures++;
    return status;
}

/* What the backend has encoded, and the rest encoded here. */
static pix_status gather(pix_encoder *encoder, int count, float *features, pix_error *error) {
    size_t dimension = pix_encoder_dimension(encoder);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < (size_t)count && !status; i++) {
        float *out = features + i * dimension;
        if (encoder->is_encoded[i])
            memcpy(out, encoder->encoded + i * dimension, dimension * sizeof *out);
        else if (!(status = need_session(encoder, error)))
            status = pix_session_encode_images(
                encoder->session, encoder->rgb + i * crop_bytes(encoder), 1, out, error);
    }
    return status;
}

void pix_encoder_drop_pictures(pix_encoder *encoder) {
    encoder->pictures = 0;
}

pix_status pix_encoder_run_pictures(pix_encoder *encoder, float *features, pix_error *error) {
    int count = encoder->pictures;
    encoder->pictures = 0;
    if (count == 0)
        return PIX_OK;
    if (encoder->is_encoded)
        return gather(encoder, count, features, error);
    pix_status status = need_session(encoder, error);
    if (!status)
        status = pix_session_encode_images(encoder->session, encoder->rgb, count, features, error);
    return status;
}
