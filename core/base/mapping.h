/* mapping.h - files mapped to be read, and what happens when one of them shrinks meanwhile.
 *
 * Whoever touches a page that is no longer in the file, or that the disk cannot give, gets SIGBUS.
 * pixgrep itself never makes a file shorter that anybody may have mapped: what it replaces is a new
 * file under the old name.  So this is the doing of another program, or of a bad disk.  With the
 * guard, such a page of a file whose reader checks all it reads is zeros from then on, which the
 * check finds; for any other file the process has to end. */
#ifndef PIX_BASE_MAPPING_H
#define PIX_BASE_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

/* `data` is NULL when `size` is 0. */
typedef struct pix_mapping {
    const uint8_t *data;
    size_t size;
} pix_mapping;

/* The first `size` bytes of an open file, which may be closed then; `path` is for messages.
 * `checked`: nothing read of it is trusted without a check. */
pix_status pix_mapping_make(pix_mapping *mapping, int fd, size_t size, const char *path,
                            bool checked, pix_error *error);
void pix_mapping_close(pix_mapping *mapping);

/* For a program's main.  `end` gets a line that names the file; it is called by a signal handler
 * and must end the process. */
void pix_mapping_guard(void (*end)(const char *line));

/* How many pages have become zeros so far: whoever read a checked file and then finds this number
 * changed does not know what was read after the check. */
uint64_t pix_mapping_losses(void);

#endif
