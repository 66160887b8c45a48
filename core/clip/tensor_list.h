/* tensor_list.h - every tensor of a CLIP model by name and shape.
 *
 * A checkpoint and a .pixm hold the same tensors but for a ModifiedResNet's convolutions: in a
 * checkpoint each is [out, in, k, k] with a BatchNorm after it, in a .pixm that is folded in and
 * the channels come last, as core/tensor/conv.h reads them.  What rows are multiplied by is packed
 * in a .pixm as core/tensor/panels.h has it.  What runs in int8 is in a .pixm a second time, with
 * "int8." before its name and vectors of its own: weights, which are codes then, and what stands
 * around them may be rescaled there.  Float32 comes first, so that either precision reads a part of
 * the file and leaves the other alone. */
#ifndef PIX_CLIP_TENSOR_LIST_H
#define PIX_CLIP_TENSOR_LIST_H

#include "core/clip/config.h"

enum { PIX_CLIP_NAME_MAX = 64, PIX_CLIP_RANK_MAX = 4 };

typedef struct pix_clip_tensor {
    char name[PIX_CLIP_NAME_MAX];
    char norm[PIX_CLIP_NAME_MAX]; /* the BatchNorm folded into it: "visual.bn1", or "" */
    int32_t rank;
    int64_t shape[PIX_CLIP_RANK_MAX];
    int packed;      /* 0, or in how many parts, one after another, of as many rows each */
    bool transposed; /* each part is packed as [shape[1], shape[0] / packed] */
    bool int8;       /* one of those for int8; as codes when it is packed */
} pix_clip_tensor;

size_t pix_clip_tensor_elements(const pix_clip_tensor *tensor);

/* What comes first in a list: those of float32, then those for int8; in each the lesser name. */
int pix_clip_name_order(const char *a, const char *b);

/* What a checkpoint calls it, or what it is made of. */
const char *pix_clip_tensor_source(const pix_clip_tensor *tensor);

/* What it takes in a .pixm, of the list of which it is. */
size_t pix_clip_tensor_bytes(const pix_clip_tensor *tensor);

/* The sides of a part of a packed one. */
int pix_clip_tensor_out(const pix_clip_tensor *tensor);
int pix_clip_tensor_in(const pix_clip_tensor *tensor);

/* Those of a .pixm with a configuration of checked sizes, in that order (so the text tower comes
 * first), as a heap array. */
pix_status pix_clip_tensors(const pix_clip_config *config, pix_clip_tensor **out, size_t *count,
                            pix_error *error);

/* As above, those of a checkpoint. */
pix_status pix_clip_checkpoint_tensors(const pix_clip_config *config, pix_clip_tensor **out,
                                       size_t *count, pix_error *error);

#endif
