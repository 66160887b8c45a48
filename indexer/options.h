/* options.h - the command line of pixgrepd.
 *
 * Strings point into argv. */
#ifndef PIX_INDEXER_OPTIONS_H
#define PIX_INDEXER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef enum pix_command {
    PIX_COMMAND_NONE, /* only with help or version */
    PIX_COMMAND_INDEX,
    PIX_COMMAND_WATCH,
    PIX_COMMAND_PAUSE,
    PIX_COMMAND_RESUME,
    PIX_COMMAND_RESCAN,
    PIX_COMMAND_STATUS,
    PIX_COMMAND_ROOTS,
    PIX_COMMAND_FORGET,
    PIX_COMMAND_FAILURES,
    PIX_COMMAND_APPROVE,
    PIX_COMMAND_MOVE,
    PIX_COMMAND_SALVAGE,
    PIX_COMMAND_MODEL_IMPORT,
    PIX_COMMAND_MODEL_LIST,
    PIX_COMMAND_MODEL_USE,
    PIX_COMMAND_MODEL_VERIFY,
    PIX_COMMAND_MODEL_REMOVE,
    PIX_COMMAND_MODEL /* only with help */
} pix_command;

typedef struct pix_options {
    pix_command command;
    bool help, version;
    bool follow, hidden, exact, no_autorotate, quiet; /* index, watch */
    bool verbose, json;     /* status, roots, failures, model import, model list */
    bool retry;             /* failures */
    bool no_use, no_source; /* model import, model verify */
    int threads;            /* 0: one for each processor */
    int64_t time_limit_s;   /* index; 0: none */
    int64_t rescan_s;       /* watch; 0: not said */
    const char *db, *model, *precision, *vocabulary, *name, *output, *gelu, *report;
    const char **excludes; /* heap array */
    size_t exclude_count;
    const char **operands; /* heap array */
    size_t operand_count;
} pix_options;

/* Cuts slashes off the ends of patterns in argv.  The error of a wrong command line names the bad
 * word and ends with where to find help. */
pix_status pix_options_parse(int argc, char **argv, pix_options *out, pix_error *error);
void pix_options_free(pix_options *options);

/* What `pixgrepd COMMAND --help` prints; PIX_COMMAND_NONE: `pixgrepd --help`. */
const char *pix_options_help(pix_command command);

#endif
