/* json_file.h - JSON in and beside weights: read within bounds, its settings and what is wrong
 * with them. */
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

/* An object of settings. */
typedef struct pix_json_part {
    const char *name;       /* in messages */
    const json_t *settings; /* NULL: every one has its default */
} pix_json_part;

/* A member; NULL also when it is null, as settings are that have their default. */
const json_t *pix_json_get(const json_t *object, const char *key);

/* A setting that is not what it must be: "eos_token_id of text_config is [1], expected ...". */
pix_status pix_json_fail_value(const pix_json_part *part, const char *key, const json_t *value,
                               const char *expected, pix_error *error);

/* A whole number from `low` (0 or 1) to INT32_MAX; `absent` when it is not there. */
pix_status pix_json_read_integer(const pix_json_part *part, const char *key, int64_t absent,
                                 int64_t low, int64_t *out, pix_error *error);

/* A number above 0; `absent` when it is not there. */
pix_status pix_json_read_positive(const pix_json_part *part, const char *key, double absent,
                                  double *out, pix_error *error);

#endif
