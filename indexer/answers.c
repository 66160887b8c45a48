#include "indexer/answers.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/threads.h"
#include "core/clip/library.h"
#include "core/clip/session.h"
#include "core/clip/text_input.h"
#include "core/control/filter.h"
#include "core/image/decoder.h"
#include "indexer/commands.h"
#include "storage/background.h"
#include "storage/vector_index.h"

struct pix_answers {
    const pix_options *options;
    void (*wake)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t asked;
    bool stopping, reloading;
    pix_answer_job *first, **last; /* waiting */
    pix_answer_job *done;

    /* The thread's own, each opened when first needed. */
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
};

pix_answer_job *pix_answer_job_new(void) {
    pix_answer_job *job = calloc(1, sizeof *job);
    if (job)
        job->fd = -1;
    return job;
}

void pix_answer_job_free(pix_answer_job *job) {
    if (!job)
        return;
    pix_request_free(&job->request);
    if (job->fd >= 0)
        close(job->fd);
    free(job->line);
    free(job);
}

static void drop_selection(pix_answers *a) {
    pix_selection_free(a->selection);
    free(a->filter);
    a->selection = NULL;
    a->filter = NULL;
}

static void drop_library(pix_answers *a) {
    free(a->library);
    a->library = NULL;
}

static void close_store(pix_answers *a) {
    drop_selection(a);
    drop_library(a);
    pix_store_close(a->store);
    a->store = NULL;
    a->model_id = 0;
}

static void close_all(pix_answers *a) {
    close_store(a);
    pix_session_free(a->texts);
    pix_session_free(a->pictures);
    pix_decoder_close(a->decoder);
    pix_model_close(a->model);
    a->texts = a->pictures = NULL;
    a->decoder = NULL;
    a->model = NULL;
}

static pix_status need_model(pix_answers *a, pix_error *error) {
    return a->model ? PIX_OK : pix_library_open(a->options->model, &a->model, error);
}

/* An index that is not where it was opened is not what anybody else reads. */
static pix_status need_store(pix_answers *a, pix_error *error) {
    if (a->store && pix_store_place_get(a->store) != PIX_STORE_IN_PLACE)
        close_store(a);
    return a->store ? PIX_OK : pix_command_open_store(a->options, PIX_STORE_READ, &a->store, error);
}

static pix_precision precision_of(const pix_answers *a) {
    return pix_precision_or(a->options->precision, pix_model_precision(a->model));
}

static pix_status need_session(pix_answers *a, pix_session **session, int max_images,
                               pix_error *error) {
    pix_status status = need_model(a, error);
    if (status || *session)
        return status;
    return pix_session_new(a->model, precision_of(a), max_images, pix_cpu_count(), session, error);
}

static pix_status note_model(void *context, const pix_store_model *model) {
    pix_answers *a = context;
    if (strcmp(model->fingerprint, pix_model_fingerprint(a->model)) != 0)
        return PIX_OK;
    a->model_id = model->id;
    a->encoded = model->embeddings;
    return PIX_OK;
}

static void write_library(const pix_answers *a, int64_t photos, const pix_background *background,
                          FILE *out) {
    (void)fputs(",\"generation\":", out);
    pix_json_text(out, a->said_of);
    (void)fprintf(out, ",\"photos\":%" PRId64 ",\"encoded\":%" PRId64 ",\"background\":", photos,
                  a->encoded);
    if (background->vectors > 0) {
        (void)fprintf(out, "{\"vectors\":%" PRId64 ",\"mean\":", background->vectors);
        pix_vector_write(out, background->mean, (size_t)pix_model_config(a->model)->embed_dim,
                         true);
        if (background->has_level)
            (void)fprintf(out, ",\"level\":%.17g", background->level);
        (void)fputc('}', out);
    } else {
        (void)fputs("null", out);
    }
}

/* In the snapshot that is open. */
static pix_status read_library(pix_answers *a, pix_error *error) {
    int64_t photos = 0;
    pix_background background = {0};
    size_t size;
    a->encoded = 0;
    pix_status status = pix_store_generation(a->store, a->said_of, error);
    if (!status)
        status = pix_store_photo_count(a->store, &photos, error);
    if (!status)
        status = pix_store_models(a->store, note_model, a, error);
    if (!status)
        status = pix_store_background_get(
            a->store, a->model_id, pix_model_config(a->model)->embed_dim, &background, error);
    if (status)
        return status;
    FILE *out = open_memstream(&a->library, &size);
    if (out)
        write_library(a, photos, &background, out);
    if (!out || fclose(out)) {
        drop_library(a);
        status = pix_fail_memory(error);
    }
    pix_background_free(&background);
    return status;
}

