#include "indexer/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "core/clip/session.h"

/* A crop waits no longer than this for others to be encoded with. */
static const int64_t BATCH_WAIT_NS = 1000000000;

/* Jobs beyond the ones in batches, for each worker: enough to decode during a commit. */
enum { JOBS_AHEAD = 4 };

typedef struct pix_worker {
    pix_pipeline *pipeline;
    pix_decoder *decoder;
    pix_session *session;
    uint8_t *crops;  /* [batch, size, size, 3] */
    float *features; /* [batch, embed_dim] */
    pix_job **batch; /* the jobs whose crops wait, in the order of `crops` */
    int batch_count;
    int64_t batch_since_ns;
    pthread_t thread;
    bool started;
} pix_worker;

struct pix_pipeline {
    pix_store *store;
    pix_recipe recipe;
    int dimension;
    int batch_size;
    size_t crop_size;
    size_t pending, limit;
    pix_queue *jobs, *done;
    pix_job *ready; /* followers whose outcome is known; the collecting thread's own */
    atomic_bool stopping;
    pthread_mutex_t leaders_lock;
    pix_job *leaders; /* the first job of each content being worked on, until it is settled */
    int worker_count;
    pix_worker *workers;
};

pix_job *pix_job_new(const char *path, int64_t mtime_ns, int64_t size_bytes) {
    pix_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->mtime_ns = mtime_ns;
    job->size_bytes = size_bytes;
    job->path = strdup(path);
    if (job->path)
        return job;
    free(job);
    return NULL;
}

void pix_job_free(pix_job *job) {
    if (!job)
        return;
    free(job->path);
    free(job->vector);
    free(job);
}

static void finish(pix_pipeline *pipeline, pix_job *job, pix_outcome outcome, const char *stage) {
    job->outcome = outcome;
    job->stage = stage;
    job->crop = NULL;
    (void)pix_queue_push(pipeline->done, job);
}

static void finish_unsteady(pix_pipeline *pipeline, pix_job *job, const char *stage) {
    (void)pix_fail(&job->error, PIX_EBUSY, "changed while being read");
    finish(pipeline, job, PIX_OUTCOME_UNSTEADY, stage);
}

/* Whether a failed decode says something about the file rather than about this moment.  Memory that
 * is out is that of the decoding process, which has a limit. */
static bool is_permanent(pix_status status) {
    return status == PIX_EFORMAT || status == PIX_EUNSUPPORTED || status == PIX_ELIMIT ||
           status == PIX_EMISMATCH || status == PIX_ECRASHED || status == PIX_ETIMEOUT ||
           status == PIX_ENOMEM;
}

static pix_outcome outcome_of(pix_status status) {
    if (status == PIX_EINTERRUPTED)
        return PIX_OUTCOME_INTERRUPTED;
    return is_permanent(status) ? PIX_OUTCOME_BROKEN : PIX_OUTCOME_TROUBLE;
}

/* Sets the job's mtime and size to the open file's; false when they were others. */
static bool same_file_state(pix_job *job, int fd) {
    struct stat info;
    if (fstat(fd, &info))
        return false;
    int64_t mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    bool same = mtime_ns == job->mtime_ns && info.st_size == job->size_bytes;
    job->mtime_ns = mtime_ns;
    job->size_bytes = info.st_size;
    return same;
}

/* Makes the job the leader of its content, or leaves it with the one there is: then false. */
static bool lead(pix_pipeline *pipeline, pix_job *job) {
    pthread_mutex_lock(&pipeline->leaders_lock);
    pix_job *leader = pipeline->leaders;
    while (leader && memcmp(leader->content, job->content, sizeof job->content) != 0)
        leader = leader->next;
    if (leader) {
        job->next = leader->followers;
        leader->followers = job;
    } else {
        job->next = pipeline->leaders;
        pipeline->leaders = job;
    }
    pthread_mutex_unlock(&pipeline->leaders_lock);
    return leader == NULL;
}

static void encode_batch(pix_worker *worker) {
    pix_pipeline *pipeline = worker->pipeline;
    int count = worker->batch_count;
    size_t dimension = (size_t)pipeline->dimension;
    worker->batch_count = 0;
    pix_error error;
    pix_status status =
        pix_session_encode_images(worker->session, worker->crops, count, worker->features, &error);
    for (int i = 0; i < count; i++) {
        pix_job *job = worker->batch[i];
        float *vector = worker->features + (size_t)i * dimension;
        if (status) {
            job->error = error;
            finish(pipeline, job, PIX_OUTCOME_TROUBLE, "encode");
        } else if (pix_normalise(vector, dimension, &job->error)) {
            finish(pipeline, job, PIX_OUTCOME_BROKEN, "encode");
        } else if (!(job->vector = malloc(dimension * sizeof *vector))) {
            (void)pix_fail_memory(&job->error);
            finish(pipeline, job, PIX_OUTCOME_TROUBLE, "encode");
        } else {
            memcpy(job->vector, vector, dimension * sizeof *vector);
            finish(pipeline, job, PIX_OUTCOME_ENCODED, NULL);
        }
    }
}

