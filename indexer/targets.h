/* targets.h - which folders a run walks, and what may be concluded from them.
 *
 * Folders inside known roots belong to those roots, folders inside others given are walked with
 * them, and a root that is away or on another file system is marked: its photos must not be taken
 * for removed.  Not thread-safe. */
#ifndef PIX_INDEXER_TARGETS_H
#define PIX_INDEXER_TARGETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "indexer/paths.h"
#include "indexer/root_identity.h"
#include "storage/store.h"

/* A known root inside a new one. */
typedef struct pix_inner_root {
    char *path, *identity;
} pix_inner_root;

typedef struct pix_target {
    char *root;      /* what the index knows or will know */
    char *folder;    /* what is walked: the root or a folder in it */
    pix_paths parts; /* files and folders in it, when they alone are walked; sorted, not nested */
    int64_t renamed; /* photos that were given new paths in it before the walk */
    bool known;
    bool named;            /* on the command line */
    int64_t id;            /* of a known root */
    int64_t photos;        /* it had before */
    char *identity_before; /* of a known root, with `mount_before` */
    bool mount_before;
    char away[1024]; /* why the folder of a known root cannot be reached; nothing below is set */
    pix_inner_root *inner; /* of a new root: those known ones in it that are file systems of their
                              own, or of which that must be assumed */
    size_t inner_count;
    pix_root_identity identity;
    bool elsewhere; /* a known root that is on another file system than before; not when untold */
} pix_target;

typedef struct pix_targets {
    pix_target *items;
    size_t count;
} pix_targets;

/* The folders named, or every known root when none is.  A folder that neither exists nor is known,
 * or no root at all, is an error. */
pix_status pix_targets_choose(pix_store *store, const char *const *names, size_t name_count,
                              pix_targets *out, pix_error *error);
void pix_targets_free(pix_targets *targets);

/* Leaves, of whole roots, those that hold some of `paths` (sorted, not nested), with them as their
 * parts unless it is the root itself. */
pix_status pix_targets_narrow(pix_targets *targets, const pix_paths *paths, pix_error *error);

/* The folder as an absolute path without links, its names as they are listed, or, when it cannot be
 * reached (errno says why), without "." and ".."; heap memory.  NULL when memory is out or `name`
 * is relative to a folder that is gone. */
char *pix_folder_path(const char *name, bool *exists, pix_error *error);
/* As for one that cannot be reached: links stay. */
char *pix_folder_path_as_named(const char *name, pix_error *error);

#endif
