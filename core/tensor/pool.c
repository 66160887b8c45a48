#include "core/tensor/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"

/* The pauses between the products of a network are shorter than waking a thread: some are of
 * microseconds, those in which a few rows are normalised and quantised of twenty. */
enum { WATCH_NS = 30000 };

/* Jobs at the same time; an asker who finds every place taken works alone. */
enum { PLACES = 8 };

/* Of a place's state: threads may join.  The rest is the number of those that have. */
#define OPEN 0x80000000u

/* A run of consecutive tasks, each thread's first choice: what follows each other often works on
 * the same data, and does so on the same processor from job to job. */
typedef struct pix_chunk {
    alignas(64) atomic_size_t next; /* the first task that nobody has begun */
    size_t end;
} pix_chunk;

/* A job's place.  A thread reads what the job is only after it has joined, and the asker leaves
 * only after closing it and after the last has gone, so neither needs the lock. */
typedef struct pix_place {
    alignas(64) atomic_bool taken;
    atomic_uint state;
    pix_task *task;
    void *context;
    pix_chunk *chunks; /* as many as the pool has threads; the asker's is the first */
} pix_place;

typedef struct pix_helper {
    pix_pool *pool;
    size_t chunk; /* its own in every job */
    pthread_t thread;
} pix_helper;

struct pix_pool {
    pix_place places[PLACES];
    alignas(64) atomic_uint posts; /* jobs so far, and the end: what idle threads look at */
    atomic_bool stopping;
    int64_t watch_ns;
    /* For sleeping only.  Who is about to sleep says so and then looks once more; who has something
     * to tell does it and then looks for sleepers: one of them sees the other. */
    pthread_mutex_t lock;
    pthread_cond_t posted, done;
    atomic_int resting; /* threads that wait for a job */
    atomic_int waiting; /* askers that wait for the threads in their job */
    int started;
    pix_helper *helpers; /* [threads - 1] */
    pix_chunk *chunks;   /* [PLACES, threads] */
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One's own chunk, then what others have left of theirs. */
static bool work_on(pix_pool *pool, pix_place *place, size_t own) {
    size_t threads = (size_t)pix_pool_threads(pool);
    bool worked = false;
    for (size_t i = 0; i < threads; i++) {
        pix_chunk *chunk = &place->chunks[(own + i) % threads];
        for (size_t task; (task = atomic_fetch_add(&chunk->next, 1)) < chunk->end; worked = true)
            place->task(place->context, task);
    }
    return worked;
}

/* Whether there was something to do. */
static bool join(pix_pool *pool, pix_place *place, size_t own) {
    unsigned state = atomic_load(&place->state);
    do {
        if (!(state & OPEN))
            return false;
    } while (!atomic_compare_exchange_weak(&place->state, &state, state + 1));
    bool worked = work_on(pool, place, own);
    if (atomic_fetch_sub(&place->state, 1) == 1 && atomic_load(&pool->waiting) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->done);
        pthread_mutex_unlock(&pool->lock);
    }
    return worked;
}

/* For a moment; whether something was posted after `seen`. */
static bool watch(pix_pool *pool, unsigned seen) {
    int64_t start = pix_now_ns();
    do {
        for (int i = 0; i < 16; i++) {
            if (atomic_load(&pool->posts) != seen)
                return true;
            relax();
        }
    } while (pix_now_ns() - start < pool->watch_ns);
    return false;
}

static void rest(pix_pool *pool, unsigned seen) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->resting, 1);
    while (atomic_load(&pool->posts) == seen)
        pthread_cond_wait(&pool->posted, &pool->lock);
    atomic_fetch_sub(&pool->resting, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *help(void *argument) {
    const pix_helper *self = argument;
    pix_pool *pool = self->pool;
    for (;;) {
        unsigned seen = atomic_load(&pool->posts);
        if (atomic_load(&pool->stopping))
            return NULL;
        bool worked = false;
        for (int i = 0; i < PLACES; i++)
            worked = join(pool, &pool->places[i], self->chunk) || worked;
        if (!worked && !watch(pool, seen))
            rest(pool, seen);
    }
}

/* A product's tiles take 180 kB, more than some systems give a thread. */
enum { STACK_BYTES = 1 << 20 };

/* Signals stay with the program's own threads, but for the one that the thread brings about which
 * reads a mapped file (core/base/mapping.h). */
static int start(pix_pool *pool, int count) {
    sigset_t all, before;
    pthread_attr_t attributes;
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGBUS);
    int cause = pthread_attr_init(&attributes);
    if (cause)
        return cause;
    cause = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!cause)
        cause = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (cause) {
        pthread_attr_destroy(&attributes);
        return cause;
    }
    for (int i = 0; i < count && !cause; i++) {
        pix_helper *helper = &pool->helpers[i];
        *helper = (pix_helper){.pool = pool, .chunk = (size_t)i + 1};
        cause = pthread_create(&helper->thread, &attributes, help, helper);
        pool->started += !cause;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return cause;
}