/* Decodes into the next slot of the batch. */
static void decode(pix_worker *worker, pix_job *job, int fd) {
    pix_pipeline *pipeline = worker->pipeline;
    job->crop = worker->crops + (size_t)worker->batch_count * pipeline->crop_size;
    pix_status status = pix_decoder_run(worker->decoder, fd, job->crop, &job->photo, &job->error);
    bool chance = status == PIX_ECRASHED || status == PIX_EINTERRUPTED; /* once it may be */
    if (chance && !atomic_load(&pipeline->stopping))
        status = pix_decoder_run(worker->decoder, fd, job->crop, &job->photo, &job->error);
    if (!same_file_state(job, fd)) {
        finish_unsteady(pipeline, job, "decode");
    } else if (status == PIX_EINTERRUPTED && atomic_load(&pipeline->stopping)) {
        finish(pipeline, job, PIX_OUTCOME_CANCELLED, NULL);
    } else if (status) {
        finish(pipeline, job, outcome_of(status), "decode");
    } else {
        if (worker->batch_count == 0)
            worker->batch_since_ns = pix_now_ns();
        worker->batch[worker->batch_count++] = job;
    }
}

static void process_open(pix_worker *worker, pix_job *job, int fd) {
    pix_pipeline *pipeline = worker->pipeline;
    (void)same_file_state(job, fd);
    bool known = false;
    if (pix_sha256_file(fd, job->content, &job->error)) {
        finish(pipeline, job, PIX_OUTCOME_TROUBLE, "open");
        return;
    }
    if (!same_file_state(job, fd)) {
        finish_unsteady(pipeline, job, "open");
        return;
    }
    if (!lead(pipeline, job))
        return;
    if (pix_store_content_known(pipeline->store, &pipeline->recipe, job->content, &known,
                                &job->error))
        finish(pipeline, job, PIX_OUTCOME_TROUBLE, "store");
    else if (known)
        finish(pipeline, job, PIX_OUTCOME_KNOWN, NULL);
    else
        decode(worker, job, fd);
}

static void process(pix_worker *worker, pix_job *job) {
    pix_pipeline *pipeline = worker->pipeline;
    if (atomic_load(&pipeline->stopping)) {
        finish(pipeline, job, PIX_OUTCOME_CANCELLED, NULL);
        return;
    }
    int fd;
    pix_status status = pix_photo_open(job->path, &fd, &job->error);
    if (!status) {
        process_open(worker, job, fd);
        close(fd);
    } else if (status == PIX_ENOTFOUND) {
        finish(pipeline, job, PIX_OUTCOME_GONE, NULL);
    } else if (status != PIX_ENOMEM && is_permanent(status)) {
        finish(pipeline, job, PIX_OUTCOME_BROKEN, "open");
    } else {
        bool denied = faccessat(AT_FDCWD, job->path, R_OK, AT_EACCESS) && errno == EACCES;
        finish(pipeline, job, denied ? PIX_OUTCOME_DENIED : PIX_OUTCOME_TROUBLE, "open");
    }
}

static void *work(void *context) {
    pix_worker *worker = context;
    pix_pipeline *pipeline = worker->pipeline;
    for (;;) {
        pix_job *job = pix_queue_pop(pipeline->jobs, worker->batch_count > 0 ? 0 : -1);
        if (job)
            process(worker, job);
        else if (worker->batch_count == 0)
            return NULL;
        bool full = worker->batch_count == pipeline->batch_size;
        bool waited =
            worker->batch_count > 0 && pix_now_ns() - worker->batch_since_ns >= BATCH_WAIT_NS;
        if (full || waited || (!job && worker->batch_count > 0))
            encode_batch(worker);
    }
}

static pix_status open_worker(pix_pipeline *pipeline, pix_worker *worker,
                              const pix_pipeline_settings *settings, pix_error *error) {
    worker->pipeline = pipeline;
    pix_decode_options options = {
        .size = pix_model_config(settings->model)->image_size,
        .exact = settings->recipe.exact,
        .ignore_rotation = settings->recipe.ignore_rotation,
        .stopping = &pipeline->stopping,
    };
    size_t batch = (size_t)pipeline->batch_size;
    worker->crops = calloc(batch, pipeline->crop_size);
    worker->features = calloc(batch * (size_t)pipeline->dimension, sizeof *worker->features);
    worker->batch = calloc(batch, sizeof(pix_job *));
    if (!worker->crops || !worker->features || !worker->batch)
        return pix_fail_memory(error);
    pix_status status = pix_decoder_open(settings->decoder, &options, &worker->decoder, error);
    if (!status)
        status =
            pix_session_new(settings->model, pix_precision_or(settings->recipe.precision, PIX_FP32),
                            pipeline->batch_size, 1, &worker->session, error);
    if (status)
        return status;
    int cause = pthread_create(&worker->thread, NULL, work, worker);
    if (cause) {
        errno = cause;
        return pix_fail_errno(error, "cannot start a thread");
    }
    worker->started = true;
    return PIX_OK;
}

