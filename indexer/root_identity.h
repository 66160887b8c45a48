/* root_identity.h - which file system a folder is on.
 *
 * A drive that is away leaves an empty folder behind, or another drive in its place; before photos
 * are taken for removed, the folder must be the one that was indexed.  Nothing is written there. */
#ifndef PIX_INDEXER_ROOT_IDENTITY_H
#define PIX_INDEXER_ROOT_IDENTITY_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

/* Where the kernel tells about mounts and file systems; tests have their own. */
typedef struct pix_identity_sources {
    const char *mountinfo; /* "/proc/self/mountinfo" */
    const char *by_uuid;   /* "/dev/disk/by-uuid" */
} pix_identity_sources;

typedef struct pix_root_identity {
    char text[512]; /* "uuid:UUID", else "TYPE:SOURCE" ("nfs4:server:/photos"), else "unknown" */
    bool is_mount;  /* the folder is itself a mount point */
    uint64_t inode; /* of the folder, as long as that is known: another one may get its name */
    bool untold;    /* there is no table of mounts that may be read: no /proc */
    char inside[PATH_MAX]; /* the folder of the file system that is mounted: "/" for all of it */
} pix_root_identity;

/* `sources` NULL: the kernel's.  Fails when the folder cannot be reached, or when memory or
 * descriptors are out. */
pix_status pix_root_identify(const char *folder, const pix_identity_sources *sources,
                             pix_root_identity *out, pix_error *error);

/* Whether the folder is there, with nothing in it. */
bool pix_root_is_bare(const char *folder);

/* Replaces the text by what tells the file system of a folder, and the part of it that is mounted,
 * from others. */
pix_status pix_mount_identify(const char *folder, pix_bytes *text, pix_error *error);

/* Appends a text of what is mounted below the folder; equal texts, equal mounts.  What the kernel
 * mounts when it is needed (autofs) may come and go without a difference.  Nothing without /proc.
 */
pix_status pix_mounts_describe(const char *folder, const pix_identity_sources *sources,
                               pix_bytes *text, pix_error *error);

/* What tells the mount that the folder `name` of `fd` is on from others; 0 when it cannot be told.
 */
uint64_t pix_mount_number(int fd, const char *name);

#endif
