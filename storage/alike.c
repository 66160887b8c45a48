/* Leaders are found a block at a time: the next vectors that belong to nobody are compared with
 * each other, then those of them that lead with everything that follows.  Products of blocks run at
 * the speed of the towers' matrix multiplication. */
#include "storage/alike.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/dot.h"

enum { LEADERS = 512, ROWS = 2048 };
static_assert((int)LEADERS <= (int)ROWS, "candidates are compared with each other at once");

static const size_t nobody = SIZE_MAX;

typedef struct grouping {
    const pix_compute *compute;
    const float *vectors;
    size_t count, width; /* [count, width] */
    double threshold;
    double low, high; /* products below and above these are what they seem */
    pix_alike *out;
    size_t *leaders; /* [leader_count]: of the block at hand, in order */
    size_t leader_count;
    float *gathered; /* [LEADERS, width] */
    void *panels;    /* of `gathered` */
    float *products; /* [ROWS, LEADERS] */
} grouping;

/* The product of float32 vectors of length 1 (within 1e-3) is off by less than width * 2^-24 times
 * their lengths, in whatever order it is summed; this is twice that. */
static double rounding(size_t width) {
    return (double)width * 0x1p-23;
}

static const float *vector_of(const grouping *job, size_t index) {
    return job->vectors + index * job->width;
}

/* Lets `index` join `leader` if it is near enough; `product` is about what decides. */
static bool join(grouping *job, size_t index, size_t leader, double product) {
    if (product < job->low)
        return false;
    double score = pix_dot(vector_of(job, index), vector_of(job, leader), job->width);
    if (product <= job->high && score < job->threshold)
        return false;
    job->out[index] = (pix_alike){.leader = leader, .score = score};
    return true;
}

static void pack(grouping *job) {
    for (size_t i = 0; i < job->leader_count; i++)
        memcpy(job->gathered + i * job->width, vector_of(job, job->leaders[i]),
               job->width * sizeof *job->gathered);
    pix_panels_f32_pack((int)job->leader_count, (int)job->width, job->gathered, job->panels);
}

/* products [rows, leaders] of the vectors from x on with the leaders. */
static void multiply(grouping *job, const float *x, size_t rows) {
    static const pix_epilogue plain = {.activation = PIX_LINEAR};
    pix_panels_f32 panels =
        pix_panels_f32_view((int)job->leader_count, (int)job->width, job->panels);
    pix_matmul_f32(job->compute, (int)rows, x, job->width, &panels, &plain, job->products, LEADERS);
}

/* Takes the next that belong to nobody, from *next on, and lets them join each other: those that
 * lead are left. */
static void find_leaders(grouping *job, size_t *next) {
    size_t candidates = 0, leads[LEADERS];
    for (; *next < job->count && candidates < LEADERS; ++*next)
        if (job->out[*next].leader == nobody)
            job->leaders[candidates++] = *next;
    job->leader_count = candidates;
    pack(job);
    multiply(job, job->gathered, candidates);
    job->leader_count = 0;
    for (size_t i = 0; i < candidates; i++) {
        size_t index = job->leaders[i], k = 0;
        const float *products = job->products + i * LEADERS;
        while (k < job->leader_count && !join(job, index, job->leaders[k], products[leads[k]]))
            k++;
        if (k < job->leader_count)
            continue;
        job->out[index] = (pix_alike){.leader = index, .score = 1};
        leads[job->leader_count] = i;
        job->leaders[job->leader_count++] = index; /* no place before the i-th is needed again */
    }
    pack(job);
}

/* Lets everything from `next` on that belongs to nobody join the leaders. */
static void find_members(grouping *job, size_t next) {
    for (size_t rows; next < job->count; next += rows) {
        rows = job->count - next < ROWS ? job->count - next : ROWS;
        multiply(job, vector_of(job, next), rows);
        for (size_t i = 0; i < rows; i++) {
            const float *products = job->products + i * LEADERS;
            for (size_t k = 0; job->out[next + i].leader == nobody && k < job->leader_count; k++)
                (void)join(job, next + i, job->leaders[k], (double)products[k]);
        }
    }
}

static pix_status allocate(grouping *job, pix_error *error) {
    size_t values, bytes = pix_panels_f32_size(LEADERS, (int)job->width);
    if (bytes == 0 || !pix_size_multiply(LEADERS, job->width, &values))
        return pix_fail_memory(error);
    job->leaders = calloc(LEADERS, sizeof *job->leaders);
    job->gathered = calloc(values, sizeof *job->gathered);
    job->panels = aligned_alloc(64, (bytes + 63) / 64 * 64);
    job->products = calloc((size_t)ROWS * LEADERS, sizeof *job->products);
    bool whole = job->leaders && job->gathered && job->panels && job->products;
    return whole ? PIX_OK : pix_fail_memory(error);
}

/* Of the pairs of `count` vectors, the part that is compared once those before `next` are done. */
static double part_done(size_t next, size_t count) {
    double left = (double)(count - next) / (double)count;
    return 1 - left * left;
}

pix_status pix_alike_group(const pix_compute *compute, const float *vectors, size_t count,
                           int dimension, double threshold, pix_alike *out,
                           void (*progress)(void *context, double done), void *context,
                           pix_error *error) {
    grouping job = {.compute = compute,
                    .vectors = vectors,
                    .count = count,
                    .width = (size_t)dimension,
                    .threshold = threshold,
                    .low = threshold - rounding((size_t)dimension),
                    .high = threshold + rounding((size_t)dimension),
                    .out = out};
    pix_status status = allocate(&job, error);
    for (size_t i = 0; i < count; i++)
        out[i].leader = nobody;
    for (size_t next = 0; !status && next < count;) {
        find_leaders(&job, &next);
        find_members(&job, next);
        if (progress)
            progress(context, part_done(next, count));
    }
    free(job.leaders);
    free(job.gathered);
    free(job.panels);
    free(job.products);
    return status;
}
