/* The indexer's side of the .pixv files.
 *
 * New vectors are appended as they are committed and published some hundreds at a time: until then
 * searches read them from the store.  At the end of a run the ids in each file are compared with
 * those in the store, and a file is made anew when a quarter of it is dead, or when it has grown so
 * much that other axes may suit it better.  A new file takes the old one's place when it is
 * complete. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "storage/id_set.h"
#include "storage/statement.h"
#include "storage/vector.h"
#include "storage/vector_cache.h"
#include "storage/vector_index.h"

enum {
    PUBLISH_CHANGES = 256, /* changes that are published at once */
    GROWTH = 4,            /* times the vectors it was made for, and a file is made anew */
    DEAD_SHARE = 4,        /* one in so many */
    LEAST_CAPACITY = 65536,
    SAMPLES = 8192,     /* vectors that the mean is taken of */
    WORTH_TEXTS = 1024, /* vectors: with fewer a search is fast whatever the axes */
};

static const int64_t PUBLISH_NS = INT64_C(10000000000);

/* What the store holds of a model. */
typedef struct holdings {
    int64_t last_id;
    pix_writing writing;
} holdings;

static pix_status read_last_id(pix_store *store, int64_t *id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_LAST);
    pix_status status = pix_statement_step(&s, error);
    *id = !status && s.row ? sqlite3_column_int64(s.handle, 0) : 0;
    pix_statement_end(&s);
    return status;
}

static pix_status read_count(pix_store *store, int64_t model_id, int64_t *count, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_COUNT);
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_step(&s, error);
    *count = !status && s.row ? sqlite3_column_int64(s.handle, 0) : 0;
    pix_statement_end(&s);
    return status;
}

static pix_status read_holdings(pix_store *store, holdings *h, pix_error *error) {
    *h = (holdings){0};
    pix_status status = read_last_id(store, &h->last_id, error);
    if (status)
        return status;
    if (h->last_id < 0) /* damaged: who adds the next vector makes it right */
        h->last_id = 0;
    pix_statement s = pix_statement_begin(store, PIX_SQL_WRITING_LAST);
    status = pix_statement_step(&s, error);
    if (!status && s.row)
        h->writing = (pix_writing){.id = sqlite3_column_int64(s.handle, 0),
                                   .token = sqlite3_column_int64(s.handle, 1),
                                   .commits = sqlite3_column_int64(s.handle, 2)};
    pix_statement_end(&s);
    return status;
}

/* False for a vector that is damaged: searches do not find it either. */
static bool load_row(const pix_statement *row, size_t dimension, float *vector) {
    return pix_vector_read(sqlite3_column_blob(row->handle, 2),
                           sqlite3_column_bytes(row->handle, 2), dimension, vector);
}

/* Adds every vector with an id above the file's. */
static pix_status add_vectors(pix_store *store, pix_vector_cache *cache, pix_vector_file *file,
                              const holdings *h, pix_error *error) {
    const size_t dimension = (size_t)cache->dimension;
    float *vector = malloc(dimension * sizeof *vector);
    if (!vector)
        return pix_fail_memory(error);
    pix_statement row = pix_statement_begin(store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&row, cache->model_id);
    pix_bind_integer(&row, file->state.covered_id);
    pix_status status;
    while (!(status = pix_statement_step(&row, error)) && row.row) {
        if (!load_row(&row, dimension, vector))
            continue;
        if ((status =
                 pix_vector_file_add(file, sqlite3_column_int64(row.handle, 0), vector, error)))
            break;
        cache->unpublished++;
    }
    pix_statement_end(&row);
    free(vector);
    if (status)
        return status;
    /* Others' vectors count, too: a search must look at all that are newer than the file. */
    cache->uncovered += h->last_id - file->state.covered_id;
    file->state.covered_id = h->last_id;
    file->state.writing = h->writing;
    return PIX_OK;
}

static pix_status publish(pix_vector_cache *cache, pix_error *error) {
    pix_status status = pix_vector_file_publish(cache->writer, error);
    cache->unpublished = cache->uncovered = 0;
    cache->published_ns = pix_now_ns();
    return status;
}

static void drop_writer(pix_vector_cache *cache) {
    pix_vector_file_close(cache->writer);
    cache->writer = NULL;
    cache->unpublished = cache->uncovered = 0;
}

/* Sums every n-th vector, in the order of their contents. */
static pix_status sum_samples(pix_store *store, const pix_vector_cache *cache, int64_t count,
                              double *sum, int64_t *samples, pix_error *error) {
    const size_t dimension = (size_t)cache->dimension;
    const int64_t step = count / SAMPLES + 1;
    float *vector = malloc(dimension * sizeof *vector);
    if (!vector)
        return pix_fail_memory(error);
    pix_statement ids = pix_statement_begin(store, PIX_SQL_EMBEDDING_IDS);
    pix_bind_integer(&ids, cache->model_id);
    pix_status status;
    for (int64_t i = 0; !(status = pix_statement_step(&ids, error)) && ids.row; i++) {
        if (i % step != 0)
            continue;
        pix_statement row = pix_statement_begin(store, PIX_SQL_EMBEDDING_GET);
        pix_bind_integer(&row, cache->model_id);
        pix_bind_integer(&row, sqlite3_column_int64(ids.handle, 0));
        status = pix_statement_step(&row, error);
        if (!status && row.row && load_row(&row, dimension, vector)) {
            for (size_t d = 0; d < dimension; d++)
                sum[d] += (double)vector[d];
            ++*samples;
        }
        pix_statement_end(&row);
        if (status)
            break;
    }
    pix_statement_end(&ids);
    free(vector);
    return status;
}

