#include "core/control/protocol.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/json.h"
#include "core/control/filter.h"

/* Values in one line: a search of many vectors has as many numbers. */
enum { VALUES_LIMIT = 1 << 20, DIMENSION_LIMIT = 65536, IDS_LIMIT = 65536, FOLDERS_LIMIT = 4096 };

char *pix_control_place(void) {
    const char *folder = getenv("XDG_RUNTIME_DIR");
    char *path = NULL;
    if (!folder || folder[0] != '/' || asprintf(&path, "%s/pixgrep.sock", folder) < 0)
        return NULL;
    return path;
}

static pix_status parse(const char *line, size_t size, json_t **out, pix_error *error) {
    *out = NULL;
    if (pix_json_most_values(line, size) > VALUES_LIMIT)
        return pix_fail(error, PIX_ELIMIT, "more than %d values", VALUES_LIMIT);
    json_error_t where;
    *out = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!*out)
        return pix_fail(error, PIX_EFORMAT, "not JSON: %s", where.text);
    if (json_is_object(*out))
        return PIX_OK;
    json_decref(*out);
    *out = NULL;
    return pix_fail(error, PIX_EFORMAT, "not an object");
}

pix_status pix_answer_bytes(const json_t *answer, const char *key, pix_bytes *out,
                            pix_error *error) {
    char other[64];
    (void)snprintf(other, sizeof other, "%s_base64", key);
    const json_t *plain = json_object_get(answer, key), *coded = json_object_get(answer, other);
    pix_status status = PIX_EFORMAT;
    pix_bytes_clear(out);
    if (json_is_string(plain) && !coded)
        status = pix_bytes_append(out, json_string_value(plain), json_string_length(plain));
    else if (json_is_string(coded) && !plain)
        status = pix_base64_read(json_string_value(coded), json_string_length(coded), out);
    if (status == PIX_ENOMEM)
        return pix_fail_memory(error);
    return status ? pix_fail(error, status, "%s is not a text", key) : PIX_OK;
}

pix_status pix_answer_integer(const json_t *answer, const char *key, int64_t *out,
                              pix_error *error) {
    const json_t *value = json_object_get(answer, key);
    *out = 0;
    if (!json_is_integer(value))
        return pix_fail(error, PIX_EFORMAT, "%s is not a whole number", key);
    *out = json_integer_value(value);
    return PIX_OK;
}

const char *pix_answer_text(const json_t *answer, const char *key) {
    const char *text = json_string_value(json_object_get(answer, key));
    return text ? text : "";
}

void pix_vector_write(FILE *out, const float *vector, size_t size, bool packed) {
    if (!packed) {
        pix_json_vector(out, vector, size);
        return;
    }
    enum { STRETCH = 192 }; /* a multiple of three: no padding within */
    uint32_t words[STRETCH];
    (void)fputc('"', out);
    for (size_t first = 0; first < size; first += STRETCH) {
        size_t some = size - first < STRETCH ? size - first : STRETCH;
        memcpy(words, vector + first, some * sizeof *words);
        for (size_t i = 0; i < some; i++)
            words[i] = htole32(words[i]);
        pix_base64_write(out, words, some * sizeof *words);
    }
    (void)fputc('"', out);
}

static pix_status fail_vector(size_t size, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "not a vector of %zu numbers", size);
}

static pix_status unpack(const json_t *vector, float *out, size_t size, pix_error *error) {
    pix_bytes bytes = {0};
    pix_status status =
        pix_base64_read(json_string_value(vector), json_string_length(vector), &bytes);
    if (status == PIX_ENOMEM)
        status = pix_fail_memory(error);
    else if (status || bytes.size != size * sizeof *out)
        status = fail_vector(size, error);
    for (size_t i = 0; i < size && !status; i++) {
        uint32_t word;
        memcpy(&word, bytes.data + i * sizeof word, sizeof word);
        word = le32toh(word);
        memcpy(out + i, &word, sizeof word);
        if (!isfinite(out[i]))
            status = fail_vector(size, error);
    }
    pix_bytes_free(&bytes);
    return status;
}