/* Reads it anew when something was committed since. */
static pix_status need_library(pix_answers *a, pix_error *error) {
    char generation[PIX_GENERATION_SIZE];
    pix_status status = pix_store_generation(a->store, generation, error);
    if (status || (a->library && strcmp(generation, a->said_of) == 0))
        return status;
    drop_library(a);
    status = pix_store_snapshot_begin(a->store, error);
    if (status)
        return status;
    status = read_library(a, error);
    pix_store_snapshot_end(a->store);
    return status;
}

static pix_status need_text(pix_answers *a, pix_error *error) {
    const char *why = NULL;
    pix_status status = need_model(a, error);
    return status || pix_model_has_text(a->model, &why)
               ? status
               : pix_fail(error, PIX_EUNSUPPORTED, "%s", why);
}

static pix_status read_text(pix_answers *a, const pix_bytes *text, pix_ids *ids, pix_text_cut *cut,
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

static pix_status answer_tokenize(pix_answers *a, const pix_request *request, FILE *out,
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
static pix_status check_ids(const pix_answers *a, const pix_request *request, pix_error *error) {
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
static pix_status read_texts(pix_answers *a, const pix_request *request, pix_ids *ids,
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

static pix_status encode_texts(pix_answers *a, const pix_request *request, pix_ids *ids,
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
static pix_status write_texts(pix_answers *a, const pix_request *request, FILE *out,
                              pix_error *error) {
    pix_status status = need_text(a, error);
    if (!status)
        status = need_session(a, &a->texts, 0, error);
    if (status)
        return status;
    size_t count = request->text_count;
    size_t dimension = (size_t)pix_model_config(a->model)->embed_dim;
    pix_ids *ids = calloc(count, sizeof *ids);
    pix_text_cut *cuts = calloc(count, sizeof *cuts);
    float *vectors = calloc(count * dimension, sizeof *vectors);
    status = ids && cuts && vectors ? encode_texts(a, request, ids, cuts, vectors, out, error)
                                    : pix_fail_memory(error);
    for (size_t i = 0; i < count && ids && cuts && request->texts; i++) {
        pix_ids_free(&ids[i]);
        pix_bytes_free(&cuts[i].words);
    }
    free(ids);
    free(cuts);
    free(vectors);
    return status;
}

static pix_status answer_texts(pix_answers *a, const pix_request *request, FILE *out,
                               pix_error *error) {
    (void)fputs("{\"ok\":true", out);
    pix_status status = write_texts(a, request, out, error);
    (void)fputs("}\n", out);
    return status;
}

/* What a client compares before it trusts the rest, and what it need not open the index for; and
 * what it asks for in the same breath, which does without, if need be. */
static pix_status answer_hello(pix_answers *a, const pix_request *request, FILE *out,
                               pix_error *error) {
    struct stat info = {0};
    char *path = pix_command_store_path(a->options, error);
    if (!path)
        return error->status;
    /* First what is there: one put in its place meanwhile is not what the client finds. */
    pix_status status = stat(path, &info) ? pix_fail_errno(error, "%s", path) : PIX_OK;
    free(path);
    if (!status)
        status = need_model(a, error);
    if (!status)
        status = need_store(a, error);
    if (!status)
        status = need_library(a, error);
    if (status)
        return status;
    (void)fprintf(out, "{\"ok\":true,\"protocol\":%d,\"version\":\"" PIX_VERSION "\"",
                  PIX_PROTOCOL);
    (void)fprintf(out, ",\"database\":{\"device\":%" PRIu64 ",\"inode\":%" PRIu64 "}",
                  (uint64_t)info.st_dev, (uint64_t)info.st_ino);
    (void)fputs(",\"model\":", out);
    pix_json_text(out, pix_model_name(a->model));
    (void)fprintf(out, ",\"fingerprint\":\"%s\",\"dimension\":%d,\"precision\":\"%s\"",
                  pix_model_fingerprint(a->model), pix_model_config(a->model)->embed_dim,
                  pix_precision_name(precision_of(a)));
    (void)fputs(a->library, out);
    if (request->text_count > 0)
        (void)write_texts(a, request, out, error);
    (void)fputs("}\n", out);
    return PIX_OK;
}

static pix_status need_decoder(pix_answers *a, const pix_request *request, pix_error *error) {
    pix_decode_options wanted = {.size = pix_model_config(a->model)->image_size,
                                 .exact = request->exact,
                                 .ignore_rotation = request->ignore_rotation};
    if (a->decoder && (a->decoding.exact != wanted.exact ||
                       a->decoding.ignore_rotation != wanted.ignore_rotation)) {
        pix_decoder_close(a->decoder);
        a->decoder = NULL;
    }
    a->decoding = wanted;
    return a->decoder ? PIX_OK : pix_decoder_open(NULL, &wanted, &a->decoder, error);
}

static pix_status decode_and_encode(pix_answers *a, int fd, uint8_t *crop, float *features,
                                    pix_error *error) {
    pix_photo facts;
    pix_status status = pix_decoder_run(a->decoder, fd, crop, &facts, error);
    return status ? status : pix_session_encode_images(a->pictures, crop, 1, features, error);
}

static pix_status answer_image(pix_answers *a, const pix_answer_job *job, FILE *out,
                               pix_error *error) {
    struct stat info;
    if (job->fd < 0 || fstat(job->fd, &info) || !S_ISREG(info.st_mode))
        return pix_fail(error, PIX_EINVALID, "no descriptor of a regular file came along");
    pix_status status = need_session(a, &a->pictures, 1, error);
    if (!status)
        status = need_decoder(a, &job->request, error);
    if (status)
        return status;
    const pix_clip_config *config = pix_model_config(a->model);
    size_t side = (size_t)config->image_size, dimension = (size_t)config->embed_dim;
    uint8_t *crop = calloc(side * side, 3);
    float *features = calloc(dimension, sizeof *features);
    status = crop && features ? decode_and_encode(a, job->fd, crop, features, error)
                              : pix_fail_memory(error);
    if (!status) {
        (void)fputs("{\"ok\":true,", out);
        write_vectors(out, features, 1, dimension, job->request.packed);
        (void)fputs("}\n", out);
    }
    free(crop);
    free(features);
    return status;
}

static void write_hits(FILE *out, const pix_request *request, const pix_hit *hits,
                       const size_t *counts, const pix_search_report *report) {
    (void)fputs("{\"ok\":true,\"hits\":[", out);
    for (size_t i = 0; i < request->vector_count; i++) {
        (void)fputs(i > 0 ? ",[" : "[", out);
        const pix_hit *best = hits + i * (size_t)request->k;
        for (size_t k = 0; k < counts[i]; k++)
            (void)fprintf(out, "%s[%" PRId64 ",%.17g]", k > 0 ? "," : "", best[k].image_id,
                          best[k].score);
        (void)fputc(']', out);
    }
    (void)fprintf(out,
                  "],\"bytes\":%" PRId64 ",\"rescored\":%" PRId64 ",\"used_cache\":%s"
                  ",\"uncached\":%" PRId64 ",\"damaged\":%" PRId64 ",\"kernels\":",
                  report->bytes, report->rescored, report->used_cache ? "true" : "false",
                  report->uncached, report->damaged);
    pix_json_text(out, report->kernels);
    (void)fprintf(out, ",\"trouble_code\":%d,\"trouble\":", report->trouble.status);
    pix_json_text(out, report->trouble.status ? report->trouble.text : NULL);
}

static void write_fact(FILE *out, const char *key, const char *text) {
    if (!text)
        return;
    (void)fputc(',', out);
    pix_json_bytes(out, key, text, strlen(text));
}

static void write_photo(FILE *out, const pix_photo_row *photo) {
    (void)fprintf(out, "{\"id\":%" PRId64 ",\"content\":%" PRId64 ",", photo->id,
                  photo->content_id);
    pix_json_bytes(out, "path", photo->path, photo->path_size);
    (void)fprintf(out, ",\"width\":%" PRId32 ",\"height\":%" PRId32, photo->width, photo->height);
    write_fact(out, "format", photo->format);
    write_fact(out, "taken", photo->taken_at);
    write_fact(out, "camera", photo->camera);
    if (photo->has_location)
        (void)fprintf(out, ",\"latitude\":%.17g,\"longitude\":%.17g", photo->latitude,
                      photo->longitude);
    (void)fputc('}', out);
}

static pix_status write_photos(pix_answers *a, const pix_request *request, FILE *out,
                               const pix_hit *hits, const size_t *counts, pix_error *error) {
    pix_status status = PIX_OK;
    bool first = true;
    (void)fputs(",\"photos\":[", out);
    for (size_t i = 0; i < request->vector_count; i++)
        for (size_t k = 0; k < counts[i] && k < (size_t)request->photos && !status; k++) {
            pix_photo_row photo;
            status = pix_store_photo_get(a->store, hits[i * (size_t)request->k + k].image_id,
                                         &photo, error);
            if (status)
                break;
            (void)fputs(first ? "" : ",", out);
            write_photo(out, &photo);
            first = false;
        }
    (void)fputs("]", out);
    return status;
}

static pix_status need_index(pix_answers *a, pix_error *error) {
    pix_status status = need_model(a, error);
    if (!status)
        status = need_store(a, error);
    if (!status && a->model_id == 0)
        status = pix_store_models(a->store, note_model, a, error);
    if (!status && a->model_id == 0)
        status = pix_fail(error, PIX_EMISMATCH, "no photo has a vector of this model");
    return status;
}

/* In the snapshot that is open.  People ask several times with the same filter, so what passes it
 * is kept until something is committed. */
static pix_status need_selection(pix_answers *a, const pix_filter *filter, pix_error *error) {
    char *text = NULL;
    size_t size;
    char generation[PIX_GENERATION_SIZE];
    FILE *out = open_memstream(&text, &size);
    if (out)
        pix_filter_write(out, filter);
    pix_status status = out && fclose(out) == 0 ? pix_store_generation(a->store, generation, error)
                                                : pix_fail_memory(error);
    if (status ||
        (a->selection && strcmp(generation, a->generation) == 0 && strcmp(text, a->filter) == 0)) {
        free(text);
        return status;
    }
    drop_selection(a);
    memcpy(a->generation, generation, sizeof generation);
    a->filter = text;
    return pix_selection_new(a->store, a->model_id, filter, &a->selection, error);
}

static pix_status answer_select(pix_answers *a, const pix_request *request, FILE *out,
                                pix_error *error) {
    pix_status status =
        request->filter ? need_index(a, error) : pix_fail(error, PIX_EFORMAT, "there is no filter");
    if (!status)
        status = pix_store_snapshot_begin(a->store, error);
    if (status)
        return status;
    status = need_selection(a, request->filter, error);
    pix_store_snapshot_end(a->store);
    if (!status)
        (void)fprintf(out,
                      "{\"ok\":true,\"photos\":%" PRId64 ",\"vectors\":%" PRId64
                      ",\"undated\":%" PRId64 "}\n",
                      pix_selection_images(a->selection), pix_selection_embeddings(a->selection),
                      pix_selection_undated(a->selection));
    return status;
}

/* In the snapshot that is open. */
static pix_status find(pix_answers *a, const pix_request *request, pix_hit *hits, size_t *counts,
                       FILE *out, pix_error *error) {
    pix_vector_query query = {.model_id = a->model_id,
                              .vectors = request->vectors,
                              .count = request->vector_count,
                              .dimension = request->dimension,
                              .k = (size_t)request->k};
    pix_search_report report = {0};
    pix_status status = request->filter ? need_selection(a, request->filter, error) : PIX_OK;
    if (request->filter)
        query.selection = a->selection;
    if (!status)
        status = pix_vector_index_search(a->store, &query, hits, counts, &report, error);
    if (status)
        return status;
    write_hits(out, request, hits, counts, &report);
    if (request->photos > 0)
        status = write_photos(a, request, out, hits, counts, error);
    (void)fputs("}\n", out);
    return status;
}

/* Filter, search and photos are of one state of the index. */
static pix_status answer_search(pix_answers *a, const pix_request *request, FILE *out,
                                pix_error *error) {
    pix_status status = need_index(a, error);
    if (status)
        return status;
    pix_hit *hits = calloc(request->vector_count * (size_t)request->k, sizeof *hits);
    size_t *counts = calloc(request->vector_count, sizeof *counts);
    status = hits && counts ? pix_store_snapshot_begin(a->store, error) : pix_fail_memory(error);
    if (!status) {
        status = find(a, request, hits, counts, out, error);
        pix_store_snapshot_end(a->store);
    }
    free(hits);
    free(counts);
    return status;
}

static pix_status compute(pix_answers *a, const pix_answer_job *job, FILE *out, pix_error *error) {
    switch (job->request.call) {
    case PIX_CALL_HELLO:
        return answer_hello(a, &job->request, out, error);
    case PIX_CALL_TOKENIZE:
        return answer_tokenize(a, &job->request, out, error);
    case PIX_CALL_ENCODE_TEXT:
        return answer_texts(a, &job->request, out, error);
    case PIX_CALL_ENCODE_IMAGE:
        return answer_image(a, job, out, error);
    case PIX_CALL_SELECT:
        return answer_select(a, &job->request, out, error);
    case PIX_CALL_SEARCH:
        return answer_search(a, &job->request, out, error);
    case PIX_CALL_STATUS:
    case PIX_CALL_PAUSE:
    case PIX_CALL_RESUME:
    case PIX_CALL_RESCAN:
    case PIX_CALL_FORGET:
    case PIX_CALL_MOVE:
    case PIX_CALL_APPROVE:
    case PIX_CALL_RETRY:
        break; /* the loop's, or the scanner's */
    }
    return pix_fail(error, PIX_EINVALID, "nothing to compute");
}

static bool end_line(pix_answer_job *job, FILE *out) {
    if (out && fclose(out) == 0)
        return true;
    free(job->line);
    job->line = NULL;
    return false;
}

/* An error takes the place of what was written of the answer before it. */
static void answer(pix_answers *a, pix_answer_job *job) {
    pix_error error;
    FILE *out = open_memstream(&job->line, &job->size);
    pix_status status = out ? compute(a, job, out, &error) : PIX_OK;
    if (!end_line(job, out) || !status)
        return;
    free(job->line);
    out = open_memstream(&job->line, &job->size);
    if (out)
        pix_answer_error(out, &error);
    (void)end_line(job, out);
}

static void *work(void *context) {
    pix_answers *a = context;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->stopping && !a->reloading && !a->first)
            pthread_cond_wait(&a->asked, &a->lock);
        if (a->stopping)
            break;
        pix_answer_job *job = a->first;
        bool reload = a->reloading;
        a->reloading = false;
        if (job && !(a->first = job->next))
            a->last = &a->first;
        pthread_mutex_unlock(&a->lock);
        if (reload)
            close_all(a);
        if (job)
            answer(a, job);
        pthread_mutex_lock(&a->lock);
        if (job) {
            job->next = a->done;
            a->done = job;
            a->wake(a->context);
        }
    }
    pthread_mutex_unlock(&a->lock);
    close_all(a);
    return NULL;
}

pix_status pix_answers_start(const pix_options *options, void (*wake)(void *context), void *context,
                             pix_answers **out, pix_error *error) {
    *out = NULL;
    pix_answers *a = calloc(1, sizeof *a);
    if (!a)
        return pix_fail_memory(error);
    a->options = options;
    a->wake = wake;
    a->context = context;
    a->last = &a->first;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->asked, NULL);
    int cause = pthread_create(&a->thread, NULL, work, a);
    if (!cause) {
        *out = a;
        return PIX_OK;
    }
    pthread_cond_destroy(&a->asked);
    pthread_mutex_destroy(&a->lock);
    free(a);
    errno = cause;
    return pix_fail_errno(error, "cannot start a thread");
}

static void free_jobs(pix_answer_job *first) {
    while (first) {
        pix_answer_job *next = first->next;
        pix_answer_job_free(first);
        first = next;
    }
}

void pix_answers_close(pix_answers *a) {
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
    (void)pthread_join(a->thread, NULL);
    free_jobs(a->first);
    free_jobs(a->done);
    pthread_cond_destroy(&a->asked);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void pix_answers_submit(pix_answers *a, pix_answer_job *job) {
    pthread_mutex_lock(&a->lock);
    job->next = NULL;
    *a->last = job;
    a->last = &job->next;
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
}

void pix_answers_withdraw(pix_answers *a, int64_t asker) {
    pix_answer_job *dropped = NULL;
    pthread_mutex_lock(&a->lock);
    for (pix_answer_job **link = &a->first; *link && !dropped; link = &(*link)->next) {
        if ((*link)->asker != asker)
            continue;
        dropped = *link;
        if (!(*link = dropped->next))
            a->last = link;
        break;
    }
    pthread_mutex_unlock(&a->lock);
    pix_answer_job_free(dropped);
}

pix_answer_job *pix_answers_collect(pix_answers *a) {
    pthread_mutex_lock(&a->lock);
    pix_answer_job *job = a->done;
    if (job)
        a->done = job->next;
    pthread_mutex_unlock(&a->lock);
    return job;
}

void pix_answers_reload(pix_answers *a) {
    pthread_mutex_lock(&a->lock);
    a->reloading = true;
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
}
