/* Leaders are found a block at a time: the next vectors that belong to nobody are compared with
 * each other, then those of them that lead with everything that follows.
 *
 * Blocks are multiplied as int8 codes, at the speed of the towers, and only products that may reach
 * the threshold are computed again in float64.  A code is off by at most half a scale, so x by at
 * most e(x) = scale(x) sqrt(n) / 2 in length, and with x' and y' for what the codes say
 *
 *     |xy - x'y'| = |(x - x')y + x'(y - y')| <= e(x) |y| + (|x| + e(x)) e(y).
 */
#include "storage/alike.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/tensor/dot.h"

enum { LEADERS = 512, ROWS = 2048 };
static_assert((int)LEADERS <= (int)ROWS, "candidates are compared with each other at once");

static const size_t nobody = SIZE_MAX;
/* The longest a unit vector is taken to be, and what rounding may add to half a code's step and to
 * a product (the sum of codes is exact, two multiplications by scales follow). */
static const double most_length = 1.001, half_step = 0.501, finish_error = 1e-6;

typedef struct grouping {
    const pix_compute *compute;
    const float *vectors;
    size_t count, width; /* [count, width] */
    double threshold;
    pix_alike *out;
    pix_codes codes; /* of the vectors */
    size_t code_stride;
    size_t *leaders; /* [leader_count]: of the block at hand, in order */
    size_t leader_count;
    double leader_error;  /* the largest e(x) among them */
    float *gathered;      /* [LEADERS, width] */
    void *panels;         /* of `gathered` */
    pix_codes candidates; /* [LEADERS] */
    float *products;      /* [ROWS, LEADERS] */
} grouping;

static const float *vector_of(const grouping *job, size_t index) {
    return job->vectors + index * job->width;
}

static double error_of(const grouping *job, size_t index) {
    return half_step * (double)job->codes.scales[index] * sqrt((double)job->width);
}

/* A product of the codes of `index` and of any leader that is lower than this is one of vectors
 * below the threshold. */
static float lowest(const grouping *job, size_t index) {
    double own = error_of(job, index);
    double bound = own * most_length + (most_length + own) * job->leader_error + finish_error;
    return (float)(job->threshold - bound - finish_error);
}

/* Lets `index` join `leader` if it is near enough. */
static bool join(grouping *job, size_t index, size_t leader) {
    double score = pix_dot(vector_of(job, index), vector_of(job, leader), job->width);
    if (score < job->threshold)
        return false;
    job->out[index] = (pix_alike){.leader = leader, .score = score};
    return true;
}

static void pack(grouping *job) {
    job->leader_error = 0;
    for (size_t i = 0; i < job->leader_count; i++) {
        memcpy(job->gathered + i * job->width, vector_of(job, job->leaders[i]),
               job->width * sizeof *job->gathered);
        job->leader_error = fmax(job->leader_error, error_of(job, job->leaders[i]));
    }
    pix_panels_int8_pack((int)job->leader_count, (int)job->width, job->gathered, job->panels);
}

/* products [rows, leaders] of some rows of codes with the leaders. */
static void multiply(grouping *job, const pix_codes *rows, size_t count) {
    static const pix_epilogue plain = {.activation = PIX_LINEAR};
    pix_panels_int8 panels =
        pix_panels_int8_view((int)job->leader_count, (int)job->width, job->panels);
    pix_matmul_int8(job->compute, (int)count, rows, &panels, &plain, job->products, LEADERS);
}

/* Takes the next that belong to nobody, from *next on, and lets them join each other: those that
 * lead are left. */
static void find_leaders(grouping *job, size_t *next) {
    size_t count = 0, leads[LEADERS];
    for (; *next < job->count && count < LEADERS; ++*next) {
        if (job->out[*next].leader != nobody)
            continue;
        memcpy(job->candidates.codes + count * job->code_stride,
               job->codes.codes + *next * job->code_stride, job->code_stride);
        job->candidates.scales[count] = job->codes.scales[*next];
        job->leaders[count++] = *next;
    }
    job->leader_count = count;
    pack(job);
    multiply(job, &job->candidates, count);
    job->leader_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t index = job->leaders[i], k = 0;
        const float *products = job->products + i * LEADERS;
        float low = lowest(job, index);
        while (k < job->leader_count &&
               !(products[leads[k]] >= low && join(job, index, job->leaders[k])))
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
        const pix_codes codes = {.codes = job->codes.codes + next * job->code_stride,
                                 .scales = job->codes.scales + next};
        multiply(job, &codes, rows);
        for (size_t i = 0; i < rows; i++) {
            const float *products = job->products + i * LEADERS;
            float low = lowest(job, next + i);
            if (job->out[next + i].leader != nobody)
                continue;
            for (size_t k = 0; k < job->leader_count; k++)
                if (products[k] >= low && join(job, next + i, job->leaders[k]))
                    break;
        }
    }
}

static pix_status allocate_codes(pix_codes *codes, size_t count, size_t stride, pix_error *error) {
    size_t bytes;
    if (!pix_size_multiply(count, stride, &bytes))
        return pix_fail_memory(error);
    codes->codes = calloc(bytes, 1);
    codes->scales = calloc(count, sizeof *codes->scales);
    return codes->codes && codes->scales ? PIX_OK : pix_fail_memory(error);
}

static pix_status allocate(grouping *job, pix_error *error) {
    size_t values, bytes = pix_panels_int8_size(LEADERS, (int)job->width);
    if (bytes == 0 || job->count > INT32_MAX || !pix_size_multiply(LEADERS, job->width, &values))
        return pix_fail_memory(error);
    job->leaders = calloc(LEADERS, sizeof *job->leaders);
    job->gathered = calloc(values, sizeof *job->gathered);
    job->panels = aligned_alloc(64, (bytes + 63) / 64 * 64);
    job->products = calloc((size_t)ROWS * LEADERS, sizeof *job->products);
    if (!job->leaders || !job->gathered || !job->panels || !job->products)
        return pix_fail_memory(error);
    pix_status status = allocate_codes(&job->candidates, LEADERS, job->code_stride, error);
    return status ? status : allocate_codes(&job->codes, job->count, job->code_stride, error);
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
                    .out = out,
                    .code_stride = pix_codes_stride(compute->kernels, dimension)};
    if (count == 0)
        return PIX_OK;
    pix_status status = allocate(&job, error);
    if (!status)
        pix_quantise(compute, (int)count, dimension, vectors, (size_t)dimension, &job.codes);
    for (size_t i = 0; i < count; i++)
        out[i].leader = nobody;
    for (size_t next = 0; !status && next < count;) {
        find_leaders(&job, &next);
        find_members(&job, next);
        if (progress)
            progress(context, part_done(next, count));
    }
    free(job.codes.codes);
    free(job.codes.scales);
    free(job.candidates.codes);
    free(job.candidates.scales);
    free(job.leaders);
    free(job.gathered);
    free(job.panels);
    free(job.products);
    return status;
}