pix_status pix_answer_vector(const json_t *vector, float *out, size_t size, pix_error *error) {
    if (json_is_string(vector))
        return unpack(vector, out, size, error);
    if (!json_is_array(vector) || json_array_size(vector) != size)
        return fail_vector(size, error);
    for (size_t i = 0; i < size; i++) {
        const json_t *value = json_array_get(vector, i);
        out[i] = (float)json_number_value(value);
        if (!json_is_number(value) || !isfinite(out[i]))
            return fail_vector(size, error);
    }
    return PIX_OK;
}

pix_status pix_answer_parse(const char *line, size_t size, json_t **out, pix_error *error) {
    pix_status status = parse(line, size, out, error);
    if (status || json_is_true(json_object_get(*out, "ok")))
        return status;
    int64_t code = json_integer_value(json_object_get(*out, "code"));
    status = pix_fail(error, pix_status_is_failure(code) ? (pix_status)code : PIX_EFORMAT, "%s",
                      pix_answer_text(*out, "error"));
    json_decref(*out);
    *out = NULL;
    return status;
}

void pix_answer_error(FILE *out, const pix_error *error) {
    (void)fprintf(out, "{\"ok\":false,\"code\":%d,\"error\":", error->status);
    pix_json_string(out, error->text, strlen(error->text));
    (void)fputs("}\n", out);
}

static pix_status read_flag(const json_t *object, const char *key, bool *out, pix_error *error) {
    const json_t *value = json_object_get(object, key);
    *out = json_is_true(value);
    if (value && !json_is_boolean(value))
        return pix_fail(error, PIX_EFORMAT, "%s is neither true nor false", key);
    return PIX_OK;
}

/* A list of 1 to `limit` members. */
static pix_status read_list(const json_t *object, const char *key, size_t limit, const json_t **out,
                            pix_error *error) {
    *out = json_object_get(object, key);
    size_t count = json_array_size(*out);
    if (!json_is_array(*out) || count == 0)
        return pix_fail(error, PIX_EFORMAT, "%s is not a list", key);
    if (count > limit)
        return pix_fail(error, PIX_ELIMIT, "%s has more than %zu members", key, limit);
    return PIX_OK;
}

static pix_status read_ids(const json_t *list, pix_request_ids *out, pix_error *error) {
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > IDS_LIMIT)
        return pix_fail(error, PIX_EFORMAT, "a text is a list of 1 to %d token ids", IDS_LIMIT);
    out->data = calloc(count, sizeof *out->data);
    if (!out->data)
        return pix_fail_memory(error);
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            return pix_fail(error, PIX_EFORMAT, "a token id is a whole number");
        out->data[i] = (int32_t)value;
    }
    return PIX_OK;
}

static pix_status read_token_lists(const json_t *list, pix_request *out, pix_error *error) {
    size_t count = json_array_size(list);
    pix_status status = PIX_OK;
    out->ids = calloc(count, sizeof *out->ids);
    if (!out->ids)
        return pix_fail_memory(error);
    out->text_count = count;
    for (size_t i = 0; i < count && !status; i++)
        status = read_ids(json_array_get(list, i), &out->ids[i], error);
    return status;
}

static pix_status read_words(const json_t *list, pix_request *out, pix_error *error) {
    size_t count = json_array_size(list);
    pix_status status = PIX_OK;
    out->texts = calloc(count, sizeof *out->texts);
    if (!out->texts)
        return pix_fail_memory(error);
    out->text_count = count;
    for (size_t i = 0; i < count && !status; i++)
        status = pix_answer_bytes(json_array_get(list, i), "text", &out->texts[i], error);
    return status;
}

static pix_status read_texts(const json_t *object, pix_request *out, pix_error *error) {
    const json_t *list;
    bool words = json_object_get(object, "texts") != NULL;
    pix_status status = read_list(object, words ? "texts" : "ids", PIX_CALL_TEXTS, &list, error);
    if (!status)
        status = read_flag(object, "packed", &out->packed, error);
    if (status)
        return status;
    return words ? read_words(list, out, error) : read_token_lists(list, out, error);
}

static pix_status read_picture(const json_t *object, pix_request *out, pix_error *error) {
    pix_status status = read_flag(object, "exact", &out->exact, error);
    if (!status)
        status = read_flag(object, "ignore_rotation", &out->ignore_rotation, error);
    return status ? status : read_flag(object, "packed", &out->packed, error);
}

