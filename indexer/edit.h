/* edit.h - what people tell the index: forget, move, approve-removals and failures --retry.
 *
 * Whoever has the index open for writing does it, the command itself or a running daemon, and what
 * is printed is the same.  One thread at a time. */
#ifndef PIX_INDEXER_EDIT_H
#define PIX_INDEXER_EDIT_H

#include <stdio.h>

#include "core/base/bytes.h"
#include "core/control/protocol.h"
#include "indexer/exit.h"
#include "indexer/options.h"
#include "indexer/paths.h"
#include "storage/store.h"

/* What an edit prints, once it is committed. */
typedef struct pix_edit_text {
    pix_bytes output, notes; /* for standard output and standard error */
} pix_edit_text;
void pix_edit_text_free(pix_edit_text *text);

/* `call` is one of those that pixgrepd-control(7) says take paths; these are absolute, else as
 * somebody named them.  After an error nothing is changed. */
pix_status pix_edit_run(pix_store *store, pix_call call, const pix_paths *paths,
                        pix_edit_text *text, pix_error *error);

/* The command that makes the call, with its operands as paths. */
pix_exit pix_edit_command(const pix_options *options, pix_call call, pix_error *error);

/* One edit at hand, and what each does. */
typedef struct pix_edit {
    pix_store *store;
    const pix_paths *paths;
    FILE *output, *notes; /* in memory */
    int64_t *count;       /* an edit's own */
} pix_edit;
/* Does `each` to what `named` stands for or, when that is PIX_ENOTFOUND, to the name itself: an
 * index may have it from another spelling, or from before a link took its place. */
pix_status pix_edit_by_name(const pix_edit *edit, const char *named,
                            pix_status (*each)(const pix_edit *edit, const char *path,
                                               pix_error *error),
                            pix_error *error);
pix_status pix_edit_forget(const pix_edit *edit, pix_error *error);
pix_status pix_edit_move(const pix_edit *edit, pix_error *error);
pix_status pix_edit_approve(const pix_edit *edit, pix_error *error);
pix_status pix_edit_retry(const pix_edit *edit, pix_error *error);

#endif