static double dot(const double *a, const double *b, size_t size) {
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += a[i] * b[i];
    return sum;
}

/* To length 1, or to zeros where nothing but rounding is left. */
static void normalise(double *x, size_t size) {
    double length = sqrt(dot(x, x, size));
    for (size_t i = 0; i < size; i++)
        x[i] = length > 1e-6 ? x[i] / length : 0;
}

/* The second direction of axes [3, dimension]: that of texts, without what it shares with the
 * first. */
static pix_status aim_at_texts(const pix_vector_cache *cache, const pix_vector_update *update,
                               int64_t count, double *axes, pix_error *error) {
    const size_t dimension = (size_t)cache->dimension;
    const double *first = axes + dimension;
    double *second = axes + 2 * dimension;
    pix_status status = PIX_ENOTFOUND;
    float *mean = calloc(dimension, sizeof *mean);
    if (!mean)
        return pix_fail_memory(error);
    if (update->text_mean && update->model_id == cache->model_id && count >= WORTH_TEXTS)
        status = update->text_mean(update->context, mean, error);
    if (!status)
        for (size_t i = 0; i < dimension; i++)
            second[i] = (double)mean[i];
    else if (cache->writer)
        memcpy(second, cache->writer->frame.axes + 2 * dimension, dimension * sizeof *second);
    free(mean);
    if (status && status != PIX_ENOTFOUND)
        return status;
    double share = dot(first, second, dimension);
    for (size_t i = 0; i < dimension; i++)
        second[i] -= share * first[i];
    normalise(second, dimension);
    return PIX_OK;
}

static pix_status choose_axes(pix_store *store, const pix_vector_cache *cache,
                              const pix_vector_update *update, int64_t count, double *axes,
                              pix_error *error) {
    const size_t dimension = (size_t)cache->dimension;
    int64_t samples = 0;
    pix_status status = sum_samples(store, cache, count, axes, &samples, error);
    if (status)
        return status;
    for (size_t i = 0; i < dimension && samples > 0; i++)
        axes[i] /= (double)samples;
    memcpy(axes + dimension, axes, dimension * sizeof *axes);
    normalise(axes + dimension, dimension);
    return aim_at_texts(cache, update, count, axes, error);
}

static pix_status fill_new(pix_store *store, pix_vector_cache *cache, pix_vector_file *file,
                           const char *path, const holdings *h, pix_error *error) {
    pix_status status = add_vectors(store, cache, file, h, error);
    file->state.built = file->state.count;
    if (!status)
        status = pix_vector_file_publish(file, error);
    if (!status && rename(path, cache->path))
        status = pix_fail_errno(error, "cannot rename to %s", cache->path);
    return status;
}

/* A new file in place of the one there may be. */
static pix_status make_anew(pix_store *store, pix_vector_cache *cache,
                            const pix_vector_update *update, const holdings *h, int64_t count,
                            pix_error *error) {
    char *path = NULL;
    pix_vector_file *file = NULL;
    double *axes = calloc(3 * (size_t)cache->dimension, sizeof *axes);
    pix_status status = PIX_OK;
    if (!axes || asprintf(&path, "%s.tmp", cache->path) < 0) {
        path = NULL;
        status = pix_fail_memory(error);
    }
    if (!status)
        status = choose_axes(store, cache, update, count, axes, error);
    const size_t room = GROWTH * (size_t)count;
    const pix_vector_file_plan plan = {.fingerprint = cache->fingerprint,
                                       .dimension = cache->dimension,
                                       .capacity = room > LEAST_CAPACITY ? room : LEAST_CAPACITY,
                                       .axes = axes};
    if (!status)
        status = pix_vector_file_create(path, &plan, &file, error);
    if (!status)
        status = fill_new(store, cache, file, path, h, error);
    if (status && path)
        (void)unlink(path);
    drop_writer(cache);
    if (status) {
        pix_vector_file_close(file);
    } else {
        cache->writer = file;
        cache->published_ns = pix_now_ns();
    }
    free(axes);
    free(path);
    return status;
}

/* Opens the file for writing if it is one to go on with. */
static pix_status open_writer(pix_store *store, pix_vector_cache *cache, bool *exists,
                              pix_error *error) {
    *exists = true;
    if (!cache->writer) {
        pix_status status = pix_vector_file_open(cache->path, cache->fingerprint, cache->dimension,
                                                 true, &cache->writer, error);
        *exists = status != PIX_ENOTFOUND;
        if (status)
            return status == PIX_ENOMEM ? status : PIX_OK;
        cache->published_ns = pix_now_ns();
    }
    bool fits;
    pix_status status = pix_vector_cache_fits(store, cache->writer, &fits, error);
    if (!status && !fits)
        drop_writer(cache);
    return status;
}

