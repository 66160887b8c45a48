/* dot.h - the one dot product that scores are made of.
 *
 * float32 products are exact in float64; eight running sums (element i goes to sum i mod 8) are
 * added pairwise: (0+4)+(2+6) + (1+5)+(3+7).  Every CPU gives the same bits. */
#ifndef PIX_TENSOR_DOT_H
#define PIX_TENSOR_DOT_H

#include <stddef.h>

double pix_dot(const float *a, const float *b, size_t size);

#endif
