/* files.h - whole files in, whole files out, and the places pixgrep keeps things.
 *
 * Files are made 0600 and folders 0700.  Errors name the path and the cause. */
#ifndef PIX_BASE_FILES_H
#define PIX_BASE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/mapping.h"

/* The whole of a regular file of at most `limit` bytes, appended to *out. */
pix_status pix_file_read(const char *path, size_t limit, pix_bytes *out, pix_error *error);

/* The whole of a regular file, mapped; pix_mapping_close ends it. */
pix_status pix_mapping_open(pix_mapping *mapping, const char *path, pix_error *error);

/* Creates `path` and every missing parent; an existing folder is success. */
pix_status pix_folder_make(const char *path, pix_error *error);

/* A file that appears under its name complete or not at all: written as "PATH.tmp", then fsync,
 * rename and fsync of the folder.  One writer at a time (else PIX_EBUSY); what a killed one left is
 * overwritten.  A link stays one, to the new file; what is no regular file is PIX_EUNSUPPORTED.
 * _close without _commit removes the temporary file. */
typedef struct pix_atomic_file pix_atomic_file;
pix_status pix_atomic_file_open(const char *path, pix_atomic_file **out, pix_error *error);
FILE *pix_atomic_file_stream(pix_atomic_file *file);
/* Where it is until then. */
const char *pix_atomic_file_temporary(const pix_atomic_file *file);
pix_status pix_atomic_file_commit(pix_atomic_file *file, pix_error *error);
void pix_atomic_file_close(pix_atomic_file *file);

/* fsync of the folder that `path` is in: what was renamed to it, linked or removed stays so. */
pix_status pix_folder_sync_of(const char *path, pix_error *error);

/* Removes what killed writers left in a folder: regular files whose names begin and end so, unless
 * a live writer holds a lock on them, as pix_atomic_file does. */
void pix_remains_drop(const char *folder, const char *beginning, const char *end);

/* "a/b" from "a" and "b" in heap memory; NULL when memory is out. */
char *pix_path_join(const char *folder, const char *name);

/* The path of the file called `name` in the folder that `path` is in; heap memory, NULL when that
 * is out. */
char *pix_path_beside(const char *path, const char *name);

/* `path` from the root, in heap memory: the current folder comes before a relative one and "."
 * components go; ".." and symbolic links stay, so a person knows it again.  NULL with errno. */
char *pix_path_absolute(const char *path);

/* Where a person's index and models are, in heap memory: $XDG_DATA_HOME/pixgrep/NAME, else
 * $HOME/.local/share/pixgrep/NAME; NULL when memory is out or neither variable is set. */
char *pix_place_data(const char *name);

/* The same for what can be made again: $XDG_CACHE_HOME/pixgrep/NAME, else
 * $HOME/.cache/pixgrep/NAME. */
char *pix_place_cache(const char *name);

/* PREFIX/NAME in heap memory, for the PREFIX the running program is installed under
 * (PREFIX/bin/pixgrep), such as "libexec/pixgrep/pixgrep-decode"; the build tree has the same
 * shape.  NULL when memory is out or /proc is not there. */
char *pix_place_installed(const char *name);

#endif
