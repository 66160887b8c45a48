/* attention.h - softmax(scale q k') v: of all rows of a sequence, or of rows of one's choice.
 *
 * Any thread.  What a row attends to never depends on the sequences beside its own or on the number
 * of threads, to the bit. */
#ifndef PIX_TENSOR_ATTENTION_H
#define PIX_TENSOR_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "core/tensor/matmul.h"

/* Sequences of rows, one after another, whose heads lie side by side in the columns.  Each row of
 * queries attends to all keys of its sequence. */
typedef struct pix_attention {
    int sequences, heads, width; /* of a head */
    int queries, keys;           /* rows of one sequence */
    const float *q;              /* [sequences * queries, heads * width] at q_stride floats */
    const float *k, *v;          /* [sequences * keys, heads * width] at kv_stride */
    size_t q_stride, kv_stride;
    float scale; /* of q k', before the softmax */
} pix_attention;

/* Floats of room that pix_attend needs for so many keys with heads so wide; 0 on overflow. */
size_t pix_attend_room(const pix_pool *pool, int keys, int width);

/* out: [sequences * queries, heads * width] at out_stride; it may be q itself when heads is 1 and
 * the strides are equal.  `room` is aligned to 64 bytes for speed. */
void pix_attend(const pix_compute *compute, const pix_attention *attention, float *room, float *out,
                size_t out_stride);

/* Keys and values: row i begins at k + i * stride, and at v + i * stride. */
typedef struct pix_memory {
    const float *k, *v;
    size_t stride;
} pix_memory;

/* With `kernels`: out[width] = softmax(q[width] . k[rows[i], width] / sqrt(width)) v[rows[i],
 * width] for the `count` rows, at least one; scores[count] is room to work in. */
void pix_attend_rows(const pix_kernels *kernels, const float *q, const pix_memory *memory,
                     const int32_t *rows, size_t count, size_t width, float *scores, float *out);

#endif
