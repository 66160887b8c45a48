/* bench_search FOLDER COUNT DIMENSION: how long searches take among COUNT made-up photos.
 *
 * Makes FOLDER/index.db with its .pixv file, and for other programs FOLDER/vectors.f32 and
 * FOLDER/queries.f32, unless they are there; then measures, warm: what this machine's memory gives
 * to a pass that only reads, the search that pixgrep does, and the one it does without the file.
 * The vectors lie as those of a model do: all in one cone, in clusters of very different sizes,
 * most of what differs in few directions, texts in another cone. */
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/files.h"
#include "core/base/threads.h"
#include "core/tensor/dot.h"
#include "core/tensor/pool.h"
#include "storage/vector_cache.h"
#include "storage/vector_index.h"
#include "tests/vectors.h"

enum { CLUSTERS = 2000, QUERIES = 64, K = 10, RUNS = 40, SLOW_RUNS = 3 };

static const char fingerprint[] =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

typedef struct bench {
    char database[512], vectors[512], queries[512];
    size_t count, dimension;
    test_random random;
    pix_rotation turn; /* of the generated vectors, so that no coordinate is special */
    float *centres;    /* [CLUSTERS, dimension] */
    double *shares;    /* [CLUSTERS], summed up */
    float *wanted;     /* [QUERIES, dimension] */
    pix_store *store;
    int64_t model_id;
    pix_error error;
} bench;

static void die(const bench *b) {
    (void)fprintf(stderr, "bench_search: %s\n", b->error.text);
    exit(1);
}

