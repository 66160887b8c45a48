#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor/dot.h"
#include "query/collapse.h"
#include "query/options.h"
#include "tests/support.h"

enum { DIMENSION = 8, CONTENTS = 300, PHOTOS = 500 };

static const char fingerprint[] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static uint64_t random_state = 7;

static double random_part(void) { /* splitmix64, -1 to 1 */
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (double)(z ^ z >> 31) / 0x1p63 - 1;
}

typedef struct library {
    char path[256];
    float vectors[CONTENTS][DIMENSION];
    int content_of[PHOTOS]; /* of the photo with id i + 1 */
} library;

static void make_vector(library *l, int i) {
    const float *near = i % 3 ? l->vectors[(int)((random_part() + 1) / 2 * i)] : NULL;
    double sum = 0, noise = near ? 0.05 : 1;
    float *v = l->vectors[i];
    for (int d = 0; d < DIMENSION; d++) {
        v[d] = (near ? near[d] : 0) + (float)(noise * random_part());
        sum += (double)v[d] * (double)v[d];
    }
    for (int d = 0; d < DIMENSION; d++)
        v[d] = (float)((double)v[d] / sqrt(sum));
}

/* Contents in clusters, some under several names. */
static library *make_library(void) {
    static library l;
    pix_error error;
    pix_store *store;
    int64_t root, run;
    pix_recipe recipe = {.precision = "fp32"};
    (void)snprintf(l.path, sizeof l.path, "%s/index.db", test_folder());
    assert_ok(pix_store_open(l.path, PIX_STORE_WRITE, &store, &error), &error);
    assert_ok(pix_store_model_put(store, "A", fingerprint, DIMENSION, &recipe.model_id, &error),
              &error);
    assert_ok(pix_store_root_put(store, "/p", "", false, &root, &error), &error);
    assert_ok(pix_store_run_begin(store, recipe.model_id, &run, &error), &error);
    for (int i = 0; i < PHOTOS; i++) {
        const pix_content facts = {.width = 1, .height = 1, .orientation = 1, .format = "png"};
        int content = i < CONTENTS ? i : (int)((random_part() + 1) / 2 * CONTENTS);
        uint8_t hash[PIX_SHA256_BYTES] = {0};
        char path[32];
        memcpy(hash, &content, sizeof content);
        (void)snprintf(path, sizeof path, "/p/%d", i);
        l.content_of[i] = content;
        if (i < CONTENTS) {
            make_vector(&l, i);
            assert_ok(pix_store_content_put(store, &recipe, hash, &facts, l.vectors[i], DIMENSION,
                                            &error),
                      &error);
        }
        assert_ok(pix_store_photo_put(store, run, root, path, 1, 1, hash, &error), &error);
    }
    assert_ok(pix_store_commit(store, &error), &error);
    pix_store_close(store);
    return &l;
}

/* All hits in order. */
static pix_hit *rank_all(pix_search *search, const float *query) {
    pix_hit *hits = calloc(PHOTOS, sizeof *hits);
    size_t count;
    pix_error error;
    assert_non_null(hits);
    assert_ok(pix_search_best(search, query, 1, PHOTOS, hits, &count, NULL, &error), &error);
    assert_int_equal(count, PHOTOS);
    return hits;
}

/* What collapse.h says, in the plainest way. */
static size_t collapse_plainly(const library *l, const pix_hit *all, double alike, size_t k,
                               pix_hit *hits, size_t *folded) {
    size_t count = 0;
    for (size_t i = 0; i < PHOTOS; i++) {
        int content = l->content_of[all[i].image_id - 1];
        size_t g = 0;
        for (; g < count; g++) {
            int shown = l->content_of[hits[g].image_id - 1];
            if (shown == content ||
                (alike < PIX_IDENTICAL &&
                 pix_dot(l->vectors[content], l->vectors[shown], DIMENSION) >= alike))
                break;
        }
        if (g < count) {
            folded[g]++;
        } else if (count == k) {
            break;
        } else {
            folded[count] = 0;
            hits[count++] = all[i];
        }
    }
    return count;
}

static void what_is_shown_is_what_the_definition_says(void **state) {
    (void)state;
    static const double lines[] = {PIX_IDENTICAL, 0.999, 0.98, 0.9, 0.5};
    static const size_t wishes[] = {1, 2, 10, 40, 499, 500, 10000};
    library *l = make_library();
    pix_search *search;
    pix_error error;
    pix_bytes note = {0};
    assert_ok(pix_search_open(&(pix_search_index){.database = l->path,
                                                  .model = "A",
                                                  .fingerprint = fingerprint,
                                                  .dimension = DIMENSION},
                              &search, &note, &error),
              &error);
    for (int q = 0; q < 20; q++) {
        const float *query = l->vectors[(size_t)q * 13];
        pix_hit *all = rank_all(search, query);
        for (size_t t = 0; t < sizeof lines / sizeof *lines; t++)
            for (size_t w = 0; w < sizeof wishes / sizeof *wishes; w++) {
                static pix_hit hits[10000], expected[10000];
                static size_t folded[10000], expected_folded[10000];
                size_t count,
                    want = collapse_plainly(l, all, lines[t], wishes[w], expected, expected_folded);
                assert_ok(pix_collapse(search, query, DIMENSION, lines[t], wishes[w], hits, folded,
                                       &count, &error),
                          &error);
                assert_int_equal(count, want);
                for (size_t i = 0; i < count; i++)
                    if (hits[i].image_id != expected[i].image_id ||
                        hits[i].score != expected[i].score || folded[i] != expected_folded[i])
                        fail_msg("alike %g, %zu wanted: at %zu photo %lld (+%zu), not %lld (+%zu)",
                                 lines[t], wishes[w], i, (long long)hits[i].image_id, folded[i],
                                 (long long)expected[i].image_id, expected_folded[i]);
            }
        free(all);
    }
    pix_search_close(search);
    pix_bytes_free(&note);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown_is_what_the_definition_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
