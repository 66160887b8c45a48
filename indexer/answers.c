#include "indexer/answers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "indexer/answerer.h"

struct pix_answers {
    pix_answerer answerer; /* the thread's own */
    void (*wake)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t asked;
    bool stopping, reloading;
    int64_t at_hand;               /* its asker; 0: nothing is */
    atomic_bool unwanted;          /* nobody waits for what is at hand */
    pix_answer_job *first, **last; /* waiting */
    pix_answer_job *done;
};

pix_answer_job *pix_answer_job_new(void) {
    pix_answer_job *job = calloc(1, sizeof *job);
    if (job)
        job->fd = -1;
    return job;
}

void pix_answer_job_free(pix_answer_job *job) {
    if (!job)
        return;
    pix_request_free(&job->request);
    if (job->fd >= 0)
        close(job->fd);
    free(job->line);
    free(job);
}

static pix_status compute(pix_answerer *a, const pix_answer_job *job, FILE *out, pix_error *error) {
    switch (job->request.call) {
    case PIX_CALL_HELLO:
        return pix_answer_hello(a, &job->request, out, error);
    case PIX_CALL_TOKENIZE:
        return pix_answer_tokenize(a, &job->request, out, error);
    case PIX_CALL_ENCODE_TEXT:
        return pix_answer_encode_text(a, &job->request, out, error);
    case PIX_CALL_ENCODE_IMAGE:
        return pix_answer_encode_image(a, &job->request, job->fd, out, error);
    case PIX_CALL_SELECT:
        return pix_answer_select(a, &job->request, out, error);
    case PIX_CALL_SEARCH:
        return pix_answer_search(a, &job->request, out, error);
    case PIX_CALL_STATUS:
    case PIX_CALL_PAUSE:
    case PIX_CALL_RESUME:
    case PIX_CALL_RESCAN:
    case PIX_CALL_FORGET:
    case PIX_CALL_MOVE:
    case PIX_CALL_APPROVE:
    case PIX_CALL_RETRY:
        break; /* the loop's, or the scanner's */
    }
    return pix_fail(error, PIX_EINVALID, "nothing to compute");
}

static bool end_line(pix_answer_job *job, FILE *out) {
    if (out && fclose(out) == 0)
        return true;
    free(job->line);
    job->line = NULL;
    return false;
}

/* An error takes the place of what was written of the answer before it. */
static void answer(pix_answerer *a, pix_answer_job *job) {
    pix_error error;
    FILE *out = open_memstream(&job->line, &job->size);
    pix_status status = out ? compute(a, job, out, &error) : PIX_OK;
    if (!end_line(job, out) || !status)
        return;
    free(job->line);
    out = open_memstream(&job->line, &job->size);
    if (out)
        pix_answer_error(out, &error);
    (void)end_line(job, out);
}

static void *work(void *context) {
    pix_answers *a = context;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->stopping && !a->reloading && !a->first)
            pthread_cond_wait(&a->asked, &a->lock);
        if (a->stopping)
            break;
        pix_answer_job *job = a->first;
        bool reload = a->reloading;
        a->reloading = false;
        if (job && !(a->first = job->next))
            a->last = &a->first;
        a->at_hand = job ? job->asker : 0;
        atomic_store(&a->unwanted, false);
        pthread_mutex_unlock(&a->lock);
        if (reload)
            pix_answerer_close(&a->answerer);
        if (job)
            answer(&a->answerer, job);
        pthread_mutex_lock(&a->lock);
        a->at_hand = 0;
        if (job) {
            job->next = a->done;
            a->done = job;
            a->wake(a->context);
        }
    }
    pthread_mutex_unlock(&a->lock);
    pix_answerer_close(&a->answerer);
    return NULL;
}

pix_status pix_answers_start(const pix_options *options, void (*wake)(void *context), void *context,
                             pix_answers **out, pix_error *error) {
    *out = NULL;
    pix_answers *a = calloc(1, sizeof *a);
    if (!a)
        return pix_fail_memory(error);
    a->answerer.options = options;
    a->answerer.unwanted = &a->unwanted;
    a->wake = wake;
    a->context = context;
    a->last = &a->first;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->asked, NULL);
    int cause = pthread_create(&a->thread, NULL, work, a);
    if (!cause) {
        *out = a;
        return PIX_OK;
    }
    pthread_cond_destroy(&a->asked);
    pthread_mutex_destroy(&a->lock);
    free(a);
    errno = cause;
    return pix_fail_errno(error, "cannot start a thread");
}

static void free_jobs(pix_answer_job *first) {
    while (first) {
        pix_answer_job *next = first->next;
        pix_answer_job_free(first);
        first = next;
    }
}

void pix_answers_close(pix_answers *a) {
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    atomic_store(&a->unwanted, true);
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
    (void)pthread_join(a->thread, NULL);
    free_jobs(a->first);
    free_jobs(a->done);
    pthread_cond_destroy(&a->asked);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void pix_answers_submit(pix_answers *a, pix_answer_job *job) {
    pthread_mutex_lock(&a->lock);
    job->next = NULL;
    *a->last = job;
    a->last = &job->next;
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
}

void pix_answers_withdraw(pix_answers *a, int64_t asker) {
    pix_answer_job *dropped = NULL;
    pthread_mutex_lock(&a->lock);
    if (a->at_hand == asker)
        atomic_store(&a->unwanted, true);
    for (pix_answer_job **link = &a->first; *link && !dropped; link = &(*link)->next) {
        if ((*link)->asker != asker)
            continue;
        dropped = *link;
        if (!(*link = dropped->next))
            a->last = link;
        break;
    }
    pthread_mutex_unlock(&a->lock);
    pix_answer_job_free(dropped);
}

pix_answer_job *pix_answers_collect(pix_answers *a) {
    pthread_mutex_lock(&a->lock);
    pix_answer_job *job = a->done;
    if (job)
        a->done = job->next;
    pthread_mutex_unlock(&a->lock);
    return job;
}

void pix_answers_reload(pix_answers *a) {
    pthread_mutex_lock(&a->lock);
    a->reloading = true;
    pthread_cond_signal(&a->asked);
    pthread_mutex_unlock(&a->lock);
}
