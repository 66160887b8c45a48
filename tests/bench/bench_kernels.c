/* bench_kernels [THREADS [ROWS...]]: how near the kernels come to what the processor can do.
 *
 * The peaks are what a loop of nothing but multiply-adds reaches, measured in the same run; reading
 * is the memory's speed.  Then the products of ViT-B/32 and of its text tower, with the epilogues
 * they have there and 12 sets of weights in turn, as 12 layers have: OpenBLAS (0 where it is not
 * installed) without an epilogue, ours in float32, ours in int8 without and with quantising the
 * rows.  PIXGREP_ISA chooses the kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "core/tensor/matmul.h"
#include "tests/bench/openblas.h"

enum { SETS = 12, ROUNDS = 15 };

static double seconds_since(int64_t start) {
    return (double)(pix_now_ns() - start) / 1e9;
}

static void *allocate(size_t size) {
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!memory) {
        (void)fprintf(stderr, "bench_kernels: out of memory\n");
        exit(1);
    }
    memset(memory, 0, size);
    return memory;
}

/* A loop of `turns` turns of independent multiply-adds; operations of a turn, 0 where this bench
 * has no such loop. */
typedef struct peak_loop {
    void (*run)(long turns);
    double operations;
} peak_loop;

#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve sums, more than the units' width times their latency; kept in registers one by one. */
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define KEEP(i) __asm__ volatile("" : "+v"(s##i));

/* Defines NAME: 12 sums of `type`, each turn s = STEP(s). */
#define PEAK_LOOP(name, isa, type, zero, step)                                                     \
    __attribute__((target(isa))) static void name(long turns) {                                    \
        TWELVE(type##_START)                                                                       \
        for (long turn = 0; turn < turns; turn++) {                                                \
            TWELVE(step)                                                                           \
            TWELVE(KEEP)                                                                           \
        }                                                                                          \
    }
#define __m512_START(i) __m512 s##i = _mm512_setzero_ps();
#define __m256_START(i) __m256 s##i = _mm256_setzero_ps();
#define __m512i_START(i) __m512i s##i = _mm512_setzero_si512();
#define __m256i_START(i) __m256i s##i = _mm256_setzero_si256();
#define FMA_512(i) s##i = _mm512_fmadd_ps(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f), s##i);
#define FMA_256(i) s##i = _mm256_fmadd_ps(_mm256_set1_ps(0.5f), _mm256_set1_ps(0.25f), s##i);
#define DOT_512(i) s##i = _mm512_dpbusd_epi32(s##i, _mm512_set1_epi8(1), _mm512_set1_epi8(2));
#define DOT_256(i) s##i = _mm256_dpbusd_avx_epi32(s##i, _mm256_set1_epi8(1), _mm256_set1_epi8(2));
PEAK_LOOP(fma_512, "avx512f", __m512, 0, FMA_512)
PEAK_LOOP(fma_256, "avx2,fma", __m256, 0, FMA_256)
PEAK_LOOP(dot_512, "avx512f,avx512vnni", __m512i, 0, DOT_512)
PEAK_LOOP(dot_256, "avx2,avxvnni", __m256i, 0, DOT_256)
#endif

static peak_loop f32_peak_loop(const char *kernels) {
#if defined(__x86_64__)
    if (strncmp(kernels, "avx512", 6) == 0)
        return (peak_loop){fma_512, 12 * 16 * 2};
    if (strncmp(kernels, "avx", 3) == 0)
        return (peak_loop){fma_256, 12 * 8 * 2};
#endif
    (void)kernels;
    return (peak_loop){0};
}

static peak_loop int8_peak_loop(const char *kernels) {
#if defined(__x86_64__)
    if (strcmp(kernels, "avx512vnni") == 0)
        return (peak_loop){dot_512, 12 * 64 * 2};
    if (strcmp(kernels, "avxvnni") == 0)
        return (peak_loop){dot_256, 12 * 32 * 2};
#endif
    (void)kernels;
    return (peak_loop){0};
}

enum { PEAK_TURNS = 3000000 };

static void run_peak(void *context, size_t index) {
    const peak_loop *loop = context;
    (void)index;
    loop->run(PEAK_TURNS);
}

/* Billions of operations in a second on as many threads as the pool has; 0 when unknown. */
static double measure_peak(pix_pool *pool, peak_loop loop) {
    size_t threads = (size_t)pix_pool_threads(pool);
    double best = 0;
    for (int round = 0; loop.run && round < 3 * ROUNDS; round++) {
        int64_t start = pix_now_ns();
        pix_pool_run(pool, threads, run_peak, &loop);
        double rate = (double)threads * PEAK_TURNS * loop.operations / seconds_since(start) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}

typedef struct reading {
    const uint64_t *words;
    size_t count; /* of one task */
    uint64_t sums[64];
} reading;

static void read_words(void *context, size_t index) {
    reading *r = context;
    const uint64_t *words = r->words + index * r->count;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i < r->count; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sum[lane] += words[i + lane];
    for (size_t lane = 0; lane < 8; lane++)
        r->sums[index] += sum[lane];
}

/* GB/s of reading memory that no cache holds. */
static double measure_reading(pix_pool *pool) {
    enum { BYTES = 1 << 28, TASKS = 64 };
    reading r = {.words = allocate(BYTES), .count = BYTES / 8 / TASKS};
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = pix_now_ns();
        pix_pool_run(pool, TASKS, read_words, &r);
        double rate = BYTES / seconds_since(start) / 1e9;
        best = rate > best ? rate : best;
    }
    free((void *)(uintptr_t)r.words);
    return best;
}

typedef struct product {
    const char *name;
    int in, out;
    pix_epilogue epilogue; /* its bias is set when run */
} product;

static const product vision[] = {
    {"patches", 3072, 768, {0}},
    {"qkv", 768, 2304, {0}},
    {"attention out", 768, 768, {.add = true}},
    {"up", 768, 3072, {.activation = PIX_QUICK_GELU}},
    {"down", 3072, 768, {.add = true}},
};
static const product text[] = {
    {"text qkv", 512, 1536, {0}},
    {"text out", 512, 512, {.add = true}},
    {"text up", 512, 2048, {.activation = PIX_QUICK_GELU}},
    {"text down", 2048, 512, {.add = true}},
};

/* One shape's operands. */
typedef struct operands {
    const pix_compute *compute;
    const openblas *blas;
    const product *shape;
    pix_epilogue epilogue;
    int rows;
    float *x, *out, *weight; /* weight: SETS of [out, in] */
    char *f32, *int8;        /* SETS of packed weights */
    pix_codes codes;
    size_t turn;
} operands;

static size_t next_set(operands *o) {
    return o->turn++ % SETS;
}

static void run_openblas(operands *o) {
    int in = o->shape->in, out = o->shape->out;
    const float *weight = o->weight + next_set(o) * (size_t)in * (size_t)out;
    o->blas->sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, o->rows, out, in, 1, o->x, in, weight, in, 0,
                   o->out, out);
}

static void run_f32(operands *o) {
    int in = o->shape->in, out = o->shape->out;
    pix_panels_f32 panels =
        pix_panels_f32_view(out, in, o->f32 + next_set(o) * pix_panels_f32_size(out, in));
    pix_matmul_f32(o->compute, o->rows, o->x, (size_t)in, &panels, &o->epilogue, o->out,
                   (size_t)out);
}

static void run_int8(operands *o) {
    int in = o->shape->in, out = o->shape->out;
    pix_panels_int8 panels =
        pix_panels_int8_view(out, in, o->int8 + next_set(o) * pix_panels_int8_size(out, in));
    pix_matmul_int8(o->compute, o->rows, &o->codes, &panels, &o->epilogue, o->out, (size_t)out);
}

static void run_quantised(operands *o) {
    pix_quantise(o->compute, o->rows, o->shape->in, o->x, (size_t)o->shape->in, &o->codes);
    run_int8(o);
}

/* The best rate, in billions of operations a second, of rounds of some milliseconds each: what else
 * the machine does can only make a round slower. */
static double measure(void (*run)(operands *), operands *o) {
    double operations = 2.0 * o->rows * o->shape->in * o->shape->out, best = 0;
    size_t turns = (size_t)(1e9 / operations) + 1;
    run(o);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = pix_now_ns();
        for (size_t i = 0; i < turns; i++)
            run(o);
        double rate = operations * (double)turns / seconds_since(start) / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}

static void fill(float *x, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) * 0x1p-23f - 1.0f;
    }
}

