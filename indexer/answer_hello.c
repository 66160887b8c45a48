/* What a client hears first. */
#include "indexer/answerer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "indexer/commands.h"
#include "storage/background.h"

static void write_library(const pix_answerer *a, int64_t photos, const pix_background *background,
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
static pix_status read_library(pix_answerer *a, pix_error *error) {
    int64_t photos = 0;
    pix_background background = {0};
    size_t size;
    a->encoded = 0;
    pix_status status = pix_store_generation(a->store, a->said_of, error);
    if (!status)
        status = pix_store_photo_count(a->store, &photos, error);
    if (!status)
        status = pix_store_models(a->store, pix_answerer_note_model, a, error);
    if (!status)
        status = pix_store_background_get(
            a->store, a->model_id, pix_model_config(a->model)->embed_dim, &background, error);
    if (status)
        return status;
    FILE *out = open_memstream(&a->library, &size);
    if (out)
        write_library(a, photos, &background, out);
    if (!out || fclose(out)) {
        pix_answerer_drop_library(a);
        status = pix_fail_memory(error);
    }
    pix_background_free(&background);
    return status;
}

/* Reads it anew when something was committed since. */
static pix_status need_library(pix_answerer *a, pix_error *error) {
    char generation[PIX_GENERATION_SIZE];
    pix_status status = pix_store_generation(a->store, generation, error);
    if (status || (a->library && strcmp(generation, a->said_of) == 0))
        return status;
    pix_answerer_drop_library(a);
    status = pix_store_snapshot_begin(a->store, error);
    if (status)
        return status;
    status = read_library(a, error);
    pix_store_snapshot_end(a->store);
    return status;
}

/* Adds, as the member `search`, the answer to a search for the vectors of the texts. */
static pix_status write_search(pix_answerer *a, const pix_request *request, float *vectors,
                               FILE *out, pix_error *error) {
    const pix_request wanted = {.vectors = vectors,
                                .vector_count = request->text_count,
                                .dimension = pix_model_config(a->model)->embed_dim,
                                .k = request->k,
                                .photos = request->photos};
    char *line = NULL;
    size_t size;
    FILE *answer = open_memstream(&line, &size);
    pix_status status =
        answer ? pix_answer_search(a, &wanted, answer, error) : pix_fail_memory(error);
    if (answer && fclose(answer) && !status)
        status = pix_fail_memory(error);
    if (!status)
        (void)fprintf(out, ",\"search\":%.*s", (int)(size - 1), line); /* without its end of line */
    free(line);
    return status;
}

/* What is asked for in the same breath; what that would refuse is left out. */
static void write_ahead(pix_answerer *a, const pix_request *request, FILE *out) {
    pix_error refusal;
    float *vectors;
    pix_status status = pix_answer_write_texts(a, request, out, &vectors, &refusal);
    if (!status && request->k > 0)
        (void)write_search(a, request, vectors, out, &refusal);
    free(vectors);
}

/* What a client compares before it trusts the rest, and what it need not open the index for. */
pix_status pix_answer_hello(pix_answerer *a, const pix_request *request, FILE *out,
                            pix_error *error) {
    struct stat info = {0};
    char *path = pix_command_store_path(a->options, error);
    if (!path)
        return error->status;
    pix_answerer_check_place(a);
    /* First what is there: one put in its place meanwhile is not what the client finds. */
    pix_status status = stat(path, &info) ? pix_fail_errno(error, "%s", path) : PIX_OK;
    free(path);
    if (!status)
        status = pix_answerer_need_model(a, error);
    if (!status)
        status = pix_answerer_need_store(a, error);
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
                  pix_precision_name(pix_answerer_precision(a)));
    (void)fputs(a->library, out);
    if (request->text_count > 0)
        write_ahead(a, request, out);
    (void)fputs("}\n", out);
    return PIX_OK;
}
