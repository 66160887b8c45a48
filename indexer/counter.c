#include "indexer/counter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct pix_counter {
    pix_walk *walk;
    _Atomic int64_t count;
    atomic_bool finished, stopping;
    pthread_t thread;
};

static void *run(void *context) {
    pix_counter *counter = context;
    pix_walk_entry entry;
    while (!atomic_load(&counter->stopping) &&
           pix_walk_next(counter->walk, &entry, NULL) == PIX_OK) {
        if (entry.kind == PIX_WALK_END) {
            atomic_store(&counter->finished, true);
            break;
        }
        if (entry.kind == PIX_WALK_PHOTO)
            atomic_fetch_add(&counter->count, 1);
    }
    return NULL;
}

pix_counter *pix_counter_open(const char *root, const char *folder,
                              const pix_walk_options *options) {
    pix_counter *counter = calloc(1, sizeof *counter);
    if (!counter)
        return NULL;
    if (pix_walk_open(root, folder, options, &counter->walk, NULL) == PIX_OK &&
        pthread_create(&counter->thread, NULL, run, counter) == 0)
        return counter;
    pix_walk_close(counter->walk);
    free(counter);
    return NULL;
}

void pix_counter_close(pix_counter *counter) {
    if (!counter)
        return;
    atomic_store(&counter->stopping, true);
    (void)pthread_join(counter->thread, NULL);
    pix_walk_close(counter->walk);
    free(counter);
}

int64_t pix_counter_get(const pix_counter *counter, bool *finished) {
    *finished = counter && atomic_load(&counter->finished);
    return counter ? atomic_load(&counter->count) : 0;
}
