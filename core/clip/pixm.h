/* pixm.h - the .pixm file, version 5: what import writes and every program maps.
 *
 *     header | directory: pix_pixm_tensor[] | vocabulary | tensors | source files
 *
 * All little-endian; every part begins at a multiple of 64 bytes, tensors are float32 in C order or
 * in panels, in the order of pix_clip_name_order, as tensor_list.h says.  That puts the text tower
 * before the vision tower, in float32 and again in int8, so a text query touches one stretch of the
 * file, or two short ones.  The fields down to `source` are the same in every version: an older
 * file can say how to make it again.  Any other change raises the version. */
#ifndef PIX_CLIP_PIXM_H
#define PIX_CLIP_PIXM_H

#include <assert.h>

#include "core/base/sha256.h"
#include "core/clip/precision.h"
#include "core/clip/tensor_list.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a .pixm is mapped as it is");

enum { PIX_PIXM_VERSION = 5, PIX_PIXM_ALIGNMENT = 64 };

static const char pix_pixm_magic[8] = {'p', 'i', 'x', 'm', 'o', 'd', 'e', 'l'};

typedef struct pix_pixm_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes;
    char name[128];    /* strings end in NUL */
    char source[4096]; /* absolute path of the file or folder imported; a bundled model's is
                          relative */
    uint64_t file_bytes;
    uint64_t directory_offset, directory_count;
    uint64_t vocabulary_offset, vocabulary_bytes; /* our own merges text; 0 bytes: none */
    uint64_t files_offset, files_bytes; /* the source's files, as `sha256sum --zero` prints them */
    uint8_t source_sha256[PIX_SHA256_BYTES]; /* see pix_checkpoint_sha256 */
    uint8_t fingerprint[PIX_SHA256_BYTES];
    uint8_t vocabulary_sha256[PIX_SHA256_BYTES];
    uint8_t contents_sha256[PIX_SHA256_BYTES]; /* what follows the header, then the header with this
                                                  field zero */
    pix_clip_config config;
    int32_t precision, reserved; /* pix_precision: what the model runs in unless told otherwise */
    pix_fidelity fidelity;       /* of int8 */
    char no_vocabulary[1024];    /* why there is none and what to do, or "" */
} pix_pixm_header;

typedef struct pix_pixm_tensor {
    char name[PIX_CLIP_NAME_MAX];
    int32_t rank, reserved;
    int64_t shape[PIX_CLIP_RANK_MAX];
    uint64_t offset, bytes;
} pix_pixm_tensor;

static_assert(sizeof(pix_clip_config) == 88, "the configuration is part of the file");
static_assert(sizeof(pix_pixm_header) == 5584, "the header has no padding");
static_assert(sizeof(pix_pixm_tensor) == 120, "a directory entry has no padding");

static inline uint64_t pix_pixm_align(uint64_t offset) {
    return (offset + PIX_PIXM_ALIGNMENT - 1) / PIX_PIXM_ALIGNMENT * PIX_PIXM_ALIGNMENT;
}

#endif