/* Zeros, at the start of a cache line. */
static void *lines_new(size_t count, size_t size) {
    size_t bytes = (count * size + 63) / 64 * 64;
    void *lines = aligned_alloc(64, bytes);
    return lines ? memset(lines, 0, bytes) : NULL;
}

static pix_status allocate(size_t threads, pix_pool **out, pix_error *error) {
    pix_pool *pool = *out = lines_new(1, sizeof *pool);
    if (!pool)
        return pix_fail_memory(error);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->posted, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->helpers = calloc(threads, sizeof *pool->helpers);
    pool->chunks = lines_new(PLACES * threads, sizeof *pool->chunks);
    if (!pool->helpers || !pool->chunks)
        return pix_fail_memory(error);
    for (size_t i = 0; i < PLACES; i++)
        pool->places[i].chunks = pool->chunks + i * threads;
    return PIX_OK;
}

pix_status pix_pool_new(int threads, pix_pool **out, pix_error *error) {
    if (threads < 1)
        threads = 1;
    pix_status status = allocate((size_t)threads, out, error);
    if (!status) {
        /* Where threads share a processor, who watches keeps another from working. */
        (*out)->watch_ns = threads <= pix_cpu_count() ? WATCH_NS : 0;
        int cause = start(*out, threads - 1);
        if (cause)
            status = pix_fail(error, PIX_ENOMEM, "cannot start a thread: %s", strerror(cause));
    }
    if (status) {
        pix_pool_free(*out);
        *out = NULL;
    }
    return status;
}

static void wake(pix_pool *pool, size_t count) {
    pthread_mutex_lock(&pool->lock);
    size_t resting = (size_t)atomic_load(&pool->resting);
    for (size_t i = 0; i < count && i < resting; i++)
        pthread_cond_signal(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
}

void pix_pool_free(pix_pool *pool) {
    if (!pool)
        return;
    atomic_store(&pool->stopping, true);
    atomic_fetch_add(&pool->posts, 1);
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        (void)pthread_join(pool->helpers[i].thread, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->posted);
    pthread_cond_destroy(&pool->done);
    free(pool->helpers);
    free(pool->chunks);
    free(pool);
}

int pix_pool_threads(const pix_pool *pool) {
    return pool ? pool->started + 1 : 1;
}

static pix_place *take_place(pix_pool *pool) {
    for (int i = 0; i < PLACES; i++)
        if (!atomic_exchange(&pool->places[i].taken, true))
            return &pool->places[i];
    return NULL;
}

static void post(pix_pool *pool, pix_place *place, size_t count, pix_task *task, void *context) {
    place->task = task;
    place->context = context;
    size_t threads = (size_t)pix_pool_threads(pool);
    for (size_t i = 0; i < threads; i++) {
        atomic_store(&place->chunks[i].next, i * count / threads);
        place->chunks[i].end = (i + 1) * count / threads;
    }
    atomic_store(&place->state, OPEN);
    atomic_fetch_add(&pool->posts, 1);
    if (atomic_load(&pool->resting) > 0)
        wake(pool, count - 1);
}

/* Until all who joined have gone. */
static void close_place(pix_pool *pool, pix_place *place) {
    if (atomic_fetch_and(&place->state, ~OPEN) == OPEN)
        return;
    int64_t start = pix_now_ns();
    while (atomic_load(&place->state) > 0 && pix_now_ns() - start < pool->watch_ns)
        relax();
    if (atomic_load(&place->state) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->waiting, 1);
    while (atomic_load(&place->state) > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_fetch_sub(&pool->waiting, 1);
    pthread_mutex_unlock(&pool->lock);
}

void pix_pool_run(pix_pool *pool, size_t count, pix_task *task, void *context) {
    pix_place *place = count > 1 && pix_pool_threads(pool) > 1 ? take_place(pool) : NULL;
    if (!place) {
        for (size_t i = 0; i < count; i++)
            task(context, i);
        return;
    }
    post(pool, place, count, task, context);
    work_on(pool, place, 0);
    close_place(pool, place);
    atomic_store(&place->taken, false);
}
