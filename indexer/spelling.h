/* spelling.h - how a folder itself writes the names in it.
 *
 * Some file systems find a file under names that differ in capitals or in how accents are written
 * (vfat, exFAT, NTFS, HFS+).  A photo is known by the one its folder lists.  One thread at a time.
 */
#ifndef PIX_INDEXER_SPELLING_H
#define PIX_INDEXER_SPELLING_H

#include "core/base/bytes.h"
#include "indexer/paths.h"

/* The names of the folder that was looked at last; zeroed at first. */
typedef struct pix_spelling {
    pix_bytes folder;
    pix_paths names; /* sorted */
} pix_spelling;
void pix_spelling_free(pix_spelling *spelling);

/* Sets *name to the last name of the absolute `path` as its folder lists it: that in `path` itself,
 * or one that lives until the next call; NULL when nothing like it is listed.  Takes the name for
 * right when the folder cannot be listed.  Fails only when memory is out. */
pix_status pix_spelling_look_up(pix_spelling *spelling, const char *path, const char **name);

/* `path` with each name as it is listed, where it is; heap memory.  NULL when memory is out. */
char *pix_spelling_correct(const char *path);

/* Whether all of `path` after `folder`, which it is below, is written as it is listed. */
pix_status pix_spelling_is_right(pix_spelling *spelling, const char *path, const char *folder,
                                 bool *right);

/* Whether the file is gone and may have been listed under another name than in `path`: its folder
 * finds the files that are left in it under other names, too. */
pix_status pix_spelling_is_lost(pix_spelling *spelling, const char *path, bool *lost);

#endif