/* Marks the vectors that have left the store. */
static pix_status bury_the_dead(pix_store *store, pix_vector_cache *cache, pix_error *error) {
    pix_vector_file *file = cache->writer;
    pix_id_set ids = {0};
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDING_IDS);
    pix_bind_integer(&s, cache->model_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row)
        if ((status = pix_id_set_add(&ids, sqlite3_column_int64(s.handle, 0), error)))
            break;
    pix_statement_end(&s);
    const uint64_t dead = file->state.dead;
    for (size_t i = 0; i < pix_vector_file_blocks(file) && !status; i++) {
        int64_t in_block[PIX_BLOCK];
        status = pix_vector_file_ids(file, i, in_block, error);
        for (size_t lane = 0; lane < PIX_BLOCK && !status; lane++)
            if (i * PIX_BLOCK + lane < file->state.count && !pix_id_set_has(&ids, in_block[lane]))
                pix_vector_file_bury(file, i * PIX_BLOCK + lane);
    }
    cache->unpublished += (int64_t)(file->state.dead - dead);
    pix_id_set_free(&ids);
    return status;
}

/* Whether a file that is complete now should be another. */
static bool is_outworn(const pix_vector_file *file, pix_vector_update_kind kind) {
    const pix_pixv_state *state = &file->state;
    const bool erase = kind == PIX_VECTORS_ERASE && state->dead > 0;
    return erase || state->dead * DEAD_SHARE >= state->count ||
           state->count - state->dead >= GROWTH * state->built;
}

/* What is new, and at the end of a run what is gone, into the file there is.  *anew: it must be
 * made anew after all. */
static pix_status grow(pix_store *store, pix_vector_cache *cache, const pix_vector_update *update,
                       const holdings *h, bool *anew, pix_error *error) {
    pix_vector_file *file = cache->writer;
    /* so that the state it was made of is not forgotten */
    const bool old = h->writing.id > PIX_WRITINGS_KEPT / 2 &&
                     h->writing.id - PIX_WRITINGS_KEPT / 2 > file->state.writing.id;
    pix_status status = add_vectors(store, cache, file, h, error);
    *anew = status == PIX_ELIMIT;
    if (*anew)
        return PIX_OK;
    if (!status && update->kind != PIX_VECTORS_GROW)
        status = pix_vector_file_flush(file, error);
    if (!status && update->kind != PIX_VECTORS_GROW)
        status = bury_the_dead(store, cache, error);
    if (status)
        return status;
    *anew = update->kind != PIX_VECTORS_GROW && is_outworn(file, update->kind);
    const int64_t changes =
        cache->unpublished > cache->uncovered ? cache->unpublished : cache->uncovered;
    bool due = update->kind != PIX_VECTORS_GROW || changes >= PUBLISH_CHANGES ||
               pix_now_ns() - cache->published_ns >= PUBLISH_NS;
    return (changes > 0 || old) && due && !*anew ? publish(cache, error) : PIX_OK;
}

static pix_status update_cache(pix_store *store, pix_vector_cache *cache,
                               const pix_vector_update *update, const holdings *h,
                               pix_error *error) {
    bool exists, anew = false;
    if (update->kind != PIX_VECTORS_GROW)
        drop_writer(cache); /* what was done to its file since is noticed when it is opened again */
    pix_status status = open_writer(store, cache, &exists, error);
    if (status || (!exists && cache->model_id != update->model_id))
        return status;
    if (cache->writer && (status = grow(store, cache, update, h, &anew, error)))
        return status;
    if (cache->writer && !anew)
        return PIX_OK;
    int64_t count;
    status = read_count(store, cache->model_id, &count, error);
    if (status || count > 0)
        return status ? status : make_anew(store, cache, update, h, count, error);
    drop_writer(cache);
    if (exists && unlink(cache->path) && errno != ENOENT)
        return pix_fail_errno(error, "cannot remove %s", cache->path);
    return PIX_OK;
}

static pix_status update_all(pix_store *store, const pix_vector_update *update, pix_error *error) {
    holdings h;
    pix_status status = read_holdings(store, &h, error);
    for (size_t i = 0; i < store->cache_count && !status && h.writing.id > 0; i++) {
        pix_vector_cache *cache = &store->caches[i];
        if (update->kind == PIX_VECTORS_GROW && cache->model_id != update->model_id)
            continue;
        if ((status = update_cache(store, cache, update, &h, error)))
            drop_writer(cache);
    }
    return status;
}

pix_status pix_vector_index_update(pix_store *store, const pix_vector_update *update,
                                   pix_error *error) {
    pix_store_lock(store);
    pix_status status = PIX_OK;
    if (store->mode != PIX_STORE_WRITE || store->in_batch)
        status =
            pix_fail(error, PIX_EINVALID, "%s: vectors are cached after a commit", store->path);
    if (!status && !(status = pix_store_snapshot_begin(store, error))) {
        status = update_all(store, update, error);
        pix_store_snapshot_end(store);
    }
    pix_store_unlock(store);
    return status;
}
