#include "query/collapse.h"

#include <stdlib.h>
#include <string.h>

#include "core/tensor/isa.h"
#include "query/options.h"
#include "storage/alike.h"

/* A photo that was found. */
typedef struct finding {
    pix_hit hit;
    int64_t content_id; /* 0: it is gone since the search */
    size_t place;       /* of its content in the order in which contents are met */
} finding;

typedef struct collapsing {
    pix_search *search;
    const float *query;
    int dimension;
    double alike;
    finding *findings; /* [count], best first */
    size_t count;
    pix_alike *groups; /* [content_count] */
    size_t content_count;
} collapsing;

static void forget(collapsing *job) {
    free(job->findings);
    free(job->groups);
    job->findings = NULL;
    job->groups = NULL;
    job->count = job->content_count = 0;
}

/* The `asked` best photos and their contents. */
static pix_status find(collapsing *job, size_t asked, pix_error *error) {
    pix_hit *hits = calloc(asked + 1, sizeof *hits);
    job->findings = calloc(asked + 1, sizeof *job->findings);
    pix_status status = hits && job->findings ? PIX_OK : pix_fail_memory(error);
    if (!status)
        status = pix_search_best(job->search, job->query, 1, asked, hits, &job->count, NULL, error);
    for (size_t i = 0; i < job->count && !status; i++) {
        pix_photo_row row;
        status = pix_search_photo(job->search, hits[i].image_id, &row, error);
        bool gone = status == PIX_ENOTFOUND;
        job->findings[i] =
            (finding){.hit = hits[i], .content_id = gone || status ? 0 : row.content_id};
        if (gone)
            status = PIX_OK;
    }
    free(hits);
    return status;
}

typedef struct meeting {
    int64_t content_id;
    size_t finding;
} meeting;

static int by_content(const void *left, const void *right) {
    const meeting *a = left, *b = right;
    if (a->content_id != b->content_id)
        return a->content_id < b->content_id ? -1 : 1;
    return a->finding < b->finding ? -1 : a->finding > b->finding;
}

/* Gives every finding the place of its content. */
static pix_status place_contents(collapsing *job, pix_error *error) {
    meeting *sorted = calloc(job->count + 1, sizeof *sorted);
    if (!sorted)
        return pix_fail_memory(error);
    for (size_t i = 0; i < job->count; i++)
        sorted[i] = (meeting){.content_id = job->findings[i].content_id, .finding = i};
    qsort(sorted, job->count, sizeof *sorted, by_content);
    for (size_t i = 0, first = 0; i < job->count; i++) { /* for now the first finding of it */
        if (sorted[i].content_id != sorted[first].content_id)
            first = i;
        job->findings[sorted[i].finding].place = sorted[first].finding;
    }
    free(sorted);
    for (size_t i = 0; i < job->count; i++) {
        finding *one = &job->findings[i];
        one->place = one->place == i ? job->content_count++ : job->findings[one->place].place;
    }
    return PIX_OK;
}

static pix_status read_vectors(collapsing *job, float *vectors, pix_error *error) {
    size_t dimension = (size_t)job->dimension, next = 0;
    pix_status status = PIX_OK;
    for (size_t i = 0; i < job->count && !status; i++) {
        const finding *one = &job->findings[i];
        bool found = false;
        if (one->place != next)
            continue;
        if (one->content_id != 0)
            status = pix_search_vector(job->search, one->content_id, vectors + next * dimension,
                                       &found, error);
        if (!found) /* like nothing else */
            memset(vectors + next * dimension, 0, dimension * sizeof *vectors);
        next++;
    }
    return status;
}

static pix_status group(collapsing *job, pix_error *error) {
    pix_compute compute = {0};
    size_t values;
    pix_status status = place_contents(job, error);
    if (status)
        return status;
    job->groups = calloc(job->content_count + 1, sizeof *job->groups);
    if (!job->groups || !pix_size_multiply(job->content_count, (size_t)job->dimension, &values))
        return pix_fail_memory(error);
    for (size_t i = 0; i < job->content_count; i++)
        job->groups[i].leader = i;
    if (job->alike >= PIX_IDENTICAL)
        return PIX_OK;
    float *vectors = calloc(values + 1, sizeof *vectors);
    status = vectors ? pix_kernels_wanted(&compute.kernels, error) : pix_fail_memory(error);
    if (!status)
        status = read_vectors(job, vectors, error);
    if (!status)
        status = pix_alike_group(&compute, vectors, job->content_count, job->dimension, job->alike,
                                 job->groups, NULL, NULL, error);
    free(vectors);
    return status;
}

/* Fills the caller's lists from the front; false when more photos may change them. */
static pix_status show(collapsing *job, size_t k, pix_hit *hits, size_t *folded, size_t *count,
                       bool *ended, pix_error *error) {
    size_t *shown = calloc(job->content_count + 1, sizeof *shown); /* by leader, counted from 1 */
    if (!shown)
        return pix_fail_memory(error);
    *count = 0;
    *ended = false;
    for (size_t i = 0; i < job->count && !*ended; i++) {
        const finding *one = &job->findings[i];
        size_t leader = job->groups[one->place].leader;
        if (one->content_id == 0)
            continue;
        if (shown[leader] > 0) {
            folded[shown[leader] - 1]++;
        } else if (*count == k) {
            *ended = true;
        } else {
            folded[*count] = 0;
            hits[(*count)++] = one->hit;
            shown[leader] = *count;
        }
    }
    free(shown);
    return PIX_OK;
}

pix_status pix_collapse(pix_search *search, const float *vector, int dimension, double alike,
                        size_t k, pix_hit *hits, size_t *folded, size_t *count, pix_error *error) {
    collapsing job = {.search = search, .query = vector, .dimension = dimension, .alike = alike};
    pix_status status = PIX_OK;
    bool ended = false;
    *count = 0;
    for (size_t asked = k, before = 0; !status && !ended;) {
        asked = pix_search_bound(search, asked < SIZE_MAX / 2 ? 2 * asked : asked);
        if (asked == before)
            break;
        forget(&job);
        if (!(status = find(&job, asked, error)) && !(status = group(&job, error)))
            status = show(&job, k, hits, folded, count, &ended, error);
        before = asked;
    }
    forget(&job);
    return status;
}
