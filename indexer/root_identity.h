/* root_identity.h - which file system a folder is on.
 *
 * A drive that is away leaves an empty folder behind, or another drive in its place; before photos
 * are taken for removed, the folder must be the one that was indexed.  Nothing is written there. */
#ifndef PIX_INDEXER_ROOT_IDENTITY_H
#define PIX_INDEXER_ROOT_IDENTITY_H

#include <stdbool.h>

#include "core/base/error.h"

/* Where the kernel tells about mounts and file systems; tests have their own. */
typedef struct pix_identity_sources {
    const char *mountinfo; /* "/proc/self/mountinfo" */
    const char *by_uuid;   /* "/dev/disk/by-uuid" */
} pix_identity_sources;

typedef struct pix_root_identity {
    char text[512]; /* "uuid:UUID", else "TYPE:SOURCE" ("nfs4:server:/photos"), else "unknown" */
    bool is_mount;  /* the folder is itself a mount point */
} pix_root_identity;

/* `sources` NULL: the kernel's.  Fails only when the folder cannot be reached. */
pix_status pix_root_identify(const char *folder, const pix_identity_sources *sources,
                             pix_root_identity *out, pix_error *error);

#endif
