/* answers.h - the thread of `pixgrepd watch` that computes what pixgrep asks for.
 *
 * It keeps the current model mapped, its sessions and a reader of the index ready, opened when they
 * are first needed, so that an answer costs what it computes.  Its priority is that of a program
 * somebody waits for.  The loop's thread submits and collects; `wake` is called by this thread when
 * there is something to collect. */
#ifndef PIX_INDEXER_ANSWERS_H
#define PIX_INDEXER_ANSWERS_H

#include "core/control/protocol.h"
#include "indexer/options.h"

typedef struct pix_answers pix_answers;

typedef struct pix_answer_job pix_answer_job;
struct pix_answer_job {
    pix_request request;
    int fd;        /* of the picture; -1 for none */
    int64_t asker; /* the caller's own */
    char *line;    /* the answer, when it is done; NULL when memory was out */
    size_t size;
    pix_answer_job *next;
};
pix_answer_job *pix_answer_job_new(void); /* NULL when memory is out */
void pix_answer_job_free(pix_answer_job *job);

pix_status pix_answers_start(const pix_options *options, void (*wake)(void *context), void *context,
                             pix_answers **out, pix_error *error);
void pix_answers_close(pix_answers *answers); /* after the job at hand */

void pix_answers_submit(pix_answers *answers, pix_answer_job *job); /* takes the job */
/* Nobody waits for the answer: a job that has not begun is dropped, a picture that is being decoded
 * gets little more time. */
void pix_answers_withdraw(pix_answers *answers, int64_t asker);
pix_answer_job *pix_answers_collect(pix_answers *answers); /* NULL: none is done */

/* The next answer is of the model that is current then. */
void pix_answers_reload(pix_answers *answers);

#endif
