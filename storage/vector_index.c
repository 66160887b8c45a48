/* One pass over the vectors in id order, and for each query a heap of the k best photos.  A
 * vector's photos are looked up only when its score could enter a heap, which after a short while
 * is rare: k ln(n/k) times for vectors in random order. */
#include "storage/vector_index.h"

#include <math.h>
#include <stdlib.h>

#include "core/tensor/dot.h"
#include "storage/statement.h"
#include "storage/vector.h"

/* A search under way. */
typedef struct search {
    pix_store *store;
    const pix_vector_query *query;
    pix_best *best; /* [query->count] */
    float *vector;  /* room for one */
    pix_search_report report;
} search;

static pix_status offer_photos(search *s, int64_t content_id, double score, pix_best *best,
                               pix_error *error) {
    const pix_selection *selection = s->query->selection;
    pix_statement images = pix_statement_begin(s->store, PIX_SQL_IMAGES_OF_CONTENT);
    pix_bind_integer(&images, content_id);
    pix_status status;
    while (!(status = pix_statement_step(&images, error)) && images.row) {
        pix_hit hit = {.image_id = sqlite3_column_int64(images.handle, 0), .score = score};
        if (selection && !pix_selection_has_image(selection, hit.image_id))
            continue;
        if (!pix_best_offer(best, hit))
            break;
    }
    pix_statement_end(&images);
    return status;
}

/* The vector in the row of `row`, into s->vector. */
static pix_status load_vector(search *s, const pix_statement *row, pix_error *error) {
    size_t dimension = (size_t)s->query->dimension;
    const void *bytes = sqlite3_column_blob(row->handle, 2);
    int size = sqlite3_column_bytes(row->handle, 2);
    if (!bytes || (size_t)size != dimension * sizeof *s->vector)
        return pix_fail(error, PIX_EFORMAT, "%s: vector %lld has %d bytes instead of %zu",
                        s->store->path, (long long)sqlite3_column_int64(row->handle, 0), size,
                        dimension * sizeof *s->vector);
    pix_vector_load(bytes, dimension, s->vector);
    s->report.bytes += size;
    return PIX_OK;
}

/* Offers the photos of the vector in the row of `row` to the heaps they may enter. */
static pix_status score_row(search *s, const pix_statement *row, pix_error *error) {
    size_t dimension = (size_t)s->query->dimension;
    pix_status status = load_vector(s, row, error);
    for (size_t q = 0; q < s->query->count && !status; q++) {
        double score = pix_dot(s->query->vectors + q * dimension, s->vector, dimension);
        if (!isfinite(score))
            return pix_fail(error, PIX_EFORMAT, "%s: vector %lld holds values that are not numbers",
                            s->store->path, (long long)sqlite3_column_int64(row->handle, 0));
        s->report.rescored++;
        if (!pix_best_excludes(&s->best[q], score))
            status =
                offer_photos(s, sqlite3_column_int64(row->handle, 1), score, &s->best[q], error);
    }
    return status;
}

/* The statement stays open from the first row to the last, so everything read sees one state. */
static pix_status scan(search *s, pix_error *error) {
    const pix_selection *selection = s->query->selection;
    pix_statement row = pix_statement_begin(s->store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&row, s->query->model_id);
    pix_status status;
    while (!(status = pix_statement_step(&row, error)) && row.row) {
        int64_t id = sqlite3_column_int64(row.handle, 0);
        if (selection && !pix_selection_has_embedding(selection, id))
            continue;
        if ((status = score_row(s, &row, error)))
            break;
    }
    pix_statement_end(&row);
    return status;
}

static pix_status check_query(pix_store *store, const pix_vector_query *query, pix_error *error) {
    int expected;
    pix_status status = pix_store_model_dimension(store, query->model_id, &expected, error);
    if (status)
        return status;
    if (query->dimension != expected)
        return pix_fail(error, PIX_EMISMATCH, "%s: a query of %d dimensions for vectors of %d",
                        store->path, query->dimension, expected);
    size_t dimension = (size_t)query->dimension;
    for (size_t q = 0; q < query->count && !status; q++)
        if ((status = pix_vector_check(query->vectors + q * dimension, dimension, error)))
            (void)pix_error_prefix(error, "query");
    return status;
}

static pix_status run(search *s, pix_hit *hits, size_t *counts, pix_error *error) {
    const pix_vector_query *query = s->query;
    pix_status status = check_query(s->store, query, error);
    if (status)
        return status;
    s->best = calloc(query->count, sizeof *s->best);
    s->vector = calloc((size_t)query->dimension, sizeof *s->vector);
    if (!s->best || !s->vector)
        return pix_fail_memory(error);
    for (size_t q = 0; q < query->count; q++)
        s->best[q] = (pix_best){.hits = hits + q * query->k, .capacity = query->k};
    if ((status = scan(s, error)))
        return status;
    for (size_t q = 0; q < query->count; q++) {
        pix_best_sort(&s->best[q]);
        counts[q] = s->best[q].count;
    }
    return PIX_OK;
}

pix_status pix_vector_index_search(pix_store *store, const pix_vector_query *query, pix_hit *hits,
                                   size_t *counts, pix_search_report *report, pix_error *error) {
    for (size_t q = 0; q < query->count; q++)
        counts[q] = 0;
    if (report)
        *report = (pix_search_report){0};
    if (query->k == 0 || query->count == 0)
        return PIX_OK;
    search s = {.store = store, .query = query};
    pix_status status = pix_store_snapshot_begin(store, error);
    if (status)
        return status;
    status = run(&s, hits, counts, error);
    pix_store_snapshot_end(store);
    if (report)
        *report = s.report;
    free(s.best);
    free(s.vector);
    return status;
}
