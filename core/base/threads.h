/* threads.h - a bounded queue of pointers between threads.
 *
 * Any thread may call any function.  Once closed, pushing fails at once and popping returns what is
 * left, then NULL: closing is how a pipeline drains. */
#ifndef PIX_BASE_THREADS_H
#define PIX_BASE_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_queue pix_queue;

pix_status pix_queue_new(size_t capacity, pix_queue **out);
void pix_queue_free(pix_queue *queue);
void pix_queue_close(pix_queue *queue);

/* Waits for room; false when the queue is closed. */
bool pix_queue_push(pix_queue *queue, void *item);
/* Waits up to `timeout_ms` (-1: for ever) for an item; NULL on time-out, or closed and empty. */
void *pix_queue_pop(pix_queue *queue, int timeout_ms);

/* Processors this process may run on, at least 1. */
int pix_cpu_count(void);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t pix_now_ns(void);

#endif
