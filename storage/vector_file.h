/* vector_file.h - a .pixv file: the vectors of one model as codes, for searches to read through.
 *
 *     head, axes | slot 0 | slot 1 | blocks
 *
 * The head says what the file is and never changes.  A block is 16 vectors (scan.h) in the order of
 * their ids and never changes either; what does change is in the slots, of which the newer is
 * valid: the state, the vectors of the last block while it has fewer than 16, and a bit for each
 * vector that is dead.  A change is written to the older slot; its state comes last and makes it
 * the newer one.  So whoever dies leaves the state before, and whoever reads sees one of the two.
 *
 * The file is a cache: everything in it can be computed from the store again, so whatever is wrong
 * with it is PIX_EFORMAT or PIX_EMISMATCH, and it is not to be used.  Nothing of it is trusted
 * without a check; that of a block is made by the scan that reads it.  Head and states are as the
 * processor stores them: a file from one of another kind fails its checks.
 *
 * One thread at a time may use a pix_vector_file; files and processes are independent. */
#ifndef PIX_STORAGE_VECTOR_FILE_H
#define PIX_STORAGE_VECTOR_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/mapping.h"
#include "core/base/sha256.h"
#include "storage/frame.h"

enum { PIX_PIXV_VERSION = 2, PIX_PIXV_PAGE = 4096 };

typedef struct pix_pixv_head {
    char magic[8];
    uint32_t version;
    uint32_t dimension;
    uint64_t file_id;                /* random: parts of two files never fit together */
    uint64_t seed;                   /* of the rotation */
    uint64_t capacity;               /* vectors there are bits for, a multiple of 512 */
    char fingerprint[72];            /* of the model, NUL-terminated */
    uint8_t check[PIX_SHA256_BYTES]; /* of the fields above, then the axes */
} pix_pixv_head;

/* The name of a state of the store: of its table writing. */
typedef struct pix_writing {
    int64_t id, token, commits;
} pix_writing;

/* What a file covers. */
typedef struct pix_pixv_state {
    uint64_t file_id;
    uint64_t sequence; /* of this state; slot sequence % 2 holds it */
    uint64_t count;    /* vectors, dead ones too */
    uint64_t dead;
    uint64_t built;      /* how many the axes were chosen for */
    int64_t covered_id;  /* every vector of the model up to this id is in the file */
    pix_writing writing; /* the state of the store then: a store that never was in it is another */
    pix_extent extent;   /* of all vectors */
    uint8_t dead_check[PIX_SHA256_BYTES]; /* of the bits; not set when none is */
    uint8_t check[PIX_SHA256_BYTES];      /* of the fields above */
} pix_pixv_state;

typedef struct pix_vector_file {
    char *path; /* for messages */
    int fd;
    bool writing;
    dev_t device;
    ino_t inode;
    uint64_t file_id;
    size_t capacity;
    pix_frame frame;
    size_t lines, block_bytes; /* of codes, of a block */
    off_t slots_at, slot_bytes, blocks_at;
    pix_pixv_state state;
    pix_mapping map;  /* of the whole file */
    uint8_t *tail;    /* the last block, if it is not full */
    uint64_t *dead;   /* [capacity / 64]; NULL in a reader when none is */
    uint8_t *pending; /* in a writer: full blocks that are not yet written, then the tail */
    size_t pending_count;
} pix_vector_file;

/* The file of the model with this fingerprint and dimension.  PIX_ENOTFOUND when there is none.
 * For writing, every block is checked. */
pix_status pix_vector_file_open(const char *path, const char *fingerprint, int dimension,
                                bool writing, pix_vector_file **out, pix_error *error);
void pix_vector_file_close(pix_vector_file *file);

/* Loads the state of now.  *replaced is set, and nothing loaded, when the path has become another
 * file, or none. */
pix_status pix_vector_file_refresh(pix_vector_file *file, const char *path, bool *replaced,
                                   pix_error *error);

static inline size_t pix_vector_file_blocks(const pix_vector_file *file) {
    return (size_t)(file->state.count + PIX_BLOCK - 1) / PIX_BLOCK;
}

static inline const uint8_t *pix_vector_file_block(const pix_vector_file *file, size_t index) {
    return index < file->state.count / PIX_BLOCK
               ? file->map.data + file->blocks_at + index * file->block_bytes
               : file->tail;
}

/* Of a block's check. */
static inline uint32_t pix_vector_file_seed(const pix_vector_file *file, size_t index) {
    return (uint32_t)(file->file_id ^ file->file_id >> 32) + (uint32_t)index;
}

/* A bit for each vector of a block that there is and that is not dead. */
uint32_t pix_vector_file_live(const pix_vector_file *file, size_t index);

/* What a block says of one of its vectors. */
pix_coded pix_block_coded(const uint8_t *block, size_t lines, size_t vector);
int64_t pix_block_id(const uint8_t *block, size_t lines, size_t vector);

/* Writing.  What is added and marked is seen by others after _publish; when anything fails, close
 * the file: it is as it was published last. */
typedef struct pix_vector_file_plan {
    const char *fingerprint;
    int dimension;
    size_t capacity;
    const double *axes; /* [3, dimension] */
} pix_vector_file_plan;

/* An empty file, or what one left behind is overwritten. */
pix_status pix_vector_file_create(const char *path, const pix_vector_file_plan *plan,
                                  pix_vector_file **out, pix_error *error);

/* Ids rise.  PIX_ELIMIT when the file's capacity is reached, PIX_EINVALID for what is no unit
 * vector. */
pix_status pix_vector_file_add(pix_vector_file *file, int64_t id, const float *vector,
                               pix_error *error);
void pix_vector_file_bury(pix_vector_file *file, size_t position);

/* Makes file->state, with the next sequence, the state of the file, durably. */
pix_status pix_vector_file_publish(pix_vector_file *file, pix_error *error);

/* Writes the full blocks that wait for others. */
pix_status pix_vector_file_flush(pix_vector_file *file, pix_error *error);

/* The ids of a block, when none waits. */
pix_status pix_vector_file_ids(const pix_vector_file *file, size_t index, int64_t ids[PIX_BLOCK],
                               pix_error *error);

#endif
