/* fold.h - a checkpoint's tensors as the .pixm holds them.
 *
 * A BatchNorm (Ioffe and Szegedy 2015) that is not being trained is a scale and a shift of each
 * channel, so it becomes part of the convolution before it: weight * s and bias - mean * s with
 * s = weight / sqrt(variance + 1e-5), in float64, rounded once.  Any thread. */
#ifndef PIX_CLIP_FOLD_H
#define PIX_CLIP_FOLD_H

#include "core/clip/tensor_list.h"

/* `tensor` is one of pix_clip_tensors; `out` holds its elements, in the order of its shape.  The
 * checkpoint has the tensors of pix_clip_checkpoint_tensors. */
pix_status pix_fold_read(pix_checkpoint *checkpoint, const pix_clip_tensor *tensor, float *out,
                         pix_error *error);

#endif
