#include "core/tensor/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"

/* The pause between two products of a network is shorter than waking a thread. */
enum { WATCH_NS = 8000 };

typedef struct pix_job {
    pix_task *task;
    void *context;
    size_t count;
    atomic_size_t next;
    atomic_int helpers; /* threads of the pool in it; rises and falls under the lock only */
    struct pix_job *below;
} pix_job;

struct pix_pool {
    pthread_mutex_t lock;
    pthread_cond_t posted, left; /* a job was posted, or stopping; a job's last helper left it */
    pix_job *jobs;               /* on the stacks of their askers */
    atomic_uint posts;           /* jobs posted so far: what a watching thread looks at */
    bool stopping;
    int sleeping; /* threads that wait for `posted` */
    int waiting;  /* askers that wait for `left` */
    int64_t watch_ns;
    int started;
    pthread_t threads[];
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void work_on(pix_job *job) {
    for (size_t i; (i = atomic_fetch_add(&job->next, 1)) < job->count;)
        job->task(job->context, i);
}

/* A job with tasks nobody has taken; the lock is held. */
static pix_job *open_job(const pix_pool *pool) {
    pix_job *job = pool->jobs;
    while (job && atomic_load(&job->next) >= job->count)
        job = job->below;
    return job;
}

/* Waits, without the lock, for a moment or until something is posted after `seen`. */
static void watch(pix_pool *pool, unsigned seen) {
    int64_t start = pix_now_ns();
    do {
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(&pool->posts, memory_order_relaxed) != seen)
                return;
            relax();
        }
    } while (pix_now_ns() - start < pool->watch_ns);
}

static void *help(void *argument) {
    pix_pool *pool = argument;
    bool watched = false;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        pix_job *job = open_job(pool);
        if (job) {
            atomic_fetch_add(&job->helpers, 1);
            pthread_mutex_unlock(&pool->lock);
            work_on(job);
            pthread_mutex_lock(&pool->lock);
            /* From here on the job may be gone. */
            if (atomic_fetch_sub(&job->helpers, 1) == 1 && pool->waiting > 0)
                pthread_cond_broadcast(&pool->left);
            watched = false;
        } else if (!watched) {
            unsigned seen = atomic_load(&pool->posts);
            pthread_mutex_unlock(&pool->lock);
            watch(pool, seen);
            pthread_mutex_lock(&pool->lock);
            watched = true;
        } else {
            pool->sleeping++;
            pthread_cond_wait(&pool->posted, &pool->lock);
            pool->sleeping--;
            watched = false;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals stay with the program's own threads. */
static int start(pix_pool *pool, int count) {
    sigset_t all, before;
    sigfillset(&all);
    int cause = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (cause)
        return cause;
    for (; !cause && pool->started < count; pool->started += !cause)
        cause = pthread_create(&pool->threads[pool->started], NULL, help, pool);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return cause;
}

pix_status pix_pool_new(int threads, pix_pool **out, pix_error *error) {
    *out = NULL;
    int helpers = threads > 1 ? threads - 1 : 0;
    pix_pool *pool = calloc(1, sizeof *pool + (size_t)helpers * sizeof pool->threads[0]);
    if (!pool)
        return pix_fail_memory(error);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->posted, NULL);
    pthread_cond_init(&pool->left, NULL);
    /* Where threads share a processor, who watches keeps another from working. */
    pool->watch_ns = threads <= pix_cpu_count() ? WATCH_NS : 0;
    int cause = start(pool, helpers);
    if (cause) {
        pix_pool_free(pool);
        return pix_fail(error, PIX_ENOMEM, "cannot start a thread: %s", strerror(cause));
    }
    *out = pool;
    return PIX_OK;
}

void pix_pool_free(pix_pool *pool) {
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    atomic_fetch_add(&pool->posts, 1);
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        (void)pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->posted);
    pthread_cond_destroy(&pool->left);
    free(pool);
}

int pix_pool_threads(const pix_pool *pool) {
    return pool ? pool->started + 1 : 1;
}

static void post(pix_pool *pool, pix_job *job) {
    pthread_mutex_lock(&pool->lock);
    job->below = pool->jobs;
    pool->jobs = job;
    atomic_fetch_add(&pool->posts, 1);
    for (size_t i = 0; i < (size_t)pool->sleeping && i + 1 < job->count; i++)
        pthread_cond_signal(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
}

/* Once off the list, nobody joins the job any more. */
static void withdraw(pix_pool *pool, pix_job *job) {
    pthread_mutex_lock(&pool->lock);
    pix_job **place = &pool->jobs;
    while (*place != job)
        place = &(*place)->below;
    *place = job->below;
    pthread_mutex_unlock(&pool->lock);
}

static void await_helpers(pix_pool *pool, pix_job *job) {
    int64_t start = pix_now_ns();
    while (atomic_load(&job->helpers) > 0 && pix_now_ns() - start < pool->watch_ns)
        relax();
    if (atomic_load(&job->helpers) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->waiting++;
    while (atomic_load(&job->helpers) > 0)
        pthread_cond_wait(&pool->left, &pool->lock);
    pool->waiting--;
    pthread_mutex_unlock(&pool->lock);
}

void pix_pool_run(pix_pool *pool, size_t count, pix_task *task, void *context) {
    if (count < 2 || pix_pool_threads(pool) < 2) {
        for (size_t i = 0; i < count; i++)
            task(context, i);
        return;
    }
    pix_job job = {.task = task, .context = context, .count = count};
    post(pool, &job);
    work_on(&job);
    withdraw(pool, &job);
    await_helpers(pool, &job);
}