/* How many numbers a vector has, written either way. */
static size_t count_numbers(const json_t *vector) {
    if (!json_is_string(vector))
        return json_array_size(vector);
    const char *text = json_string_value(vector);
    size_t size = json_string_length(vector);
    while (size > 0 && text[size - 1] == '=')
        size--;
    return size * 3 / 4 / sizeof(float);
}

/* How many hits for each of `count` vectors, and how many photos of each list are described. */
static pix_status read_wanted(const json_t *object, size_t count, pix_request *out,
                              pix_error *error) {
    int64_t most = PIX_CALL_HITS / (int64_t)count;
    pix_status status = pix_answer_integer(object, "k", &out->k, error);
    if (!status && (out->k < 1 || out->k > most))
        status = pix_fail(error, PIX_ELIMIT, "k is not between 1 and %lld for %zu vectors",
                          (long long)most, count);
    if (status || !json_object_get(object, "photos"))
        return status;
    most = PIX_CALL_PHOTOS / (int64_t)count;
    status = pix_answer_integer(object, "photos", &out->photos, error);
    if (!status && (out->photos < 0 || out->photos > most))
        status = pix_fail(error, PIX_ELIMIT, "photos is not between 0 and %lld for %zu vectors",
                          (long long)most, count);
    return status;
}

static pix_status read_filter(const json_t *object, pix_request *out, pix_error *error) {
    const json_t *filter = json_object_get(object, "filter");
    return filter ? pix_filter_read(filter, &out->filter, error) : PIX_OK;
}

static pix_status read_search(const json_t *object, pix_request *out, pix_error *error) {
    const json_t *list;
    pix_status status = read_list(object, "vectors", PIX_CALL_VECTORS, &list, error);
    if (!status)
        status = read_wanted(object, json_array_size(list), out, error);
    if (status)
        return status;
    size_t count = json_array_size(list), dimension = count_numbers(json_array_get(list, 0));
    if (dimension == 0 || dimension > DIMENSION_LIMIT)
        return pix_fail(error, PIX_EFORMAT, "a vector has 1 to %d numbers", DIMENSION_LIMIT);
    out->vectors = calloc(count * dimension, sizeof *out->vectors);
    if (!out->vectors)
        return pix_fail_memory(error);
    out->vector_count = count;
    out->dimension = (int)dimension;
    for (size_t i = 0; i < count && !status; i++)
        status = pix_answer_vector(json_array_get(list, i), out->vectors + i * dimension, dimension,
                                   error);
    return status ? status : read_filter(object, out, error);
}

static pix_status read_folder(const json_t *folder, char **out, pix_error *error) {
    pix_bytes path = {0};
    pix_status status = pix_answer_bytes(folder, "path", &path, error);
    if (!status && (path.size == 0 || path.data[0] != '/' || strlen(path.data) != path.size))
        status = pix_fail(error, PIX_EFORMAT, "a folder's path begins with /");
    if (!status && !(*out = strdup(path.data)))
        status = pix_fail_memory(error);
    pix_bytes_free(&path);
    return status;
}

pix_status pix_answer_folders(const json_t *answer, const char *key, char ***out, size_t *count,
                              pix_error *error) {
    const json_t *list;
    *out = NULL;
    *count = 0;
    if (!json_object_get(answer, key))
        return PIX_OK;
    pix_status status = read_list(answer, key, FOLDERS_LIMIT, &list, error);
    if (status)
        return status;
    *out = calloc(json_array_size(list), sizeof **out);
    if (!*out)
        return pix_fail_memory(error);
    *count = json_array_size(list);
    for (size_t i = 0; i < *count && !status; i++)
        status = read_folder(json_array_get(list, i), &(*out)[i], error);
    return status;
}

/* `least` of them, or more when `many`. */
static pix_status read_paths(const json_t *object, size_t least, bool many, pix_request *out,
                             pix_error *error) {
    pix_status status =
        pix_answer_folders(object, "paths", &out->folders, &out->folder_count, error);
    if (!status && (out->folder_count < least || (!many && out->folder_count > least)))
        status = pix_fail(error, PIX_EFORMAT, "paths has %zu members, and not %zu",
                          out->folder_count, least);
    return status;
}

