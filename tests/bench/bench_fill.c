/* bench_fill INDEX.db MODEL.pixm PRECISION COUNT: an index of COUNT made-up photos, to time queries
 * on.
 *
 * The vectors are random, so a search has the same work as on real ones but nothing to find. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clip/model.h"
#include "storage/vector_index.h"

static const char folder[] = "/photos";

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* A direction: uniform parts are near enough to normal ones in so many dimensions. */
static void fill_vector(uint64_t *state, float *vector, size_t dimension) {
    double square = 0.0;
    for (size_t i = 0; i < dimension; i++) {
        vector[i] = (float)((double)(next_random(state) >> 11) / 9007199254740992.0 - 0.5);
        square += (double)vector[i] * (double)vector[i];
    }
    for (size_t i = 0; i < dimension; i++)
        vector[i] = (float)((double)vector[i] / sqrt(square));
}

static pix_status add_photo(pix_store *store, const pix_recipe *recipe, int64_t run, int64_t root,
                            int64_t number, const float *vector, int dimension, pix_error *error) {
    char path[64];
    uint8_t content[PIX_SHA256_BYTES] = {0};
    pix_content facts = {.width = 4000, .height = 3000, .orientation = 1, .format = "jpeg"};
    memcpy(content, &number, sizeof number);
    (void)snprintf(path, sizeof path, "%s/%03lld/IMG_%06lld.jpg", folder, (long long)number / 1000,
                   (long long)number);
    pix_status status =
        pix_store_content_put(store, recipe, content, &facts, vector, dimension, error);
    if (!status)
        status = pix_store_photo_put(store, run, root, path, number, 2000000, content, error);
    return status;
}

static pix_status fill(pix_store *store, const pix_model *model, const char *precision,
                       int64_t count, pix_error *error) {
    int dimension = pix_model_config(model)->embed_dim;
    pix_recipe recipe = {.precision = precision};
    int64_t run = 0, root = 0;
    uint64_t state = 1;
    float *vector = malloc((size_t)dimension * sizeof *vector);
    if (!vector)
        return pix_fail_memory(error);
    pix_status status =
        pix_store_model_put(store, pix_model_name(model), pix_model_fingerprint(model), dimension,
                            &recipe.model_id, error);
    if (!status)
        status = pix_store_root_put(store, folder, "made-up", false, &root, error);
    if (!status)
        status = pix_store_run_begin(store, recipe.model_id, &run, error);
    for (int64_t i = 0; i < count && !status; i++) {
        fill_vector(&state, vector, (size_t)dimension);
        status = add_photo(store, &recipe, run, root, i, vector, dimension, error);
        if (i % 10000 == 9999 && !status)
            status = pix_store_commit(store, error);
    }
    if (!status)
        status = pix_store_run_end(store, run, &(pix_run_counts){.seen = count, .added = count},
                                   "finished", error);
    if (!status)
        status = pix_store_commit(store, error);
    const pix_vector_update update = {.kind = PIX_VECTORS_SETTLE, .model_id = recipe.model_id};
    if (!status)
        status = pix_vector_index_update(store, &update, error);
    free(vector);
    return status;
}

int main(int argc, char **argv) {
    pix_error error = {0};
    pix_model *model = NULL;
    pix_store *store = NULL;
    char *end = NULL;
    long long count = argc == 5 ? strtoll(argv[4], &end, 10) : 0;
    if (count < 1 || *end) {
        (void)fprintf(stderr, "usage: %s INDEX.db MODEL.pixm PRECISION COUNT\n", argv[0]);
        return 2;
    }
    pix_status status = pix_model_open(argv[2], &model, &error);
    if (!status)
        status = pix_store_open(argv[1], PIX_STORE_WRITE, &store, &error);
    if (!status)
        status = fill(store, model, argv[3], count, &error);
    if (status)
        (void)fprintf(stderr, "%s: %s\n", argv[0], error.text);
    pix_store_close(store);
    pix_model_close(model);
    return status ? 1 : 0;
}