typedef struct rates {
    double f32, int8;
} rates;

static void print_rate(double rate, double peak) {
    if (peak > 0)
        printf(" %8.1f %4.2f", rate, rate / peak);
    else
        printf(" %8.1f    -", rate);
}

static void bench_shape(const pix_compute *compute, const openblas *blas, const rates *peaks,
                        const product *shape, int rows) {
    size_t in = (size_t)shape->in, out = (size_t)shape->out, weights = in * out;
    size_t f32_size = pix_panels_f32_size(shape->out, shape->in);
    size_t int8_size = pix_panels_int8_size(shape->out, shape->in);
    float *bias = allocate(out * sizeof *bias);
    operands o = {.compute = compute,
                  .blas = blas,
                  .shape = shape,
                  .epilogue = shape->epilogue,
                  .rows = rows,
                  .x = allocate((size_t)rows * in * sizeof(float)),
                  .out = allocate((size_t)rows * out * sizeof(float)),
                  .weight = allocate(SETS * weights * sizeof(float)),
                  .f32 = allocate(SETS * f32_size),
                  .int8 = allocate(SETS * int8_size),
                  .codes = {allocate((size_t)rows * pix_codes_stride(compute->kernels, shape->in)),
                            allocate((size_t)rows * sizeof(float))}};
    o.epilogue.bias = bias;
    fill(o.x, (size_t)rows * in, 1);
    fill(o.weight, weights, 2);
    pix_panels_f32_pack(shape->out, shape->in, o.weight, o.f32);
    pix_panels_int8_pack(shape->out, shape->in, o.weight, o.int8);
    for (size_t set = 1; set < SETS; set++) {
        memcpy(o.weight + set * weights, o.weight, weights * sizeof(float));
        memcpy(o.f32 + set * f32_size, o.f32, f32_size);
        memcpy(o.int8 + set * int8_size, o.int8, int8_size);
    }
    printf("%-14s %5d x %4d -> %4d", shape->name, rows, shape->in, shape->out);
    print_rate(blas->sgemm ? measure(run_openblas, &o) : 0, peaks->f32);
    print_rate(measure(run_f32, &o), peaks->f32);
    double int8 = measure(run_quantised, &o); /* first, because it makes the codes */
    print_rate(measure(run_int8, &o), peaks->int8);
    print_rate(int8, peaks->int8);
    printf("\n");
    (void)fflush(stdout);
    free(bias);
    free(o.x);
    free(o.out);
    free(o.weight);
    free(o.f32);
    free(o.int8);
    free(o.codes.codes);
    free(o.codes.scales);
}

