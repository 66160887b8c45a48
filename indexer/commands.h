/* commands.h - what pixgrepd does, one function a command.
 *
 * Each prints results to standard output and returns an exit code; with PIX_EXIT_ERROR the error
 * says why, and the caller prints it. */
#ifndef PIX_INDEXER_COMMANDS_H
#define PIX_INDEXER_COMMANDS_H

#include "core/base/error.h"
#include "indexer/exit.h"
#include "indexer/options.h"
#include "storage/store.h"

/* Blocks signals first: call it before any thread is started. */
pix_exit pix_command_index(const pix_options *options, pix_error *error);

/* Signals are the loop's. */
pix_exit pix_command_watch(const pix_options *options, pix_error *error);

pix_exit pix_command_pause(const pix_options *options, pix_error *error);
pix_exit pix_command_resume(const pix_options *options, pix_error *error);
pix_exit pix_command_rescan(const pix_options *options, pix_error *error);

pix_exit pix_command_status(const pix_options *options, pix_error *error);
pix_exit pix_command_roots(const pix_options *options, pix_error *error);
pix_exit pix_command_forget(const pix_options *options, pix_error *error);
pix_exit pix_command_failures(const pix_options *options, pix_error *error);
pix_exit pix_command_approve(const pix_options *options, pix_error *error);
pix_exit pix_command_move(const pix_options *options, pix_error *error);
pix_exit pix_command_salvage(const pix_options *options, pix_error *error);

pix_exit pix_command_model_import(const pix_options *options, pix_error *error);
pix_exit pix_command_model_list(const pix_options *options, pix_error *error);
pix_exit pix_command_model_use(const pix_options *options, pix_error *error);
pix_exit pix_command_model_verify(const pix_options *options, pix_error *error);
pix_exit pix_command_model_remove(const pix_options *options, pix_error *error);

/* --db, or $XDG_DATA_HOME/pixgrep/index.db: the path in heap memory, and what is there opened. */
char *pix_command_store_path(const pix_options *options, pix_error *error);
pix_status pix_command_open_store(const pix_options *options, pix_store_mode mode, pix_store **out,
                                  pix_error *error);
/* For writing; PIX_ENOTFOUND when there is none, where _open_store would make one. */
pix_status pix_command_open_existing(const pix_options *options, pix_store **out, pix_error *error);

#endif
