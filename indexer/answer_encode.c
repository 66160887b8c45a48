/* Words and pictures become vectors. */
#include "indexer/answerer.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/clip/text_input.h"

static pix_status need_session(pix_answerer *a, pix_session **session, int max_images,
                               pix_error *error) {
    pix_status status = pix_answerer_need_model(a, error);
    if (status || *session)
        return status;
    return pix_session_new(a->model, pix_answerer_precision(a), max_images, pix_cpu_count(),
                           session, error);
}

static pix_status need_text(pix_answerer *a, pix_error *error) {
    const char *why = NULL;
    pix_status status = pix_answerer_need_model(a, error);
    return status || pix_model_has_text(a->model, &why)
               ? status
               : pix_fail(error, PIX_EUNSUPPORTED, "%s", why);
}

static pix_status read_text(pix_answerer *a, const pix_bytes *text, pix_ids *ids, pix_text_cut *cut,
                            pix_error *error) {
    const pix_tokenizer *tokenizer;
    pix_status status = pix_model_tokenizer(a->model, &tokenizer, error);
    if (status)
        return status;
    return pix_text_tokens(tokenizer, (size_t)pix_model_config(a->model)->context_length,
                           text->data ? text->data : "", text->size, ids, cut, error);
}

static void write_tokens(FILE *out, const pix_ids *ids, const pix_text_cut *cut) {
    (void)fputs("\"ids\":", out);
    pix_json_ids(out, ids->data, ids->count);
    (void)fprintf(out, ",\"cut\":%zu,", cut->count);
    pix_json_bytes(out, "cut_words", cut->words.data ? cut->words.data : "", cut->words.size);
    (void)fputc('}', out);
}

pix_status pix_answer_tokenize(pix_answerer *a, const pix_request *request, FILE *out,
                               pix_error *error) {
    pix_ids ids = {0};
    pix_text_cut cut = {0};
    pix_status status = need_text(a, error);
    if (!status)
        status = read_text(a, &request->text, &ids, &cut, error);
    if (!status) {
        (void)fputs("{\"ok\":true,", out);
        write_tokens(out, &ids, &cut);
        (void)fputc('\n', out);
    }
    pix_ids_free(&ids);
    pix_bytes_free(&cut.words);
    return status;
}

/* Token ids from elsewhere: the tower reads rows of a table by them. */
static pix_status check_ids(const pix_answerer *a, const pix_request *request, pix_error *error) {
    const pix_clip_config *config = pix_model_config(a->model);
    int64_t known = pix_clip_token_count(config);
    for (size_t i = 0; i < request->text_count; i++)
        for (size_t k = 0; k < request->ids[i].count; k++)
            if (request->ids[i].data[k] >= known)
                return pix_fail(error, PIX_EINVALID, "token id %d is not below %lld",
                                request->ids[i].data[k], (long long)known);
    return PIX_OK;
}

/* The tokens of each text: those that came, borrowed, or those of the words. */
static pix_status read_texts(pix_answerer *a, const pix_request *request, pix_ids *ids,
                             pix_text_cut *cuts, pix_error *error) {
    pix_status status = request->ids ? check_ids(a, request, error) : PIX_OK;
    for (size_t i = 0; i < request->text_count && !status; i++)
        if (request->ids)
            ids[i] = (pix_ids){.data = request->ids[i].data, .count = request->ids[i].count};
        else
            status = read_text(a, &request->texts[i], &ids[i], &cuts[i], error);
    return status;
}

static void write_vectors(FILE *out, const float *vectors, size_t count, size_t dimension,
                          bool packed) {
    (void)fputs("\"vectors\":[", out);
    for (size_t i = 0; i < count; i++) {
        (void)fputs(i > 0 ? "," : "", out);
        pix_vector_write(out, vectors + i * dimension, dimension, packed);
    }
    (void)fputc(']', out);
}