static void bench_rows(const pix_compute *compute, const openblas *blas, const rates *peaks,
                       int rows) {
    if (rows < 50)
        for (size_t i = 0; i < sizeof text / sizeof *text; i++)
            bench_shape(compute, blas, peaks, &text[i], rows);
    else
        for (size_t i = 0; i < sizeof vision / sizeof *vision; i++)
            bench_shape(compute, blas, peaks, &vision[i], rows);
}

int main(int count, char **arguments) {
    static const int usual[] = {7, 50, 400, 1600};
    pix_error error;
    pix_compute compute = {0};
    int threads = count > 1 ? atoi(arguments[1]) : pix_cpu_count();
    pix_status status = pix_kernels_wanted(&compute.kernels, &error);
    if (!status)
        status = pix_pool_new(threads, &compute.pool, &error);
    if (status) {
        (void)fprintf(stderr, "%s: %s\n", arguments[0], error.text);
        return 1;
    }
    const char *name = pix_kernels_name(compute.kernels);
    const openblas blas = openblas_open(threads);
    const rates peaks = {measure_peak(compute.pool, f32_peak_loop(name)),
                         measure_peak(compute.pool, int8_peak_loop(name))};
    printf("%s on %d threads: peaks %.0f GFLOP/s float32, %.0f GOP/s int8; reading %.1f GB/s\n",
           name, pix_pool_threads(compute.pool), peaks.f32, peaks.int8,
           measure_reading(compute.pool));
    printf("%-35s %13s %13s %13s %13s\n", "rates in 1e9/s, and shares of the peak",
           blas.kernel ? blas.kernel : "no OpenBLAS", "float32", "int8", "with quantise");
    if (count > 2)
        for (int i = 2; i < count; i++)
            bench_rows(&compute, &blas, &peaks, atoi(arguments[i]));
    else
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            bench_rows(&compute, &blas, &peaks, usual[i]);
    pix_pool_free(compute.pool);
    return 0;
}