static void *room(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) {
        (void)fputs("bench_search: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Of a spectrum that falls as 1/i, of length about 1. */
static void draw(bench *b, float *x) {
    double total = log((double)b->dimension) + 0.577;
    for (size_t i = 0; i < b->dimension; i++)
        x[i] = (float)(test_random_normal(&b->random) / sqrt(total * (double)(i + 1)));
}

static size_t draw_cluster(bench *b) {
    double share = (double)(test_random_bits(&b->random) >> 11) * 0x1p-53;
    size_t low = 0, high = CLUSTERS - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->shares[middle] < share)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A photo, or a text about one. */
static void draw_vector(bench *b, bool text, float *x, double *work) {
    const float *centre = b->centres + draw_cluster(b) * b->dimension;
    draw(b, x);
    const size_t pictures = b->dimension / 4, texts = b->dimension / 5;
    for (size_t i = 0; i < b->dimension; i++) {
        double own = (double)x[i], of_all = (double)centre[i];
        work[i] = text ? 0.42 * (0.75 * of_all + 0.6 * own) : 0.5 * of_all + 0.48 * own;
    }
    pix_rotation_apply(&b->turn, work);
    work[pictures] += text ? 0.27 : 0.72; /* their cone */
    work[texts] += text ? 0.8 : 0;
    for (size_t i = 0; i < b->dimension; i++)
        x[i] = (float)work[i];
    test_normalise(x, b->dimension);
}

static void make_clusters(bench *b) {
    double total = 0;
    b->centres = room(CLUSTERS * b->dimension, sizeof *b->centres);
    b->shares = room(CLUSTERS, sizeof *b->shares);
    for (size_t i = 0; i < CLUSTERS; i++) {
        draw(b, b->centres + i * b->dimension);
        b->shares[i] = total += 1 / sqrt((double)(i + 1));
    }
    for (size_t i = 0; i < CLUSTERS; i++)
        b->shares[i] /= total;
}

static pix_status put_photo(bench *b, const pix_recipe *recipe, int64_t run, int64_t root,
                            size_t number, const float *vector) {
    char path[64];
    uint8_t content[PIX_SHA256_BYTES] = {0};
    const pix_content facts = {.width = 4000, .height = 3000, .orientation = 1, .format = "jpeg"};
    memcpy(content, &number, sizeof number);
    (void)snprintf(path, sizeof path, "/photos/%03zu/IMG_%06zu.jpg", number / 1000, number);
    pix_status status = pix_store_content_put(b->store, recipe, content, &facts, vector,
                                              (int)b->dimension, &b->error);
    return status ? status
                  : pix_store_photo_put(b->store, run, root, path, 1, 2000000, content, &b->error);
}

static pix_status put_photos(bench *b, FILE *vectors) {
    const pix_recipe recipe = {.model_id = b->model_id, .precision = "fp32"};
    int64_t run, root;
    float *x = room(b->dimension, sizeof *x);
    double *work = room(b->dimension, sizeof *work);
    pix_status status = pix_store_root_put(b->store, "/photos", "made-up", false, &root, &b->error);
    if (!status)
        status = pix_store_run_begin(b->store, b->model_id, &run, &b->error);
    for (size_t i = 0; i < b->count && !status; i++) {
        draw_vector(b, false, x, work);
        status = put_photo(b, &recipe, run, root, i, x);
        if (fwrite(x, sizeof *x, b->dimension, vectors) != b->dimension && !status)
            status = pix_fail_errno(&b->error, "%s", b->vectors);
        if (i % 10000 == 9999 && !status)
            status = pix_store_commit(b->store, &b->error);
    }
    if (!status)
        status = pix_store_run_end(b->store, run, &(pix_run_counts){0}, "complete", &b->error);
    if (!status)
        status = pix_store_commit(b->store, &b->error);
    free(x);
    free(work);
    return status;
}

static pix_status text_mean(void *context, float *mean, pix_error *error) {
    bench *b = context;
    (void)error;
    for (size_t q = 0; q < QUERIES / 2; q++) /* not those that are timed */
        for (size_t i = 0; i < b->dimension; i++)
            mean[i] += b->wanted[q * b->dimension + i] * (2.0F / QUERIES);
    return PIX_OK;
}

static void fill(bench *b) {
    FILE *vectors = fopen(b->vectors, "w");
    if (!vectors) {
        (void)pix_fail_errno(&b->error, "%s", b->vectors);
        die(b);
    }
    int64_t start = pix_now_ns();
    if (pix_store_open(b->database, PIX_STORE_WRITE, &b->store, &b->error) ||
        pix_store_model_put(b->store, "made-up", fingerprint, (int)b->dimension, &b->model_id,
                            &b->error) ||
        put_photos(b, vectors) || fclose(vectors))
        die(b);
    const pix_vector_update update = {
        .kind = PIX_VECTORS_SETTLE, .model_id = b->model_id, .text_mean = text_mean, .context = b};
    int64_t filled = pix_now_ns();
    if (pix_vector_index_update(b->store, &update, &b->error))
        die(b);
    (void)printf("index filled in %.1f s, its .pixv file made in %.1f s\n",
                 (double)(filled - start) / 1e9, (double)(pix_now_ns() - filled) / 1e9);
    pix_store_close(b->store);
}

static void make_queries(bench *b) {
    double *work = room(b->dimension, sizeof *work);
    b->wanted = room(QUERIES * b->dimension, sizeof *b->wanted);
    for (size_t q = 0; q < QUERIES; q++)
        draw_vector(b, true, b->wanted + q * b->dimension, work);
    free(work);
    FILE *file = fopen(b->queries, "w");
    size_t size = (size_t)QUERIES * b->dimension;
    if (!file || fwrite(b->wanted, sizeof *b->wanted, size, file) != size || fclose(file)) {
        (void)pix_fail_errno(&b->error, "%s", b->queries);
        die(b);
    }
}

static int by_time(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, c = *(const int64_t *)right;
    return (a > c) - (a < c);
}

static double median_ms(int64_t *times, size_t count) {
    const size_t middle = count / 2;
    qsort(times, count, sizeof *times, by_time);
    return (double)times[middle] / 1e6;
}

/* A pass over the blocks that only adds up what it reads, with the same threads. */
typedef struct reading {
    const uint8_t *data;
    size_t size, parts;
    atomic_ullong sum;
} reading;

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void
read_part(void *context, size_t part) {
    reading *r = context;
    size_t first = r->size / 64 * part / r->parts * 64,
           end = r->size / 64 * (part + 1) / r->parts * 64;
    uint64_t sum[8] = {0};
    for (size_t at = first; at < end; at += 64) {
        uint64_t words[8];
        __builtin_prefetch(r->data + at + 4096, 0, 3);
        memcpy(words, r->data + at, sizeof words);
        for (size_t i = 0; i < 8; i++)
            sum[i] ^= words[i];
    }
    for (size_t i = 0; i < 8; i++)
        atomic_fetch_add(&r->sum, sum[i]);
}

static double read_ms(bench *b, size_t *size) {
    int64_t times[RUNS];
    pix_pool *pool;
    if (pix_store_snapshot_begin(b->store, &b->error) ||
        pix_pool_new(pix_cpu_count(), &pool, &b->error))
        die(b);
    const pix_vector_file *file = pix_vector_cache_of(b->store, b->model_id)->file;
    if (!file) {
        (void)pix_fail(&b->error, PIX_ENOTFOUND, "there is no .pixv file");
        die(b);
    }
    reading r = {.data = file->map.data + file->blocks_at,
                 .size = (size_t)file->state.count / PIX_BLOCK * file->block_bytes,
                 .parts = 8 * (size_t)pix_pool_threads(pool)};
    for (int i = 0; i < RUNS; i++) {
        int64_t start = pix_now_ns();
        pix_pool_run(pool, r.parts, read_part, &r);
        times[i] = pix_now_ns() - start;
    }
    pix_pool_free(pool);
    pix_store_snapshot_end(b->store);
    *size = r.size;
    return median_ms(times, RUNS);
}

/* The median time of searches for `some` queries at once; *report as the last one's, `rescored` of
 * all. */
static double search_ms(bench *b, size_t some, size_t k, int runs, pix_search_report *report) {
    int64_t times[RUNS], rescored = 0;
    pix_hit *hits = room(some * k, sizeof *hits);
    size_t counts[QUERIES];
    for (int i = 0; i < runs; i++) {
        size_t first = QUERIES / 2 + (size_t)i % (QUERIES / 2 - some + 1);
        const pix_vector_query query = {.model_id = b->model_id,
                                        .vectors = b->wanted + first * b->dimension,
                                        .count = some,
                                        .dimension = (int)b->dimension,
                                        .k = k};
        int64_t start = pix_now_ns();
        if (pix_vector_index_search(b->store, &query, hits, counts, report, &b->error))
            die(b);
        times[i] = pix_now_ns() - start;
        rescored += report->rescored;
    }
    report->rescored = rescored / runs;
    free(hits);
    return median_ms(times, (size_t)runs);
}

static pix_status find_model(void *context, const pix_store_model *model) {
    *(int64_t *)context = model->id;
    return PIX_OK;
}

static void measure(bench *b) {
    if (pix_store_open(b->database, PIX_STORE_READ, &b->store, &b->error) ||
        pix_store_models(b->store, find_model, &b->model_id, &b->error))
        die(b);
    size_t size;
    pix_search_report report;
    (void)read_ms(b,
                  &size); /* into the page cache and the page tables, as are the rows of the hits */
    (void)search_ms(b, 1, 100, RUNS, &report);
    double bare = read_ms(b, &size), best = 0;
    (void)printf("memory: %.2f ms to read %.1f MB with %d threads, %.1f GB/s\n", bare,
                 (double)size / 1e6, pix_cpu_count(), (double)size / bare / 1e6);
    static const struct { size_t queries, k; } kinds[] = {{1, K}, {1, 100}, {4, K}, {16, K}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double ms = search_ms(b, kinds[i].queries, kinds[i].k, RUNS, &report);
        if (i == 0)
            best = ms;
        (void)printf("search: %.2f ms for the best %zu of %zu quer%s with %s, %lld rescored\n", ms,
                     kinds[i].k, kinds[i].queries, kinds[i].queries == 1 ? "y" : "ies",
                     report.used_cache ? report.kernels : "no file", (long long)report.rescored);
    }
    double again = read_ms(b, &size);
    (void)printf("bandwidth: a search reads at %.2f of what only reading does\n",
                 (bare < again ? bare : again) / best);
    pix_vector_cache *cache = pix_vector_cache_of(b->store, b->model_id);
    char *path = cache->path; /* which then names no file */
    cache->path = (char *)"";
    double plain = search_ms(b, 1, K, SLOW_RUNS, &report);
    cache->path = path;
    (void)printf("without: %.1f ms for the best %d of 1 query, every vector read\n", plain, K);
    pix_store_close(b->store);
}

static void set_path(char *path, size_t size, const char *folder, const char *name) {
    (void)snprintf(path, size, "%s/%s", folder, name);
}

int main(int argc, char **argv) {
    bench b = {.random = {.state = 42}};
    char *end = NULL;
    long long count = argc == 4 ? strtoll(argv[2], &end, 10) : 0;
    long long dimension = argc == 4 && !*end ? strtoll(argv[3], &end, 10) : 0;
    if (count < 1 || dimension < 1 || dimension > PIX_ROTATION_LIMIT || *end) {
        (void)fprintf(stderr, "usage: %s FOLDER COUNT DIMENSION\n", argv[0]);
        return 2;
    }
    b.count = (size_t)count;
    b.dimension = (size_t)dimension;
    set_path(b.database, sizeof b.database, argv[1], "index.db");
    set_path(b.vectors, sizeof b.vectors, argv[1], "vectors.f32");
    set_path(b.queries, sizeof b.queries, argv[1], "queries.f32");
    struct stat info;
    bool made = !stat(b.vectors, &info) &&
                (uint64_t)info.st_size == (uint64_t)b.count * b.dimension * sizeof(float);
    if (pix_folder_make(argv[1], &b.error) || pix_rotation_init(&b.turn, b.dimension, 7, &b.error))
        die(&b);
    make_clusters(&b);
    make_queries(&b);
    if (!made)
        fill(&b);
    measure(&b);
    pix_rotation_free(&b.turn);
    free(b.centres);
    free(b.shares);
    free(b.wanted);
    return 0;
}
