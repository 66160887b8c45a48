/* A search reads the codes of a .pixv file (shortlist.h), then the vectors of the few candidates
 * left, and those that are newer than the file, one by one: their scores are exact, so the result
 * is the same as without the file.
 *
 * Some candidates may show no photo: it is missing, or the vector has left the store since.  Then
 * fewer than k photos may reach the floor below which nothing was listed, and the pass is repeated
 * with a lower one.  Every candidate at or above the floor was looked at, so a query is done when
 * its k-th photo scores at least the floor. */
#include "storage/vector_index.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/tensor/dot.h"
#include "storage/shortlist.h"
#include "storage/statement.h"
#include "storage/vector.h"
#include "storage/vector_cache.h"

/* A vector read by its id costs as much as this many read one after the other, roughly; a few are
 * always read that way. */
enum { READ_BY_ID_COST = 8, ALWAYS_BY_ID = 4096 };

/* From pass to pass. */
enum { MORE_WANTED = 8 };

/* A file with fewer vectors is searched by the calling thread alone. */
enum { POOL_VECTORS = 20000, MOST_THREADS = 16 };

/* A search under way. */
typedef struct search {
    pix_store *store;
    const pix_vector_query *query;
    pix_best *best; /* [query->count] */
    float *vector;  /* room for one */
    pix_id_set damaged;
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

/* Once, whatever queries and passes meet it; one that cannot be noted counts each time. */
static void count_damaged(search *s, int64_t id) {
    if (!pix_id_set_has(&s->damaged, id))
        s->report.damaged++;
    (void)pix_id_set_add(&s->damaged, id, NULL);
}

/* The vector in the row of `row`, into s->vector; a damaged one is only counted, and false. */
static bool load_vector(search *s, const pix_statement *row) {
    const void *bytes = sqlite3_column_blob(row->handle, 2);
    int size = sqlite3_column_bytes(row->handle, 2);
    bool sound = pix_vector_read(bytes, size, (size_t)s->query->dimension, s->vector);
    s->report.bytes += size;
    if (!sound)
        count_damaged(s, sqlite3_column_int64(row->handle, 0));
    return sound;
}

/* The score of s->vector for query q. */
static double score_vector(search *s, size_t q) {
    size_t dimension = (size_t)s->query->dimension;
    s->report.rescored++;
    return pix_dot(s->query->vectors + q * dimension, s->vector, dimension);
}

/* Offers the photos of the vector in the row of `row` to the heaps they may enter. */
static pix_status score_row(search *s, const pix_statement *row, pix_error *error) {
    pix_status status = PIX_OK;
    if (!load_vector(s, row))
        return PIX_OK;
    for (size_t q = 0; q < s->query->count && !status; q++) {
        double score = score_vector(s, q);
        if (!pix_best_excludes(&s->best[q], score))
            status =
                offer_photos(s, sqlite3_column_int64(row->handle, 1), score, &s->best[q], error);
    }
    return status;
}

/* Reads every vector with an id above `after`, and counts them. */
static pix_status read_vectors(search *s, int64_t after, int64_t *count, pix_error *error) {
    const pix_selection *selection = s->query->selection;
    pix_statement row = pix_statement_begin(s->store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&row, s->query->model_id);
    pix_bind_integer(&row, after);
    pix_status status;
    for (*count = 0; !(status = pix_statement_step(&row, error)) && row.row; ++*count) {
        int64_t id = sqlite3_column_int64(row.handle, 0);
        if (selection && !pix_selection_has_embedding(selection, id))
            continue;
        if ((status = score_row(s, &row, error)))
            break;
    }
    pix_statement_end(&row);
    return status;
}

/* Offers the photos of one candidate; a score that is not within its bounds says that the file is
 * not of these vectors. */
static pix_status score_candidate(search *s, const pix_vector_file *file, size_t q,
                                  const pix_candidate *candidate, pix_error *error) {
    const uint8_t *block = pix_vector_file_block(file, candidate->position / PIX_BLOCK);
    int64_t id = pix_block_id(block, file->lines, candidate->position % PIX_BLOCK);
    pix_statement row = pix_statement_begin(s->store, PIX_SQL_EMBEDDING_GET);
    pix_bind_integer(&row, s->query->model_id);
    pix_bind_integer(&row, id);
    pix_status status = pix_statement_step(&row, error);
    if (status || !row.row || !load_vector(s, &row))
        goto end;
    double score = score_vector(s, q);
    if (score < (double)candidate->low || score > (double)candidate->high)
        status = pix_fail(error, PIX_EMISMATCH, "%s: not of these vectors", file->path);
    else if (!pix_best_excludes(&s->best[q], score))
        status = offer_photos(s, sqlite3_column_int64(row.handle, 1), score, &s->best[q], error);
end:
    pix_statement_end(&row);
    return status;
}

/* The candidates below `above`, those before having been looked at; *done as the file's header
 * says. */
static pix_status score_list(search *s, const pix_vector_file *file, size_t q,
                             const pix_shortlist *list, float above, bool *done, pix_error *error) {
    const pix_best *best = &s->best[q];
    pix_status status = PIX_OK;
    for (size_t i = 0; i < list->count && !status; i++) {
        if (pix_best_excludes(best, (double)list->items[i].high))
            break;
        if (list->items[i].high < above)
            status = score_candidate(s, file, q, &list->items[i], error);
    }
    *done = list->floor == -INFINITY ||
            (best->count == best->capacity && best->hits[0].score >= (double)list->floor);
    return status;
}

static pix_status get_pool(pix_store *store, const pix_vector_file *file, pix_pool **pool,
                           pix_error *error) {
    int threads = pix_cpu_count();
    *pool = NULL;
    if (file->state.count < POOL_VECTORS)
        return PIX_OK;
    pix_status status = PIX_OK;
    if (!store->pool)
        status = pix_pool_new(threads < MOST_THREADS ? threads : MOST_THREADS, &store->pool, error);
    *pool = store->pool;
    return status;
}

/* What a few queries, from `first` on, know of their passes. */
typedef struct pass {
    size_t count;
    size_t at[PIX_SHORTLIST_QUERIES]; /* whose they are */
    pix_frame_query queries[PIX_SHORTLIST_QUERIES];
} pass;

/* One pass for those that are not done. */
static pix_status run_pass(search *s, pix_shortlist_task *task, pass *p, float *above,
                           pix_error *error) {
    pix_shortlist lists[PIX_SHORTLIST_QUERIES];
    int64_t bytes;
    task->queries = p->queries;
    task->count = p->count;
    pix_status status = pix_shortlist_make(task, lists, &bytes, error);
    s->report.bytes += bytes;
    size_t left = 0;
    for (size_t i = 0; i < task->count; i++) {
        const size_t q = p->at[i];
        bool done = false;
        if (!status)
            status = score_list(s, task->file, q, &lists[i], above[q], &done, error);
        above[q] = lists[i].floor;
        pix_shortlist_free(&lists[i]);
        if (done || status) {
            pix_frame_query_free(&p->queries[i]);
        } else {
            p->at[left] = q;
            p->queries[left++] = p->queries[i];
        }
    }
    p->count = left;
    return status;
}

static pix_status run_passes(search *s, pix_shortlist_task *task, pass *p, float *above,
                             pix_error *error) {
    pix_status status = PIX_OK;
    for (task->wanted = s->query->k; p->count > 0 && !status;
         task->wanted = task->wanted * MORE_WANTED + ALWAYS_BY_ID / 16)
        status = run_pass(s, task, p, above, error);
    return status;
}

static pix_status search_file(search *s, const pix_vector_file *file, pix_error *error) {
    const pix_kernels *kernels;
    pix_pool *pool;
    pix_status status = pix_kernels_wanted(&kernels, error);
    if (!status)
        status = get_pool(s->store, file, &pool, error);
    if (status)
        return status;
    s->report.kernels = pix_kernels_name(kernels);
    pix_shortlist_task task = {.file = file,
                               .scan = pix_scan_for(kernels),
                               .pool = pool,
                               .selection = s->query->selection,
                               .limit = ALWAYS_BY_ID + file->state.count / READ_BY_ID_COST};
    const size_t total = s->query->count, dimension = (size_t)s->query->dimension;
    float *above = calloc(total, sizeof *above);
    if (!above)
        return pix_fail_memory(error);
    for (size_t first = 0; first < total && !status; first += PIX_SHORTLIST_QUERIES) {
        pass p = {0};
        for (size_t q = first; q < total && p.count < PIX_SHORTLIST_QUERIES && !status; q++) {
            above[q] = INFINITY;
            p.at[p.count] = q;
            status =
                pix_frame_query_init(&p.queries[p.count], &file->frame,
                                     s->query->vectors + q * dimension, &file->state.extent, error);
            p.count += !status;
        }
        if (!status)
            status = run_passes(s, &task, &p, above, error);
        for (size_t i = 0; i < p.count; i++)
            pix_frame_query_free(&p.queries[i]);
    }
    free(above);
    return status;
}

static void forget_hits(search *s) {
    for (size_t q = 0; q < s->query->count; q++)
        s->best[q].count = 0;
    pix_id_set_free(&s->damaged);
    s->report = (pix_search_report){.trouble = s->report.trouble};
}

/* The file that can be used, or NULL and s->report.trouble. */
static pix_status choose_file(search *s, const pix_vector_file **file, pix_error *error) {
    pix_vector_cache *cache = pix_vector_cache_of(s->store, s->query->model_id);
    *file = NULL;
    if (!cache || !cache->file) {
        if (cache)
            s->report.trouble = cache->trouble;
        return PIX_OK;
    }
    bool fits;
    pix_status status = pix_vector_cache_fits(s->store, cache->file, &fits, error);
    if (!status && fits)
        *file = cache->file;
    else if (!status)
        (void)pix_fail(&s->report.trouble, PIX_EMISMATCH, "%s: of another index", cache->path);
    return status;
}

/* With the file if possible, else with every vector. */
static pix_status find(search *s, pix_error *error) {
    const pix_vector_file *file;
    pix_status status = choose_file(s, &file, error);
    if (status)
        return status;
    if (file) {
        pix_error why = {0};
        const uint64_t losses = pix_mapping_losses();
        status = search_file(s, file, &why);
        if (!status && pix_mapping_losses() != losses)
            status = pix_fail(&why, PIX_EFORMAT, "%s: became shorter meanwhile", file->path);
        if (!status)
            status = read_vectors(s, file->state.covered_id, &s->report.uncached, &why);
        s->report.used_cache = !status;
        if (!status)
            return PIX_OK;
        if (status != PIX_ELIMIT && status != PIX_EFORMAT && status != PIX_EMISMATCH) {
            if (error)
                *error = why;
            return status;
        }
        forget_hits(s);
        if (status != PIX_ELIMIT)
            s->report.trouble = why;
    }
    int64_t count;
    return read_vectors(s, 0, &count, error);
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
    if ((status = find(s, error)))
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
    pix_id_set_free(&s.damaged);
    free(s.best);
    free(s.vector);
    return status;
}
