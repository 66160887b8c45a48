#include "storage/background.h"

#include <math.h>
#include <stdlib.h>

#include "core/tensor/dot.h"
#include "storage/statement.h"
#include "storage/vector.h"

/* Up to here it costs next to nothing. */
enum { SMALL_LIBRARY = 2000 };

typedef struct making {
    size_t dimension;
    const float *words; /* [word_count, dimension] */
    size_t word_count;
    double *best;  /* [word_count]: score of the nearest vector */
    double *sum;   /* [dimension] */
    float *vector; /* [dimension] */
    int64_t count, last_id;
} making;

static pix_status is_due(pix_store *store, int64_t model_id, bool *due, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_BACKGROUND_AGE);
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row) {
        int64_t now = sqlite3_column_int64(s.handle, 0), added = sqlite3_column_int64(s.handle, 1);
        int64_t then = sqlite3_column_int64(s.handle, 2);
        int64_t changes = then < 0 ? now : added + (then - (now - added));
        *due = changes > 0 && (now <= SMALL_LIBRARY || changes >= now / 10);
    }
    pix_statement_end(&s);
    return status;
}

static pix_status is_damaged(pix_store *store, int64_t model_id, bool *damaged, pix_error *error) {
    int dimension;
    pix_background background;
    pix_status status = pix_store_model_dimension(store, model_id, &dimension, error);
    if (!status)
        status = pix_store_background_get(store, model_id, dimension, &background, error);
    *damaged = status == PIX_EFORMAT;
    if (!status)
        pix_background_free(&background);
    return *damaged ? PIX_OK : status;
}

pix_status pix_store_background_due(pix_store *store, int64_t model_id, bool *due,
                                    pix_error *error) {
    *due = false;
    pix_store_lock(store);
    pix_status status = is_due(store, model_id, due, error);
    if (!status && !*due)
        status = is_damaged(store, model_id, due, error);
    pix_store_unlock(store);
    return status;
}

static void add_vector(making *m, int64_t id) {
    for (size_t i = 0; i < m->dimension; i++)
        m->sum[i] += (double)m->vector[i];
    for (size_t w = 0; w < m->word_count; w++) {
        double score = pix_dot(m->words + w * m->dimension, m->vector, m->dimension);
        if (score > m->best[w])
            m->best[w] = score;
    }
    m->count++;
    m->last_id = id;
}

static pix_status read_vectors(making *m, pix_store *store, int64_t model_id, pix_error *error) {
    pix_statement s = pix_statement_begin(store, PIX_SQL_EMBEDDINGS);
    pix_bind_integer(&s, model_id);
    pix_bind_integer(&s, 0);
    pix_status status;
    while (!(status = pix_statement_step(&s, error)) && s.row) {
        if (pix_vector_read(sqlite3_column_blob(s.handle, 2), sqlite3_column_bytes(s.handle, 2),
                            m->dimension, m->vector))
            add_vector(m, sqlite3_column_int64(s.handle, 0));
    }
    pix_statement_end(&s);
    return status;
}

static int compare_scores(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static pix_status put(making *m, pix_store *store, int64_t model_id, pix_error *error) {
    pix_status status = pix_store_change(store, error);
    if (status)
        return status;
    if (m->count == 0) {
        pix_statement s = pix_statement_begin(store, PIX_SQL_BACKGROUND_DROP);
        pix_bind_integer(&s, model_id);
        return pix_statement_run(&s, error);
    }
    for (size_t i = 0; i < m->dimension; i++)
        m->vector[i] = (float)(m->sum[i] / (double)m->count);
    size_t size = m->dimension * sizeof *m->vector;
    void *bytes = calloc(m->dimension + 1, sizeof *m->vector);
    if (!bytes)
        return pix_fail_memory(error);
    pix_vector_store(m->vector, m->dimension, bytes);
    pix_statement s = pix_statement_begin(store, PIX_SQL_BACKGROUND_PUT);
    pix_bind_integer(&s, model_id);
    pix_bind_integer(&s, m->count);
    pix_bind_integer(&s, m->last_id);
    pix_bind_bytes(&s, bytes, size);
    if (m->word_count > 0) {
        qsort(m->best, m->word_count, sizeof *m->best, compare_scores);
        pix_bind_real(&s, m->best[m->word_count / 5]);
    } else {
        pix_bind_null(&s);
    }
    status = pix_statement_run(&s, error);
    free(bytes);
    return status;
}

static pix_status make(making *m, pix_store *store, int64_t model_id, pix_error *error) {
    int expected;
    pix_status status = pix_store_model_dimension(store, model_id, &expected, error);
    if (status)
        return status;
    if ((size_t)expected != m->dimension)
        return pix_fail(error, PIX_EMISMATCH, "%s: words of %zu dimensions for vectors of %d",
                        store->path, m->dimension, expected);
    double *sum = m->sum = calloc(m->dimension, sizeof *sum);
    double *best = m->best = calloc(m->word_count + 1, sizeof *best);
    float *vector = m->vector = calloc(m->dimension, sizeof *vector);
    status = sum && best && vector ? PIX_OK : pix_fail_memory(error);
    for (size_t i = 0; i < m->word_count && !status; i++)
        best[i] = -INFINITY;
    if (!status)
        status = read_vectors(m, store, model_id, error);
    if (!status)
        status = put(m, store, model_id, error);
    free(sum);
    free(best);
    free(vector);
    return status;
}

pix_status pix_store_background_make(pix_store *store, int64_t model_id, const float *words,
                                     size_t count, int dimension, pix_error *error) {
    making m = {.dimension = (size_t)dimension, .words = words, .word_count = count};
    pix_store_lock(store);
    pix_status status = make(&m, store, model_id, error);
    pix_store_unlock(store);
    return status;
}

static pix_status fail_damaged(const pix_statement *s, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT,
                    "%s: the mean of its vectors is damaged; pixgrepd index makes it anew",
                    s->store->path);
}

static pix_status read_row(pix_statement *s, size_t dimension, pix_background *out,
                           pix_error *error) {
    const void *bytes = sqlite3_column_blob(s->handle, 1);
    int size = sqlite3_column_bytes(s->handle, 1);
    if (!bytes || (size_t)size != dimension * sizeof *out->mean)
        return fail_damaged(s, error);
    out->mean = malloc((size_t)size);
    if (!out->mean)
        return pix_fail_memory(error);
    pix_vector_load(bytes, dimension, out->mean);
    for (size_t i = 0; i < dimension; i++)
        if (!(fabsf(out->mean[i]) <= 1.001F))
            return fail_damaged(s, error);
    out->vectors = sqlite3_column_int64(s->handle, 0);
    out->has_level = sqlite3_column_type(s->handle, 2) == SQLITE_FLOAT;
    out->level = sqlite3_column_double(s->handle, 2);
    return PIX_OK;
}

pix_status pix_store_background_get(pix_store *store, int64_t model_id, int dimension,
                                    pix_background *out, pix_error *error) {
    *out = (pix_background){0};
    pix_store_lock(store);
    pix_statement s = pix_statement_begin(store, PIX_SQL_BACKGROUND_GET);
    pix_bind_integer(&s, model_id);
    pix_status status = pix_statement_step(&s, error);
    if (!status && s.row)
        status = read_row(&s, (size_t)dimension, out, error);
    pix_statement_end(&s);
    pix_store_unlock(store);
    if (status)
        pix_background_free(out);
    return status;
}

void pix_background_free(pix_background *background) {
    free(background->mean);
    *background = (pix_background){0};
}
