/* pipeline.h - from paths to vectors, on every core.
 *
 * Each worker thread has its own decoding process and its own session of the model: it opens and
 * hashes a file, decodes it when its content is neither stored nor being worked on elsewhere,
 * gathers a batch and encodes it.  While one worker decodes another encodes, so N workers keep N
 * cores busy and no more.  Path, content hash, facts, crop, vector and error travel in one job.
 *
 * One thread submits, collects and settles; it alone writes the store.  Queues are as long as the
 * jobs there may be, so nothing ever waits for room. */
#ifndef PIX_INDEXER_PIPELINE_H
#define PIX_INDEXER_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clip/model.h"
#include "core/image/decoder.h"
#include "storage/store.h"

typedef enum pix_outcome {
    PIX_OUTCOME_ENCODED,     /* `photo` and `vector` are set */
    PIX_OUTCOME_KNOWN,       /* content that the store has (or has by the time of collecting) */
    PIX_OUTCOME_BROKEN,      /* this content gives no vector, however often it is tried */
    PIX_OUTCOME_DENIED,      /* may not be read */
    PIX_OUTCOME_INTERRUPTED, /* something else ended its decoder, or held it up */
    PIX_OUTCOME_TROUBLE,     /* did not work this time */
    PIX_OUTCOME_UNSTEADY,    /* changed while it was read */
    PIX_OUTCOME_GONE,        /* the file is no longer there */
    PIX_OUTCOME_CANCELLED,   /* the pipeline was stopped before its turn */
} pix_outcome;

typedef struct pix_job pix_job;
struct pix_job {
    char *path;
    int64_t mtime_ns, size_bytes; /* as walked; the worker corrects them to what it read */
    pix_photo_state state;        /* the caller's */
    bool failed_before;           /* the caller's */

    uint8_t content[PIX_SHA256_BYTES];
    pix_photo photo;
    uint8_t *crop; /* [size, size, 3], a slot of its worker's batch while it is in one */
    float *vector; /* [embed_dim], unit length */
    pix_outcome outcome;
    const char *stage; /* "open", "decode", "encode": where it failed */
    pix_error error;   /* the reason alone */

    pix_job *next;      /* in the list it is in */
    pix_job *followers; /* jobs with the same content, waiting for this one */
};

typedef struct pix_pipeline_settings {
    pix_model *model;
    pix_store *store;
    pix_recipe recipe;
    int threads;         /* 0: one for each processor */
    const char *decoder; /* program; NULL: the installed one */
} pix_pipeline_settings;

typedef struct pix_pipeline pix_pipeline;

pix_status pix_pipeline_open(const pix_pipeline_settings *settings, pix_pipeline **out,
                             pix_error *error);
/* Stops, waits for the workers and drops jobs nobody collected. */
void pix_pipeline_close(pix_pipeline *pipeline);

/* Jobs submitted and not settled yet, and whether there is room for one more. */
size_t pix_pipeline_pending(const pix_pipeline *pipeline);
bool pix_pipeline_has_room(const pix_pipeline *pipeline);

/* A new job in heap memory, `path` copied; NULL when memory is out. */
pix_job *pix_job_new(const char *path, int64_t mtime_ns, int64_t size_bytes);
void pix_job_free(pix_job *job);

/* Takes the job; there must be room. */
void pix_pipeline_submit(pix_pipeline *pipeline, pix_job *job);

/* The next finished job, or NULL when none finishes within `timeout_ms`.  It still belongs to the
 * pipeline: record its outcome in the store, then settle it. */
pix_job *pix_pipeline_collect(pix_pipeline *pipeline, int timeout_ms);

/* Says that the outcome is recorded, and frees the job.  Jobs that waited for the same content
 * share the outcome, when it follows from the content, and are collected next; else they are
 * submitted again. */
void pix_pipeline_settle(pix_pipeline *pipeline, pix_job *job);

/* From now on jobs that no worker has begun are cancelled.  Any thread may call. */
void pix_pipeline_stop(pix_pipeline *pipeline);

/* Takes that back, once nothing is pending. */
void pix_pipeline_resume(pix_pipeline *pipeline);

#endif
