/* interrupt.h - SIGINT, SIGTERM and SIGHUP as a flag.
 *
 * The first asks the run to stop, drain and commit; the second ends the process at once with exit
 * code 3, which the index survives.  The signals are blocked, and so they are in decoding
 * processes: Ctrl-C reaches the whole terminal group, and photos at hand shall be finished. */
#ifndef PIX_INDEXER_INTERRUPT_H
#define PIX_INDEXER_INTERRUPT_H

#include <stdbool.h>

#include "core/base/error.h"

/* Before any other thread is started. */
pix_status pix_interrupt_watch(pix_error *error);

bool pix_interrupted(void);

#endif
