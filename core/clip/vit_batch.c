#include "core/clip/vit_batch.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Tokens of the pictures that a thread takes at a time: enough that a product's cost is arithmetic
 * and not reading the weights. */
enum { LANE_ROWS = 400 };

static int least(int a, int b) {
    return a < b ? a : b;
}

pix_status pix_vit_batch_init(pix_vit_batch *batch, const pix_vit *vit, int count,
                              pix_error *error) {
    int threads = pix_pool_threads(vit->transformer.compute->pool);
    int most = LANE_ROWS / vit->tokens;
    *batch = (pix_vit_batch){.vit = vit, .lanes = least(threads, count)};
    batch->most = least(most < 1 ? 1 : most, (count + batch->lanes - 1) / batch->lanes);
    batch->scratch = calloc((size_t)batch->lanes, sizeof *batch->scratch);
    pix_scratch_sizes sizes = {0};
    pix_status status = batch->scratch && pix_vit_measure(vit, (size_t)batch->most, &sizes)
                            ? PIX_OK
                            : pix_fail_memory(error);
    for (int lane = 0; lane < batch->lanes && !status; lane++)
        status = pix_scratch_init(&batch->scratch[lane], &sizes, error);
    if (status)
        pix_vit_batch_free(batch);
    return status;
}

void pix_vit_batch_free(pix_vit_batch *batch) {
    for (int lane = 0; batch->scratch && lane < batch->lanes; lane++)
        pix_scratch_free(&batch->scratch[lane]);
    free(batch->scratch);
    *batch = (pix_vit_batch){0};
}

typedef struct encoding {
    const pix_vit_batch *batch;
    pix_vit alone; /* whose products no other thread helps with */
    const pix_pictures *pictures;
    int count, step; /* pictures that the lanes share; taken at a time */
    atomic_int next; /* the first that nobody has taken */
    float *features;
} encoding;

/* Pictures `first` to first + count - 1, as many as fit the scratch. */
static void encode(const pix_vit *vit, pix_scratch *scratch, const pix_pictures *pictures,
                   int first, int count, float *features) {
    size_t picture = 3 * (size_t)vit->image_size * (size_t)vit->image_size;
    for (int i = 0; i < count; i++) {
        size_t at = (size_t)(first + i) * picture;
        if (pictures->rgb)
            pix_vit_cut_bytes(vit, scratch, i, pictures->rgb + at, pictures->values);
        else
            pix_vit_cut_floats(vit, scratch, i, pictures->pixels + at);
    }
    pix_vit_encode(vit, scratch, count, features + (size_t)first * (size_t)vit->embed_dim);
}

static void encode_task(void *context, size_t lane) {
    encoding *work = context;
    for (int first; (first = atomic_fetch_add(&work->next, work->step)) < work->count;)
        encode(&work->alone, &work->batch->scratch[lane], work->pictures, first,
               least(work->step, work->count - first), work->features);
}

void pix_vit_batch_run(const pix_vit_batch *batch, const pix_pictures *pictures, int count,
                       float *features) {
    const pix_compute *compute = batch->vit->transformer.compute;
    const pix_compute alone = {.kernels = compute->kernels};
    /* Ranges are one thread's to widen. */
    int shared = batch->vit->transformer.ranges ? 0 : count - count % batch->lanes;
    encoding work = {.batch = batch,
                     .alone = *batch->vit,
                     .pictures = pictures,
                     .count = shared,
                     .step = least(batch->most, shared / batch->lanes),
                     .features = features};
    work.alone.transformer.compute = &alone;
    if (shared > 0)
        pix_pool_run(compute->pool, (size_t)batch->lanes, encode_task, &work);
    for (int first = shared; first < count; first += batch->most)
        encode(batch->vit, batch->scratch, pictures, first, least(batch->most, count - first),
               features);
}
