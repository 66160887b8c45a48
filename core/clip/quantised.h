/* quantised.h - the tensors of a .pixm that are for int8, made of a checkpoint's.
 *
 * A transformer's block is read whole, since what becomes of one of its tensors depends on others.
 * One block is in memory at a time.  One thread at a time. */
#ifndef PIX_CLIP_QUANTISED_H
#define PIX_CLIP_QUANTISED_H

#include "core/clip/ranges.h"
#include "core/clip/tensor_list.h"

typedef struct pix_quantised pix_quantised;

/* What the blocks of each tower are smoothed by. */
typedef struct pix_tower_ranges {
    const pix_ranges *vision, *text;
} pix_tower_ranges;

/* `checkpoint` and `tensors`, those of pix_clip_tensors, and the ranges are borrowed until _close.
 */
pix_status pix_quantised_open(pix_checkpoint *checkpoint, const pix_clip_tensor *tensors,
                              size_t count, const pix_tower_ranges *ranges, pix_quantised **out,
                              pix_error *error);
void pix_quantised_close(pix_quantised *quantised);

/* One of those for int8, before it is packed: its elements in the order of its shape.  Fastest in
 * the order of the list. */
pix_status pix_quantised_read(pix_quantised *quantised, const pix_clip_tensor *tensor, float *out,
                              pix_error *error);

#endif
