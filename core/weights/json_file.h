/* json_file.h - JSON in and beside weights: read within bounds, shown in messages. */
#ifndef PIX_WEIGHTS_JSON_FILE_H
#define PIX_WEIGHTS_JSON_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

/* Reads a file of one JSON object, at most 1 MiB; *out is the caller's reference.  An error begins
 * with the path. */
pix_status pix_json_file_read(const char *path, json_t **out, pix_error *error);

/* Whether a text could have more than a million values: an empty list takes three bytes of a file
 * and some forty times that in memory, so it is told before it is parsed. */
bool pix_json_is_large(const uint8_t *text, size_t size);

/* A value as it stands in a message: compact, ASCII, at most 40 characters and "..." */
typedef struct pix_json_shown {
    char text[44];
} pix_json_shown;
pix_json_shown pix_json_show(const json_t *value);

#endif
