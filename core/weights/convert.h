/* convert.h - elements of any type and layout become float32 in C order.
 *
 * Exact for halves (subnormals, infinities and NaN included), bfloat16, float32 and integers up to
 * 2^24; doubles and larger integers are rounded to nearest. */
#ifndef PIX_WEIGHTS_CONVERT_H
#define PIX_WEIGHTS_CONVERT_H

#include "core/weights/tensors.h"

/* Whether elements of this type have a float32 value. */
bool pix_dtype_converts(pix_dtype dtype);

/* All parts of the tensor, one after another, into `out`; asserts that the type converts. */
void pix_tensor_convert(const pix_tensor *tensor, float *out);

#endif
