/* salvage.h - what can still be read of a damaged index, in a new one.
 *
 * Everything is copied row by row where need be, checked, and put in the damaged file's place; that
 * stays beside it under the name "PATH.damaged", where PATH is that of the file behind any links.
 * What is lost the next run finds again. */
#ifndef PIX_STORAGE_SALVAGE_H
#define PIX_STORAGE_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct pix_salvage {
    bool sound; /* nothing was wrong: nothing was done */
    char damage[256];
    /* Saved, and how many there were: -1 when that cannot be read. */
    int64_t photos, photos_before;
    int64_t vectors, vectors_before;
    char kept_as[4096]; /* where the damaged file is now */
} pix_salvage;

/* PIX_EBUSY while another process writes.  When nothing at all can be read the file stays as it
 * is, and the error says so. */
pix_status pix_store_salvage(const char *name, pix_salvage *out, pix_error *error);

#endif