static pix_status encode_texts(pix_answerer *a, const pix_request *request, pix_ids *ids,
                               pix_text_cut *cuts, float *vectors, FILE *out, pix_error *error) {
    size_t count = request->text_count;
    size_t dimension = (size_t)pix_model_config(a->model)->embed_dim;
    pix_status status = read_texts(a, request, ids, cuts, error);
    if (!status)
        status = pix_session_encode_texts(a->texts, ids, count, vectors, error);
    for (size_t i = 0; i < count && !status; i++)
        status = pix_normalise(vectors + i * dimension, dimension, error);
    if (status)
        return status;
    (void)fputc(',', out);
    for (size_t i = 0; i < count && request->texts; i++) {
        (void)fputs(i > 0 ? ",{" : "\"texts\":[{", out);
        write_tokens(out, &ids[i], &cuts[i]);
    }
    (void)fputs(request->texts ? "]," : "", out);
    write_vectors(out, vectors, count, dimension, request->packed);
    return PIX_OK;
}

/* Members of an answer, once all of them are known. */
pix_status pix_answer_write_texts(pix_answerer *a, const pix_request *request, FILE *out,
                                  float **vectors, pix_error *error) {
    *vectors = NULL;
    pix_status status = need_text(a, error);
    if (!status)
        status = need_session(a, &a->texts, 0, error);
    if (status)
        return status;
    size_t count = request->text_count;
    size_t dimension = (size_t)pix_model_config(a->model)->embed_dim;
    pix_ids *ids = calloc(count, sizeof *ids);
    pix_text_cut *cuts = calloc(count, sizeof *cuts);
    *vectors = calloc(count * dimension, sizeof **vectors);
    status = ids && cuts && *vectors ? encode_texts(a, request, ids, cuts, *vectors, out, error)
                                     : pix_fail_memory(error);
    for (size_t i = 0; i < count && ids && cuts && request->texts; i++) {
        pix_ids_free(&ids[i]);
        pix_bytes_free(&cuts[i].words);
    }
    free(ids);
    free(cuts);
    return status;
}

pix_status pix_answer_encode_text(pix_answerer *a, const pix_request *request, FILE *out,
                                  pix_error *error) {
    (void)fputs("{\"ok\":true", out);
    float *vectors;
    pix_status status = pix_answer_write_texts(a, request, out, &vectors, error);
    (void)fputs("}\n", out);
    free(vectors);
    return status;
}

static pix_status need_decoder(pix_answerer *a, const pix_request *request, pix_error *error) {
    pix_decode_options wanted = {.size = pix_model_config(a->model)->image_size,
                                 .exact = request->exact,
                                 .ignore_rotation = request->ignore_rotation,
                                 .stopping = a->unwanted};
    if (a->decoder && (a->decoding.exact != wanted.exact ||
                       a->decoding.ignore_rotation != wanted.ignore_rotation)) {
        pix_decoder_close(a->decoder);
        a->decoder = NULL;
    }
    a->decoding = wanted;
    return a->decoder ? PIX_OK : pix_decoder_open(NULL, &wanted, &a->decoder, error);
}

static pix_status decode_and_encode(pix_answerer *a, int fd, uint8_t *crop, float *features,
                                    pix_error *error) {
    pix_photo facts;
    pix_status status = pix_decoder_run(a->decoder, fd, crop, &facts, error);
    return status ? status : pix_session_encode_images(a->pictures, crop, 1, features, error);
}

pix_status pix_answer_encode_image(pix_answerer *a, const pix_request *request, int fd, FILE *out,
                                   pix_error *error) {
    struct stat info;
    if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode))
        return pix_fail(error, PIX_EINVALID, "no descriptor of a regular file came along");
    pix_status status = need_session(a, &a->pictures, 1, error);
    if (!status)
        status = need_decoder(a, request, error);
    if (status)
        return status;
    const pix_clip_config *config = pix_model_config(a->model);
    size_t side = (size_t)config->image_size, dimension = (size_t)config->embed_dim;
    uint8_t *crop = calloc(side * side, 3);
    float *features = calloc(dimension, sizeof *features);
    status =
        crop && features ? decode_and_encode(a, fd, crop, features, error) : pix_fail_memory(error);
    if (!status) {
        (void)fputs("{\"ok\":true,", out);
        write_vectors(out, features, 1, dimension, request->packed);
        (void)fputs("}\n", out);
    }
    free(crop);
    free(features);
    return status;
}
