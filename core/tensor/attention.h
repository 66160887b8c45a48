/* attention.h - what one query makes of keys and values that lie in rows of its choice.
 *
 * Pure functions: any thread. */
#ifndef PIX_TENSOR_ATTENTION_H
#define PIX_TENSOR_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/* Keys and values: row i begins at k + i * stride, and at v + i * stride. */
typedef struct pix_memory {
    const float *k, *v;
    size_t stride;
} pix_memory;

/* out[width] = softmax(q[width] . k[rows[i], width] / sqrt(width)) v[rows[i], width] for the
 * `count` rows, at least one; scores[count] is room to work in. */
void pix_attend_rows(const float *q, const pix_memory *memory, const int32_t *rows, size_t count,
                     size_t width, float *scores, float *out);

#endif
