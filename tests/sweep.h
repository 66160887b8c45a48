/* sweep.h - a sweep of one folder. */
#ifndef PIX_TESTS_SWEEP_H
#define PIX_TESTS_SWEEP_H

#include "storage/store.h"

/* Of which `few` may go unasked; `kept` may be NULL. */
static inline pix_status test_sweep(pix_store *store, int64_t run, int64_t root, const char *folder,
                                    const char *kept, int64_t few, pix_swept *swept,
                                    pix_error *error) {
    pix_sweep what = {.folders = &folder,
                      .folder_count = 1,
                      .kept = &kept,
                      .kept_count = kept != NULL,
                      .few = few};
    return pix_store_sweep(store, run, root, &what, swept, error);
}

#endif
