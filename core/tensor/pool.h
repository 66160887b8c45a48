/* pool.h - threads that share the tasks of whoever asks.
 *
 * The asking thread works too, so a pool of one has no threads of its own, and a task may itself
 * ask the same pool.  Idle threads watch for work for some microseconds, then sleep.  Any thread
 * may ask at any time; tasks of several askers run side by side. */
#ifndef PIX_TENSOR_POOL_H
#define PIX_TENSOR_POOL_H

#include <stddef.h>

#include "core/base/error.h"

typedef struct pix_pool pix_pool;
typedef void pix_task(void *context, size_t index);

/* `threads` counts the asking one; at least 1. */
pix_status pix_pool_new(int threads, pix_pool **out, pix_error *error);
/* No thread may be in pix_pool_run. */
void pix_pool_free(pix_pool *pool);

/* 1 for NULL. */
int pix_pool_threads(const pix_pool *pool);

/* Runs task(context, index) for every index below `count`, in any order, on any thread of the pool;
 * returns when all have ended.  Each thread begins with a run of indexes of its own, from job to
 * job at the same part of them.  A NULL pool runs them one by one. */
void pix_pool_run(pix_pool *pool, size_t count, pix_task *task, void *context);

#endif
