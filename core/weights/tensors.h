/* tensors.h - a table of named tensors that lie, in any layout, in memory somebody else holds.
 *
 * The readers of each format fill one after checking that every element of a tensor is inside its
 * storage; names.h renames it; from then on reading a tensor cannot fail for the file's sake.
 * Names are the table's own, data is borrowed. */
#ifndef PIX_WEIGHTS_TENSORS_H
#define PIX_WEIGHTS_TENSORS_H

#include "core/weights/checkpoint.h"

/* Everything safetensors and PyTorch have names for; those without a float32 meaning here can be
 * listed but not read. */
#define PIX_DTYPE_MAP(X)                                                                           \
    X(PIX_F64, "F64", 8)                                                                           \
    X(PIX_F32, "F32", 4)                                                                           \
    X(PIX_F16, "F16", 2)                                                                           \
    X(PIX_BF16, "BF16", 2)                                                                         \
    X(PIX_I64, "I64", 8)                                                                           \
    X(PIX_I32, "I32", 4)                                                                           \
    X(PIX_I16, "I16", 2)                                                                           \
    X(PIX_I8, "I8", 1)                                                                             \
    X(PIX_U8, "U8", 1)                                                                             \
    X(PIX_BOOL, "BOOL", 1)                                                                         \
    X(PIX_U16, "U16", 2)                                                                           \
    X(PIX_U32, "U32", 4)                                                                           \
    X(PIX_U64, "U64", 8)                                                                           \
    X(PIX_F8_E4M3, "F8_E4M3", 1)                                                                   \
    X(PIX_F8_E5M2, "F8_E5M2", 1)                                                                   \
    X(PIX_C64, "C64", 8)                                                                           \
    X(PIX_C128, "C128", 16)

typedef enum pix_dtype {
#define X(symbol, name, size) symbol,
    PIX_DTYPE_MAP(X)
#undef X
        PIX_DTYPE_COUNT
} pix_dtype;

const char *pix_dtype_name(pix_dtype dtype);
size_t pix_dtype_size(pix_dtype dtype);
/* PIX_DTYPE_COUNT when there is none of that name. */
pix_dtype pix_dtype_find(const char *name);

/* Some rows (the first dimension) of a tensor. */
typedef struct pix_tensor_part {
    const uint8_t *data; /* the first element, little-endian, at any address */
    pix_dtype dtype;
    int64_t rows;
    int64_t stride[PIX_TENSOR_MAX_RANK]; /* in elements, never negative */
} pix_tensor_part;

/* Parts, one unless a Hugging Face model's q, k and v were joined, follow each other along the
 * first dimension. */
enum { PIX_TENSOR_MAX_PARTS = 3 };
typedef struct pix_tensor {
    pix_tensor_info info; /* first, so that a pointer to it leads back to the tensor */
    int part_count;
    pix_tensor_part parts[PIX_TENSOR_MAX_PARTS];
} pix_tensor;

typedef struct pix_tensors {
    pix_tensor *items;
    size_t count;
    size_t capacity;
} pix_tensors;

void pix_tensors_free(pix_tensors *tensors);

/* PIX_EFORMAT unless `name` is printable UTF-8: names end up in messages. */
pix_status pix_tensor_name_check(const char *name, size_t size, pix_error *error);

/* Appends a copy of `tensor` under a copy of `name`. */
pix_status pix_tensors_add(pix_tensors *tensors, const char *name, const pix_tensor *tensor,
                           pix_error *error);

/* Moves all of `from` to the end of `to`. */
pix_status pix_tensors_move(pix_tensors *to, pix_tensors *from, pix_error *error);

/* Sorts by name; two tensors of one name are PIX_EFORMAT. */
pix_status pix_tensors_sort(pix_tensors *tensors, pix_error *error);

/* In a sorted table; NULL when there is none. */
const pix_tensor *pix_tensors_find(const pix_tensors *tensors, const char *name);

/* The product of a shape.  Negative extents are PIX_EFORMAT, more elements than any CLIP model
 * could have PIX_ELIMIT: a stride of 0 makes a tensor of any size from one number. */
pix_status pix_shape_elements(const int64_t *shape, int rank, size_t *elements, pix_error *error);

#endif
