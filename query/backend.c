#include "query/backend.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "core/control/connect.h"
#include "core/control/filter.h"
#include "core/control/protocol.h"

/* The first answer may wait for the daemon to open the model, or for what it computes for others;
 * none is waited for longer than it would take here. */
enum { HELLO_MS = 3000, ANSWER_MS = 20000, TEXTS_AT_ONCE = 256 };

/* Photos that come described with the hits of a search, of each vector: a first page. */
enum { PHOTOS = 16 };

/* Hits that hello asks for, at most: how many photos there are is known only then. */
enum { AHEAD = 1000 };

struct pix_backend {
    pix_channel channel;
    bool connected, agreed;
    size_t dimension;
    char *line; /* the request at hand */
    size_t size;
    char *early;    /* the request that hello made, too; NULL: none */
    size_t ahead;   /* of the vector of its text, so many hits; 0: no search */
    json_t *hello;  /* what it said */
    json_t *photos; /* of the last search */
    pix_bytes path, format, taken, camera;
    char kernels[64];
    pix_error silence, refusal;
};

/* From now on there is no answer. */
static void give_up(pix_backend *backend, const pix_error *why) {
    if (backend->connected)
        pix_channel_close(&backend->channel);
    backend->connected = false;
    backend->silence = *why;
}

/* Begins a request, which the caller writes. */
static FILE *begin(pix_backend *backend) {
    free(backend->line);
    backend->line = NULL;
    return open_memstream(&backend->line, &backend->size);
}

static pix_status end(FILE *request, pix_error *error) {
    return request && fclose(request) == 0 ? PIX_OK : pix_fail_memory(error);
}

/* Waits for a line of answer; NULL without one.  A request that is refused, as that of a broken
 * picture, is no trouble with the daemon; what is no answer at all is. */
static json_t *hear(pix_backend *backend, int timeout_ms) {
    static const char refused[] = "{\"ok\":false,";
    pix_error error = {0};
    const char *text;
    size_t size;
    json_t *answer = NULL;
    pix_status status = pix_channel_wait(&backend->channel, timeout_ms, &text, &size, &error);
    if (!status && (status = pix_answer_parse(text, size, &answer, &error)) &&
        strncmp(text, refused, sizeof refused - 1) == 0) {
        backend->refusal = error;
        return NULL;
    }
    if (status)
        give_up(backend, &error);
    return answer;
}

/* Ends and sends a request, unless it was made with hello; the answer is the caller's reference,
 * NULL without one. */
static json_t *ask(pix_backend *backend, FILE *request, int fd) {
    pix_error error = {0};
    pix_status status = end(request, &error);
    if (!status && backend->early && strcmp(backend->early, backend->line) == 0 &&
        json_object_get(backend->hello, "vectors"))
        return json_incref(backend->hello);
    if (!status)
        status = pix_channel_send(&backend->channel, backend->line, backend->size, fd, ANSWER_MS,
                                  &error);
    if (status)
        give_up(backend, &error);
    return status ? NULL : hear(backend, ANSWER_MS);
}

/* The end of a call: whether the answer was what it must be. */
static bool conclude(pix_backend *backend, json_t *answer, pix_status status,
                     const pix_error *error) {
    json_decref(answer);
    if (status)
        give_up(backend, error);
    return !status;
}

static bool answers(const pix_backend *backend) {
    return backend && backend->connected && backend->agreed;
}

static pix_status compare_text(const json_t *answer, const char *key, const char *own,
                               pix_error *error) {
    const char *other = pix_answer_text(answer, key);
    return strcmp(other, own) == 0
               ? PIX_OK
               : pix_fail(error, PIX_EMISMATCH, "its %s is another: %s", key, other);
}

static pix_status compare(const json_t *answer, const pix_backend_wish *wish, pix_error *error) {
    struct stat info;
    const json_t *database = json_object_get(answer, "database");
    if (stat(wish->database, &info) ||
        (uint64_t)json_integer_value(json_object_get(database, "device")) !=
            (uint64_t)info.st_dev ||
        (uint64_t)json_integer_value(json_object_get(database, "inode")) != (uint64_t)info.st_ino)
        return pix_fail(error, PIX_EMISMATCH, "it keeps another index");
    pix_status status = compare_text(answer, "version", PIX_VERSION, error);
    if (!status)
        status = compare_text(answer, "fingerprint", wish->fingerprint, error);
    if (!status)
        status = compare_text(answer, "precision", wish->precision, error);
    return status;
}

