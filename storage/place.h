/* place.h - the file of an open store, and whether it is still the one at the store's path. */
#ifndef PIX_STORAGE_PLACE_H
#define PIX_STORAGE_PLACE_H

#include "storage/store_internal.h"

/* What is at the path: before it is opened, so that a later one is never taken for it. */
void pix_place_note(pix_store *store);
/* SQLite's log, once there is one. */
void pix_place_note_side_files(pix_store *store);

/* PIX_EMISMATCH when it is not in its place. */
pix_status pix_place_check(const pix_store *store, pix_error *error);

/* For a writer that is closed and is not in its place: what was committed goes along with the file,
 * wherever that is now, in its log where a reader keeps it from being copied; after the close its
 * log must not be taken for that of the next one. */
void pix_place_leave(pix_store *store);
void pix_place_drop_side_files(const pix_store *store);

#endif
