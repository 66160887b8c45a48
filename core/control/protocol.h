/* protocol.h - what is said on the control socket: a JSON object a line, pixgrepd-control(7).
 *
 * Requests are parsed here, and whatever their bytes, within bounds; answers are written where they
 * arise and read with the functions below.  Any thread. */
#ifndef PIX_CONTROL_PROTOCOL_H
#define PIX_CONTROL_PROTOCOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/bytes.h"
#include "core/base/filter.h"

/* Changes when an old client would misunderstand a new daemon, or the other way round. */
enum { PIX_PROTOCOL = 2 };

/* $XDG_RUNTIME_DIR/pixgrep.sock in heap memory; NULL when that is not set. */
char *pix_control_place(void);

typedef enum pix_call {
    PIX_CALL_HELLO,
    PIX_CALL_TOKENIZE,
    PIX_CALL_ENCODE_TEXT,
    PIX_CALL_ENCODE_IMAGE,
    PIX_CALL_SELECT,
    PIX_CALL_SEARCH,
    PIX_CALL_STATUS,
    PIX_CALL_PAUSE,
    PIX_CALL_RESUME,
    PIX_CALL_RESCAN,
    /* What people tell the index. */
    PIX_CALL_FORGET,
    PIX_CALL_MOVE,
    PIX_CALL_APPROVE,
    PIX_CALL_RETRY
} pix_call;
const char *pix_call_name(pix_call call); /* in a request */

/* Texts of at most this many, vectors, hits of all together, and photos described; more is
 * PIX_ELIMIT. */
enum {
    PIX_CALL_TEXTS = 4096,
    PIX_CALL_VECTORS = 4096,
    PIX_CALL_HITS = 1000000,
    PIX_CALL_PHOTOS = 4096
};

typedef struct pix_request_ids {
    int32_t *data;
    size_t count;
} pix_request_ids;

typedef struct pix_request {
    pix_call call;
    pix_bytes text;       /* tokenize */
    pix_bytes *texts;     /* encode_text, hello: [text_count] or NULL, and then */
    pix_request_ids *ids; /* [text_count] */
    size_t text_count;
    bool exact, ignore_rotation; /* encode_image */
    bool packed;                 /* encode_*: how the vectors are written */
    float *vectors;              /* search: [vector_count, dimension] */
    size_t vector_count;
    int dimension;
    int64_t k, photos;  /* hello too, 0: none; so many of the first hits of each are described */
    pix_filter *filter; /* select, search; NULL: none */
    char **folders; /* rescan, and paths of what follows it: absolute; none: all that is known */
    size_t folder_count;
} pix_request;

/* A line without its newline. */
pix_status pix_request_parse(const char *line, size_t size, pix_request *out, pix_error *error);
void pix_request_free(pix_request *request);

/* An answer that is no error; one that is becomes *error.  *out is the caller's reference. */
pix_status pix_answer_parse(const char *line, size_t size, json_t **out, pix_error *error);

/* Writes the answer that tells an error. */
void pix_answer_error(FILE *out, const pix_error *error);

/* A vector as a list of numbers or, packed, as the base64 of its little-endian float32. */
void pix_vector_write(FILE *out, const float *vector, size_t size, bool packed);

/* Members of an answer: whole numbers, texts ("" when not there), and vectors of float32 of exactly
 * this size, written either way. */
pix_status pix_answer_integer(const json_t *answer, const char *key, int64_t *out,
                              pix_error *error);
const char *pix_answer_text(const json_t *answer, const char *key);
pix_status pix_answer_vector(const json_t *vector, float *out, size_t size, pix_error *error);
/* What pix_json_bytes wrote: `key`, or else `key`_base64. */
pix_status pix_answer_bytes(const json_t *answer, const char *key, pix_bytes *out,
                            pix_error *error);
/* A list of folders, absolute paths in heap memory; none when there is no such member. */
pix_status pix_answer_folders(const json_t *answer, const char *key, char ***out, size_t *count,
                              pix_error *error);

#endif