static void write_words(FILE *out, const pix_list *texts, size_t first, size_t count) {
    (void)fputs(",\"packed\":true,\"texts\":[", out);
    for (size_t i = 0; i < count; i++) {
        const char *text = texts->entries[first + i].text;
        (void)fputs(i > 0 ? ",{" : "{", out);
        pix_json_bytes(out, "text", text, strlen(text));
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

/* Writes a request for the vectors of words. */
static void write_encode(FILE *out, const pix_list *texts, size_t first, size_t count) {
    (void)fputs("{\"call\":\"encode_text\"", out);
    write_words(out, texts, first, count);
    (void)fputs("}\n", out);
}

/* Keeps the request that hello makes in one, too. */
static pix_status foresee(pix_backend *backend, const pix_list *texts, size_t count,
                          pix_error *error) {
    size_t size;
    FILE *request = open_memstream(&backend->early, &size);
    if (request)
        write_encode(request, texts, 0, count);
    return end(request, error);
}

/* Says hello and, in the same breath, asks for what will be wanted. */
static void greet(pix_backend *backend, const pix_list *texts, size_t k) {
    size_t count = texts ? texts->count : 0;
    pix_error error = {0};
    FILE *request = begin(backend);
    if (count > TEXTS_AT_ONCE)
        count = TEXTS_AT_ONCE;
    backend->ahead = count == 1 && k <= AHEAD ? k : 0;
    if (request)
        (void)fprintf(request, "{\"call\":\"hello\",\"protocol\":%d", PIX_PROTOCOL);
    if (request && count > 0)
        write_words(request, texts, 0, count);
    if (request && backend->ahead > 0)
        (void)fprintf(request, ",\"search\":{\"k\":%zu,\"photos\":%d}", backend->ahead, PHOTOS);
    if (request)
        (void)fputs("}\n", request);
    pix_status status = end(request, &error);
    if (!status && count > 0)
        status = foresee(backend, texts, count, &error);
    if (!status)
        status =
            pix_channel_send(&backend->channel, backend->line, backend->size, -1, HELLO_MS, &error);
    if (status)
        give_up(backend, &error);
}

pix_backend *pix_backend_none(const char *reason) {
    pix_backend *backend = calloc(1, sizeof *backend);
    if (backend)
        (void)pix_fail(&backend->silence, PIX_ENOTFOUND, "%s", reason);
    return backend;
}

pix_backend *pix_backend_open(const pix_list *texts, size_t k) {
    pix_backend *backend = calloc(1, sizeof *backend);
    if (!backend)
        return NULL;
    backend->connected = !pix_control_connect(&backend->channel, &backend->silence);
    if (backend->connected)
        greet(backend, texts, k);
    return backend;
}

void pix_backend_agree(pix_backend *backend, const pix_backend_wish *wish) {
    pix_error error = {0};
    if (!backend || !backend->connected)
        return;
    backend->dimension = (size_t)wish->dimension;
    json_t *answer = hear(backend, HELLO_MS);
    backend->hello = json_incref(answer);
    if (answer)
        backend->agreed = conclude(backend, answer, compare(answer, wish, &error), &error);
    else if (backend->connected)
        give_up(backend, &backend->refusal);
}

/* None is complete, too. */
static bool read_background(const json_t *object, size_t dimension, pix_background *out) {
    const json_t *level = json_object_get(object, "level");
    *out = (pix_background){.vectors = json_integer_value(json_object_get(object, "vectors")),
                            .has_level = json_is_number(level),
                            .level = json_number_value(level)};
    if (json_is_null(object))
        return true;
    out->mean = calloc(dimension, sizeof *out->mean);
    bool fits = out->mean && out->vectors > 0 &&
                !pix_answer_vector(json_object_get(object, "mean"), out->mean, dimension, NULL);
    if (!fits)
        pix_background_free(out);
    return fits;
}

bool pix_backend_library(const pix_backend *backend, int64_t *photos, pix_background *background) {
    int64_t encoded;
    return answers(backend) && !pix_answer_integer(backend->hello, "photos", photos, NULL) &&
           !pix_answer_integer(backend->hello, "encoded", &encoded, NULL) && *photos > 0 &&
           *photos == encoded &&
           read_background(json_object_get(backend->hello, "background"), backend->dimension,
                           background);
}

void pix_backend_compare(pix_backend *backend, const char *generation) {
    pix_error error;
    if (answers(backend) && compare_text(backend->hello, "generation", generation, &error))
        give_up(backend, &error);
}

void pix_backend_close(pix_backend *backend) {
    if (!backend)
        return;
    if (backend->connected)
        pix_channel_close(&backend->channel);
    free(backend->line);
    free(backend->early);
    json_decref(backend->hello);
    json_decref(backend->photos);
    pix_bytes_free(&backend->path);
    pix_bytes_free(&backend->format);
    pix_bytes_free(&backend->taken);
    pix_bytes_free(&backend->camera);
    free(backend);
}

const char *pix_backend_silence(const pix_backend *backend) {
    return !backend ? "memory is out" : backend->connected ? NULL : backend->silence.text;
}

static pix_status read_tokens(const json_t *answer, pix_ids *ids, pix_text_cut *cut,
                              pix_error *error) {
    const json_t *list = json_object_get(answer, "ids");
    size_t count = json_array_size(list);
    int64_t dropped;
    pix_status status = pix_answer_integer(answer, "cut", &dropped, error);
    if (!status)
        status = pix_answer_bytes(answer, "cut_words", &cut->words, error);
    if (status)
        return status;
    int32_t *data = pix_array_reserve(ids->data, &ids->capacity, 0, count, sizeof *data);
    if (!data || dropped < 0)
        return pix_fail_memory(error);
    ids->data = data;
    ids->count = count;
    cut->count = (size_t)dropped;
    for (size_t i = 0; i < count; i++)
        ids->data[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return PIX_OK;
}

bool pix_backend_tokens(pix_backend *backend, const char *text, size_t size, pix_ids *ids,
                        pix_text_cut *cut) {
    pix_error error = {0};
    if (!answers(backend))
        return false;
    FILE *request = begin(backend);
    if (request) {
        (void)fputs("{\"call\":\"tokenize\",", request);
        pix_json_bytes(request, "text", text, size);
        (void)fputs("}\n", request);
    }
    json_t *answer = ask(backend, request, -1);
    return answer && conclude(backend, answer, read_tokens(answer, ids, cut, &error), &error);
}

static pix_status read_vectors(const json_t *answer, size_t count, size_t dimension, float *vectors,
                               pix_error *error) {
    const json_t *list = json_object_get(answer, "vectors");
    if (json_array_size(list) != count)
        return pix_fail(error, PIX_EFORMAT, "%zu vectors instead of %zu", json_array_size(list),
                        count);
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count && !status; i++)
        status =
            pix_answer_vector(json_array_get(list, i), vectors + i * dimension, dimension, error);
    return status;
}

static pix_status read_cuts(const json_t *answer, size_t count, pix_text_cut *cuts,
                            pix_error *error) {
    const json_t *list = json_object_get(answer, "texts");
    pix_status status = PIX_OK;
    for (size_t i = 0; i < count && !status; i++) {
        const json_t *text = json_array_get(list, i);
        int64_t dropped;
        status = pix_answer_integer(text, "cut", &dropped, error);
        if (!status)
            status = pix_answer_bytes(text, "cut_words", &cuts[i].words, error);
        cuts[i].count = dropped > 0 ? (size_t)dropped : 0;
    }
    return status;
}

static bool encode_words(pix_backend *backend, const pix_list *texts, size_t first, size_t count,
                         float *vectors, pix_text_cut *cuts) {
    pix_error error = {0};
    FILE *request = begin(backend);
    if (request)
        write_encode(request, texts, first, count);
    json_t *answer = ask(backend, request, -1);
    if (!answer)
        return false;
    pix_status status = read_cuts(answer, count, cuts, &error);
    if (!status)
        status = read_vectors(answer, count, backend->dimension, vectors, &error);
    return conclude(backend, answer, status, &error);
}

bool pix_backend_words(pix_backend *backend, const pix_list *texts, float *vectors,
                       pix_text_cut *cuts) {
    bool done = answers(backend);
    for (size_t first = 0; first < texts->count && done; first += TEXTS_AT_ONCE) {
        size_t left = texts->count - first, some = left < TEXTS_AT_ONCE ? left : TEXTS_AT_ONCE;
        done = encode_words(backend, texts, first, some, vectors + first * backend->dimension,
                            cuts + first);
    }
    return done;
}

static bool encode_some(pix_backend *backend, const pix_ids *texts, size_t count, float *vectors) {
    pix_error error = {0};
    FILE *request = begin(backend);
    if (request) {
        (void)fputs("{\"call\":\"encode_text\",\"packed\":true,\"ids\":[", request);
        for (size_t i = 0; i < count; i++) {
            (void)fputs(i > 0 ? "," : "", request);
            pix_json_ids(request, texts[i].data, texts[i].count);
        }
        (void)fputs("]}\n", request);
    }
    json_t *answer = ask(backend, request, -1);
    return answer &&
           conclude(backend, answer,
                    read_vectors(answer, count, backend->dimension, vectors, &error), &error);
}

bool pix_backend_texts(pix_backend *backend, const pix_ids *texts, size_t count, float *vectors) {
    bool done = answers(backend);
    for (size_t first = 0; first < count && done; first += TEXTS_AT_ONCE) {
        size_t some = count - first < TEXTS_AT_ONCE ? count - first : TEXTS_AT_ONCE;
        done = encode_some(backend, texts + first, some, vectors + first * backend->dimension);
    }
    return done;
}

bool pix_backend_picture(pix_backend *backend, int fd, bool exact, bool ignore_rotation,
                         float *features) {
    pix_error error = {0};
    if (!answers(backend))
        return false;
    FILE *request = begin(backend);
    if (request)
        (void)fprintf(request,
                      "{\"call\":\"encode_image\",\"packed\":true,\"exact\":%s,"
                      "\"ignore_rotation\":%s}\n",
                      exact ? "true" : "false", ignore_rotation ? "true" : "false");
    json_t *answer = ask(backend, request, fd);
    return answer &&
           conclude(backend, answer, read_vectors(answer, 1, backend->dimension, features, &error),
                    &error);
}

static pix_status read_hits(const json_t *list, size_t k, pix_hit *hits, size_t *count,
                            pix_error *error) {
    *count = json_array_size(list);
    if (!json_is_array(list) || *count > k)
        return pix_fail(error, PIX_EFORMAT, "not a list of up to %zu hits", k);
    for (size_t i = 0; i < *count; i++) {
        const json_t *hit = json_array_get(list, i);
        const json_t *id = json_array_get(hit, 0), *score = json_array_get(hit, 1);
        if (!json_is_integer(id) || !json_is_number(score))
            return pix_fail(error, PIX_EFORMAT, "a hit is [id,score]");
        hits[i] = (pix_hit){.image_id = json_integer_value(id), .score = json_number_value(score)};
    }
    return PIX_OK;
}

static pix_status read_answers(pix_backend *backend, const json_t *answer, size_t count, size_t k,
                               pix_hit *hits, size_t *counts, pix_search_report *report,
                               pix_error *error) {
    const json_t *list = json_object_get(answer, "hits");
    int64_t code = 0;
    pix_status status = PIX_OK;
    if (json_array_size(list) != count)
        return pix_fail(error, PIX_EFORMAT, "not %zu lists of hits", count);
    for (size_t i = 0; i < count && !status; i++)
        status = read_hits(json_array_get(list, i), k, hits + i * k, &counts[i], error);
    if (!status)
        status = pix_answer_integer(answer, "trouble_code", &code, error);
    if (status)
        return status;
    *report =
        (pix_search_report){.bytes = json_integer_value(json_object_get(answer, "bytes")),
                            .rescored = json_integer_value(json_object_get(answer, "rescored")),
                            .used_cache = json_is_true(json_object_get(answer, "used_cache")),
                            .uncached = json_integer_value(json_object_get(answer, "uncached")),
                            .damaged = json_integer_value(json_object_get(answer, "damaged"))};
    if (json_is_string(json_object_get(answer, "kernels"))) {
        (void)snprintf(backend->kernels, sizeof backend->kernels, "%s",
                       pix_answer_text(answer, "kernels"));
        report->kernels = backend->kernels;
    }
    if (pix_status_is_failure(code))
        (void)pix_fail(&report->trouble, (pix_status)code, "%s",
                       pix_answer_text(answer, "trouble"));
    return PIX_OK;
}

static pix_status read_selected(const json_t *answer, pix_selected *out, pix_error *error) {
    pix_status status = pix_answer_integer(answer, "photos", &out->photos, error);
    if (!status)
        status = pix_answer_integer(answer, "vectors", &out->vectors, error);
    return status ? status : pix_answer_integer(answer, "undated", &out->undated, error);
}

bool pix_backend_select(pix_backend *backend, const pix_filter *filter, pix_selected *out) {
    pix_error error = {0};
    if (!answers(backend))
        return false;
    FILE *request = begin(backend);
    if (request) {
        (void)fputs("{\"call\":\"select\",\"filter\":", request);
        pix_filter_write(request, filter);
        (void)fputs("}\n", request);
    }
    json_t *answer = ask(backend, request, -1);
    return answer && conclude(backend, answer, read_selected(answer, out, &error), &error);
}

/* The search that hello made, too, the caller's reference, if it is this one: for the same vector,
 * and no more hits than wanted, or all there are; else NULL. */
static json_t *found_ahead(const pix_backend *backend, const float *vector, size_t k) {
    json_t *found = json_object_get(backend->hello, "search");
    const size_t dimension = backend->dimension;
    if (!found || k > backend->ahead ||
        json_array_size(json_array_get(json_object_get(found, "hits"), 0)) > k)
        return NULL;
    float *own = calloc(dimension, sizeof *own);
    bool same = own && !read_vectors(backend->hello, 1, dimension, own, NULL) &&
                memcmp(own, vector, dimension * sizeof *own) == 0;
    free(own);
    return same ? json_incref(found) : NULL;
}

static json_t *ask_for_best(pix_backend *backend, const float *vectors, size_t count, size_t k,
                            const pix_filter *filter) {
    FILE *request = begin(backend);
    if (request) {
        (void)fputs("{\"call\":\"search\",\"vectors\":[", request);
        for (size_t i = 0; i < count; i++) {
            (void)fputs(i > 0 ? "," : "", request);
            pix_vector_write(request, vectors + i * backend->dimension, backend->dimension, true);
        }
        (void)fprintf(request, "],\"k\":%zu,\"photos\":%d", k,
                      count * PHOTOS > PIX_CALL_PHOTOS ? 0 : PHOTOS);
        if (filter) {
            (void)fputs(",\"filter\":", request);
            pix_filter_write(request, filter);
        }
        (void)fputs("}\n", request);
    }
    return ask(backend, request, -1);
}

bool pix_backend_best(pix_backend *backend, const float *vectors, size_t count, size_t k,
                      const pix_filter *filter, pix_hit *hits, size_t *counts,
                      pix_search_report *report) {
    pix_error error = {0};
    if (!answers(backend) || k == 0 || count == 0 || count > PIX_CALL_VECTORS ||
        k > PIX_CALL_HITS / count)
        return false;
    json_decref(backend->photos);
    backend->photos = NULL;
    json_t *answer = count == 1 && !filter ? found_ahead(backend, vectors, k) : NULL;
    if (!answer)
        answer = ask_for_best(backend, vectors, count, k, filter);
    if (!answer)
        return false;
    pix_status status = read_answers(backend, answer, count, k, hits, counts, report, &error);
    backend->photos = json_incref(json_object_get(answer, "photos"));
    return conclude(backend, answer, status, &error);
}

/* A text that may not be there. */
static pix_status read_fact(const json_t *photo, const char *key, const char *coded,
                            pix_bytes *into, const char **out) {
    *out = NULL;
    if (!json_object_get(photo, key) && !json_object_get(photo, coded))
        return PIX_OK;
    pix_status status = pix_answer_bytes(photo, key, into, NULL);
    *out = into->data;
    return status;
}

static int32_t read_side(const json_t *photo, const char *key) {
    json_int_t side = json_integer_value(json_object_get(photo, key));
    return side > 0 && side <= INT32_MAX ? (int32_t)side : 0;
}

static pix_status read_photo(pix_backend *backend, const json_t *photo, pix_photo_row *row) {
    const json_t *latitude = json_object_get(photo, "latitude");
    const json_t *longitude = json_object_get(photo, "longitude");
    *row = (pix_photo_row){.id = json_integer_value(json_object_get(photo, "id")),
                           .content_id = json_integer_value(json_object_get(photo, "content")),
                           .width = read_side(photo, "width"),
                           .height = read_side(photo, "height"),
                           .has_location = json_is_number(latitude) && json_is_number(longitude),
                           .latitude = json_number_value(latitude),
                           .longitude = json_number_value(longitude)};
    pix_status status = pix_answer_bytes(photo, "path", &backend->path, NULL);
    row->path = backend->path.data;
    row->path_size = backend->path.size;
    if (!status)
        status = read_fact(photo, "format", "format_base64", &backend->format, &row->format);
    if (!status)
        status = read_fact(photo, "taken", "taken_base64", &backend->taken, &row->taken_at);
    return status ? status
                  : read_fact(photo, "camera", "camera_base64", &backend->camera, &row->camera);
}

bool pix_backend_photo(pix_backend *backend, int64_t image_id, pix_photo_row *row) {
    for (size_t i = 0; backend && i < json_array_size(backend->photos); i++) {
        const json_t *photo = json_array_get(backend->photos, i);
        const json_t *id = json_object_get(photo, "id");
        if (json_is_integer(id) && json_integer_value(id) == image_id)
            return read_photo(backend, photo, row) == PIX_OK;
    }
    return false;
}
