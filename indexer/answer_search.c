/* The best photos of the index, of all or of those that pass a filter. */
#include "indexer/answerer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/control/filter.h"
#include "storage/vector_index.h"

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

static pix_status write_photos(pix_answerer *a, const pix_request *request, FILE *out,
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

/* In the snapshot that is open.  People ask several times with the same filter, so what passes it
 * is kept until something is committed. */
static pix_status need_selection(pix_answerer *a, const pix_filter *filter, pix_error *error) {
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
    pix_answerer_drop_selection(a);
    memcpy(a->generation, generation, sizeof generation);
    a->filter = text;
    return pix_selection_new(a->store, a->model_id, filter, &a->selection, error);
}

pix_status pix_answer_select(pix_answerer *a, const pix_request *request, FILE *out,
                             pix_error *error) {
    pix_status status = request->filter ? pix_answerer_need_index(a, error)
                                        : pix_fail(error, PIX_EFORMAT, "there is no filter");
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
static pix_status find(pix_answerer *a, const pix_request *request, pix_hit *hits, size_t *counts,
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
pix_status pix_answer_search(pix_answerer *a, const pix_request *request, FILE *out,
                             pix_error *error) {
    pix_status status = pix_answerer_need_index(a, error);
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
