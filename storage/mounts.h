/* mounts.h - the file systems below roots that photos were last seen on.
 *
 * A run is told which it meets (pix_store_mount_meet); a photo is on the deepest met one around it,
 * or else on the file system of its root.  The store's lock is held. */
#ifndef PIX_STORAGE_MOUNTS_H
#define PIX_STORAGE_MOUNTS_H

#include "storage/statement.h"

/* NULL: the root's own file system. */
const pix_met_mount *pix_mount_around(const pix_store *store, const char *path);

void pix_mounts_forget(pix_store *store); /* those met */

/* Where a photo was last seen: 0, and NULL, for its root's own file system.  *path is the caller's.
 */
pix_status pix_image_mount_get(pix_store *store, int64_t image_id, int64_t *mount_id, char **path,
                               pix_error *error);
pix_status pix_image_mount_put(pix_store *store, int64_t image_id, int64_t mount_id,
                               pix_error *error);
/* It is on what this run met around `path`. */
pix_status pix_image_mount_note(pix_store *store, int64_t image_id, const char *path,
                                pix_error *error);

#endif
