/* remote.h - what other runs of pixgrepd ask of the one that watches. */
#ifndef PIX_INDEXER_REMOTE_H
#define PIX_INDEXER_REMOTE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "indexer/edit.h"
#include "indexer/exit.h"
#include "indexer/options.h"

/* What the daemon that keeps the index at `path` is doing, in words or as its answer to a status
 * call, in heap memory; NULL when there is none. */
char *pix_remote_status(const char *path, bool json);

/* Has the daemon scan the folders of the command line, waits, and reports as index does, with
 * *error when *code is PIX_EXIT_ERROR.  PIX_ENOTFOUND, with nothing done, when no daemon keeps this
 * index. */
pix_status pix_remote_index(const pix_options *options, const char *operation, pix_exit *code,
                            pix_error *error);

/* Has the daemon do what people tell the index, and waits; *reached is false, and nothing done,
 * when no daemon keeps this index. */
pix_status pix_remote_edit(const pix_options *options, pix_call call, const pix_paths *paths,
                           pix_edit_text *text, bool *reached, pix_error *error);

#endif
