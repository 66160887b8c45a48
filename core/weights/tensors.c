#include "core/weights/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
#define X(symbol, name, size) {name, size},
    PIX_DTYPE_MAP(X)
#undef X
};

const char *pix_dtype_name(pix_dtype dtype) {
    return dtypes[dtype].name;
}

size_t pix_dtype_size(pix_dtype dtype) {
    return dtypes[dtype].size;
}

pix_dtype pix_dtype_find(const char *name) {
    pix_dtype dtype = 0;
    while (dtype < PIX_DTYPE_COUNT && strcmp(dtypes[dtype].name, name) != 0)
        dtype++;
    return dtype;
}

void pix_tensors_free(pix_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++)
        free((char *)tensors->items[i].info.name);
    free(tensors->items);
    *tensors = (pix_tensors){0};
}

pix_status pix_tensor_name_check(const char *name, size_t size, pix_error *error) {
    bool printable = pix_is_utf8(name, size);
    for (size_t i = 0; i < size; i++)
        printable = printable && (unsigned char)name[i] >= 0x20 && name[i] != 0x7F;
    return printable ? PIX_OK
                     : pix_fail(error, PIX_EFORMAT, "the name of a tensor is not printable text");
}

pix_status pix_tensors_add(pix_tensors *tensors, const char *name, const pix_tensor *tensor,
                           pix_error *error) {
    pix_tensor *items =
        pix_array_reserve(tensors->items, &tensors->capacity, tensors->count, 1, sizeof *items);
    if (!items)
        return pix_fail_memory(error);
    tensors->items = items;
    char *copy = strdup(name);
    if (!copy)
        return pix_fail_memory(error);
    tensors->items[tensors->count] = *tensor;
    tensors->items[tensors->count++].info.name = copy;
    return PIX_OK;
}

pix_status pix_tensors_move(pix_tensors *to, pix_tensors *from, pix_error *error) {
    if (from->count == 0)
        return PIX_OK;
    pix_tensor *items =
        pix_array_reserve(to->items, &to->capacity, to->count, from->count, sizeof *items);
    if (!items)
        return pix_fail_memory(error);
    to->items = items;
    memcpy(items + to->count, from->items, from->count * sizeof *items);
    to->count += from->count;
    from->count = 0;
    return PIX_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const pix_tensor *)a)->info.name, ((const pix_tensor *)b)->info.name);
}

pix_status pix_tensors_sort(pix_tensors *tensors, pix_error *error) {
    if (tensors->count > 0)
        qsort(tensors->items, tensors->count, sizeof *tensors->items, by_name);
    for (size_t i = 1; i < tensors->count; i++)
        if (by_name(&tensors->items[i - 1], &tensors->items[i]) == 0)
            return pix_fail(error, PIX_EFORMAT, "there are two tensors named %s",
                            tensors->items[i].info.name);
    return PIX_OK;
}

const pix_tensor *pix_tensors_find(const pix_tensors *tensors, const char *name) {
    pix_tensor key = {.info.name = name};
    if (tensors->count == 0)
        return NULL;
    return bsearch(&key, tensors->items, tensors->count, sizeof key, by_name);
}

pix_status pix_shape_elements(const int64_t *shape, int rank, size_t *elements, pix_error *error) {
    static const size_t limit = (size_t)1 << 32;
    bool empty = false;
    *elements = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return pix_fail(error, PIX_EFORMAT, "negative extent %lld", (long long)shape[i]);
        empty = empty || shape[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++)
        if (!pix_size_multiply(*elements, (size_t)shape[i], elements) || *elements > limit)
            return pix_fail(error, PIX_ELIMIT, "more than %zu elements", limit);
    if (empty)
        *elements = 0;
    return PIX_OK;
}
