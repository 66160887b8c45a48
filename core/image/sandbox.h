/* sandbox.h - what a process that reads hostile pictures can no longer do.
 *
 * Two steps, both for good.  Before anything is loaded: memory, files and core dumps are limited,
 * no new rights can be gained, and the process dies with its parent.  Once every library is loaded:
 * a list of system calls is all that the kernel still carries out: memory, threads, the descriptors
 * at hand.  Nothing can be opened by its path, no socket made, no program started, no other process
 * seen; who tries gets EACCES. */
#ifndef PIX_IMAGE_SANDBOX_H
#define PIX_IMAGE_SANDBOX_H

#include "core/base/error.h"

pix_status pix_sandbox_limit(pix_error *error);
pix_status pix_sandbox_close(pix_error *error);

#endif
