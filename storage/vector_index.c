/* One pass over the vectors in id order, a heap of the k best photos with the worst on top.  A
 * vector's photos are looked up only when its score could enter the heap, which after a short while
 * is rare: k ln(n/k) times for vectors in random order. */
#include "storage/vector_index.h"

#include <math.h>
#include <stdlib.h>

#include "core/tensor/dot.h"
#include "storage/statement.h"
#include "storage/vector.h"

typedef struct best {
    const pix_selection *selection; /* what may be among them; NULL: anything */
    pix_hit *hits;                  /* a heap: no hit ranks before its parent */
    size_t count, capacity;
} best;

/* Whether `a` comes before `b` in a list of results. */
static bool ranks_before(const pix_hit *a, const pix_hit *b) {
    return a->score != b->score ? a->score > b->score : a->image_id < b->image_id;
}

static void swap_hits(pix_hit *a, pix_hit *b) {
    pix_hit old = *a;
    *a = *b;
    *b = old;
}

static void sift_up(best *b, size_t i) {
    for (; i > 0 && ranks_before(&b->hits[(i - 1) / 2], &b->hits[i]); i = (i - 1) / 2)
        swap_hits(&b->hits[(i - 1) / 2], &b->hits[i]);
}

static void sift_down(best *b) {
    for (size_t i = 0;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < b->count; child++)
            if (ranks_before(&b->hits[worst], &b->hits[child]))
                worst = child;
        if (worst == i)
            return;
        swap_hits(&b->hits[i], &b->hits[worst]);
        i = worst;
    }
}

/* False when the hit is not among the best. */
static bool offer(best *b, pix_hit hit) {
    if (b->count < b->capacity) {
        b->hits[b->count] = hit;
        sift_up(b, b->count++);
        return true;
    }
    if (!ranks_before(&hit, &b->hits[0]))
        return false;
    b->hits[0] = hit;
    sift_down(b);
    return true;
}

/* Best first: the worst goes to the end, and so on. */
static void sort_best(best *b) {
    size_t total = b->count;
    while (b->count > 1) {
        swap_hits(&b->hits[0], &b->hits[--b->count]);
        sift_down(b);
    }
    b->count = total;
}

static pix_status offer_photos(pix_store *store, int64_t content_id, double score, best *b,
                               pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_IMAGES_OF_CONTENT);
    pix_bind_integer(&s, content_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        pix_hit hit = {.image_id = sqlite3_column_int64(s.handle, 0), .score = score};
        if (b->selection && !pix_selection_has_image(b->selection, hit.image_id))
            continue;
        if (!offer(b, hit))
            break;
    }
    pix_statement_end(&s);
    return status;
}

/* The score of the vector in the row of `s`; `vector` is room for it. */
static pix_status score_row(pix_statement *s, const float *query, size_t dimension, float *vector,
                            double *score, pix_error *error) {
    const void *bytes = sqlite3_column_blob(s->handle, 2);
    int size = sqlite3_column_bytes(s->handle, 2);
    if (!bytes || (size_t)size != dimension * sizeof *vector)
        return pix_fail(error, PIX_EFORMAT, "%s: vector %lld has %d bytes instead of %zu",
                        s->store->path, (long long)sqlite3_column_int64(s->handle, 0), size,
                        dimension * sizeof *vector);
    pix_vector_load(bytes, dimension, vector);
    *score = pix_dot(query, vector, dimension);
    if (!isfinite(*score))
        return pix_fail(error, PIX_EFORMAT, "%s: vector %lld holds values that are not numbers",
                        s->store->path, (long long)sqlite3_column_int64(s->handle, 0));
    return PIX_OK;
}

/* The statement stays open from the first row to the last, so everything read sees one state. */
static pix_status scan(pix_store *store, int64_t model_id, const float *query, size_t dimension,
                       float *vector, best *b, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&s, model_id);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        double score = 0;
        if (b->selection &&
            !pix_selection_has_embedding(b->selection, sqlite3_column_int64(s.handle, 0)))
            continue;
        if ((status = score_row(&s, query, dimension, vector, &score, error)))
            break;
        if (b->count == b->capacity && score < b->hits[0].score)
            continue;
        if ((status = offer_photos(store, sqlite3_column_int64(s.handle, 1), score, b, error)))
            break;
    }
    pix_statement_end(&s);
    return status;
}

static pix_status search(pix_store *store, int64_t model_id, const float *query, int dimension,
                         best *b, pix_error *error) {
    int expected;
    pix_status status = pix_store_model_dimension(store, model_id, &expected, error);
    if (status)
        return status;
    if (dimension != expected)
        return pix_fail(error, PIX_EMISMATCH, "%s: a query of %d dimensions for vectors of %d",
                        store->path, dimension, expected);
    if ((status = pix_vector_check(query, (size_t)dimension, error))) {
        (void)pix_error_prefix(error, "query");
        return status;
    }
    float *vector = malloc((size_t)dimension * sizeof *vector);
    if (!vector)
        return pix_fail_memory(error);
    status = scan(store, model_id, query, (size_t)dimension, vector, b, error);
    free(vector);
    return status;
}

pix_status pix_vector_index_search(pix_store *store, int64_t model_id,
                                   const pix_selection *selection, const float *query,
                                   int dimension, size_t k, pix_hit *hits, size_t *count,
                                   pix_error *error) {
    *count = 0;
    if (k == 0)
        return PIX_OK;
    best b = {.selection = selection, .hits = hits, .capacity = k};
    pix_store_lock(store);
    pix_status status = search(store, model_id, query, dimension, &b, error);
    pix_store_unlock(store);
    if (status)
        return status;
    sort_best(&b);
    *count = b.count;
    return PIX_OK;
}