static const char *const call_names[] = {
    [PIX_CALL_HELLO] = "hello",
    [PIX_CALL_TOKENIZE] = "tokenize",
    [PIX_CALL_ENCODE_TEXT] = "encode_text",
    [PIX_CALL_ENCODE_IMAGE] = "encode_image",
    [PIX_CALL_SELECT] = "select",
    [PIX_CALL_SEARCH] = "search",
    [PIX_CALL_STATUS] = "status",
    [PIX_CALL_PAUSE] = "pause",
    [PIX_CALL_RESUME] = "resume",
    [PIX_CALL_RESCAN] = "rescan",
    [PIX_CALL_FORGET] = "forget",
    [PIX_CALL_MOVE] = "move",
    [PIX_CALL_APPROVE] = "approve_removals",
    [PIX_CALL_RETRY] = "retry_failures",
};

const char *pix_call_name(pix_call call) {
    return call_names[call];
}

static pix_status read_call(const json_t *object, pix_request *out, pix_error *error) {
    const char *name = pix_answer_text(object, "call");
    for (size_t i = 0; i < sizeof call_names / sizeof(char *); i++)
        if (strcmp(name, call_names[i]) == 0) {
            out->call = (pix_call)i;
            return PIX_OK;
        }
    return pix_fail(error, PIX_EFORMAT, "there is no such call");
}

/* And what is asked for in the same breath: texts, and a search for them. */
static pix_status read_hello(const json_t *object, pix_request *out, pix_error *error) {
    int64_t protocol;
    const json_t *search = json_object_get(object, "search");
    pix_status status = pix_answer_integer(object, "protocol", &protocol, error);
    if (!status && protocol != PIX_PROTOCOL)
        status = pix_fail(error, PIX_EMISMATCH, "this daemon speaks protocol %d", PIX_PROTOCOL);
    if (!status && json_object_get(object, "texts"))
        status = read_texts(object, out, error);
    if (!status && search && !json_is_null(search) && out->text_count > 0)
        status = read_wanted(search, out->text_count, out, error);
    return status;
}

static pix_status read_arguments(const json_t *object, pix_request *out, pix_error *error) {
    switch (out->call) {
    case PIX_CALL_HELLO:
        return read_hello(object, out, error);
    case PIX_CALL_TOKENIZE:
        return pix_answer_bytes(object, "text", &out->text, error);
    case PIX_CALL_ENCODE_TEXT:
        return read_texts(object, out, error);
    case PIX_CALL_ENCODE_IMAGE:
        return read_picture(object, out, error);
    case PIX_CALL_SELECT:
        return read_filter(object, out, error);
    case PIX_CALL_SEARCH:
        return read_search(object, out, error);
    case PIX_CALL_RESCAN:
        return pix_answer_folders(object, "folders", &out->folders, &out->folder_count, error);
    case PIX_CALL_FORGET:
        return read_paths(object, 1, false, out, error);
    case PIX_CALL_MOVE:
        return read_paths(object, 2, false, out, error);
    case PIX_CALL_APPROVE:
    case PIX_CALL_RETRY:
        return read_paths(object, 0, true, out, error);
    case PIX_CALL_STATUS:
    case PIX_CALL_PAUSE:
    case PIX_CALL_RESUME:
        break;
    }
    return PIX_OK;
}

pix_status pix_request_parse(const char *line, size_t size, pix_request *out, pix_error *error) {
    *out = (pix_request){0};
    json_t *object;
    pix_status status = parse(line, size, &object, error);
    if (!status)
        status = read_call(object, out, error);
    if (!status)
        status = read_arguments(object, out, error);
    json_decref(object);
    if (status)
        pix_request_free(out);
    return status;
}

void pix_request_free(pix_request *request) {
    pix_bytes_free(&request->text);
    for (size_t i = 0; i < request->text_count && request->ids; i++)
        free(request->ids[i].data);
    for (size_t i = 0; i < request->text_count && request->texts; i++)
        pix_bytes_free(&request->texts[i]);
    for (size_t i = 0; i < request->folder_count; i++)
        free(request->folders[i]);
    free(request->ids);
    free(request->texts);
    free(request->vectors);
    pix_filter_free(request->filter);
    free((void *)request->folders);
    *request = (pix_request){0};
}