pix_status pix_pipeline_open(const pix_pipeline_settings *settings, pix_pipeline **out,
                             pix_error *error) {
    *out = NULL;
    pix_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline)
        return pix_fail_memory(error);
    const pix_clip_config *config = pix_model_config(settings->model);
    size_t side = (size_t)config->image_size;
    pthread_mutex_init(&pipeline->leaders_lock, NULL);
    pipeline->store = settings->store;
    pipeline->recipe = settings->recipe;
    pipeline->dimension = config->embed_dim;
    pipeline->batch_size = pix_model_batch_size(settings->model);
    pipeline->crop_size = side * side * 3;
    int threads = settings->threads > 0 ? settings->threads : pix_cpu_count();
    pipeline->limit = (size_t)threads * (size_t)(pipeline->batch_size + JOBS_AHEAD);
    pix_status status = PIX_OK;
    pipeline->workers = calloc((size_t)threads, sizeof *pipeline->workers);
    if (!pipeline->workers || pix_queue_new(pipeline->limit, &pipeline->jobs) ||
        pix_queue_new(pipeline->limit, &pipeline->done))
        status = pix_fail_memory(error);
    while (!status && pipeline->worker_count < threads)
        status =
            open_worker(pipeline, &pipeline->workers[pipeline->worker_count++], settings, error);
    if (status) {
        pix_pipeline_close(pipeline);
        return status;
    }
    *out = pipeline;
    return PIX_OK;
}

/* Takes the job off the list of leaders, if it is there. */
static void retire(pix_pipeline *pipeline, const pix_job *job) {
    pthread_mutex_lock(&pipeline->leaders_lock);
    for (pix_job **link = &pipeline->leaders; *link; link = &(*link)->next)
        if (*link == job) {
            *link = job->next;
            break;
        }
    pthread_mutex_unlock(&pipeline->leaders_lock);
}

void pix_pipeline_close(pix_pipeline *pipeline) {
    if (!pipeline)
        return;
    pix_pipeline_stop(pipeline);
    if (pipeline->jobs)
        pix_queue_close(pipeline->jobs);
    for (int i = 0; i < pipeline->worker_count; i++)
        if (pipeline->workers[i].started)
            (void)pthread_join(pipeline->workers[i].thread, NULL);
    while (pipeline->done && pipeline->pending > 0)
        pix_pipeline_settle(pipeline, pix_pipeline_collect(pipeline, 0));
    for (int i = 0; i < pipeline->worker_count; i++) {
        pix_worker *worker = &pipeline->workers[i];
        pix_session_free(worker->session);
        pix_decoder_close(worker->decoder);
        free(worker->crops);
        free(worker->features);
        free((void *)worker->batch);
    }
    free(pipeline->workers);
    pix_queue_free(pipeline->jobs);
    pix_queue_free(pipeline->done);
    pthread_mutex_destroy(&pipeline->leaders_lock);
    free(pipeline);
}

size_t pix_pipeline_pending(const pix_pipeline *pipeline) {
    return pipeline->pending;
}

bool pix_pipeline_has_room(const pix_pipeline *pipeline) {
    return pipeline->pending < pipeline->limit;
}

/* Asks the kernel to have the file in memory by the time a worker reads it. */
static void prefetch(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    close(fd);
}

void pix_pipeline_submit(pix_pipeline *pipeline, pix_job *job) {
    prefetch(job->path);
    pipeline->pending++;
    (void)pix_queue_push(pipeline->jobs, job);
}

pix_job *pix_pipeline_collect(pix_pipeline *pipeline, int timeout_ms) {
    pix_job *job = pipeline->ready;
    if (!job)
        return pix_queue_pop(pipeline->done, timeout_ms);
    pipeline->ready = job->next;
    job->next = NULL;
    return job;
}

/* Gives a follower its leader's outcome, or another try. */
static void share(pix_pipeline *pipeline, const pix_job *leader, pix_job *follower) {
    if (leader->outcome == PIX_OUTCOME_ENCODED || leader->outcome == PIX_OUTCOME_KNOWN) {
        follower->outcome = PIX_OUTCOME_KNOWN;
    } else if (leader->outcome == PIX_OUTCOME_BROKEN) {
        follower->outcome = PIX_OUTCOME_BROKEN;
        follower->stage = leader->stage;
        follower->error = leader->error;
    } else if (pix_queue_push(pipeline->jobs, follower)) {
        return;
    } else {
        follower->outcome = PIX_OUTCOME_CANCELLED;
    }
    follower->next = pipeline->ready;
    pipeline->ready = follower;
}

void pix_pipeline_settle(pix_pipeline *pipeline, pix_job *job) {
    retire(pipeline, job);
    while (job->followers) {
        pix_job *follower = job->followers;
        job->followers = follower->next;
        follower->next = NULL;
        share(pipeline, job, follower);
    }
    pipeline->pending--;
    pix_job_free(job);
}

void pix_pipeline_stop(pix_pipeline *pipeline) {
    atomic_store(&pipeline->stopping, true);
}

void pix_pipeline_resume(pix_pipeline *pipeline) {
    atomic_store(&pipeline->stopping, false);
}
