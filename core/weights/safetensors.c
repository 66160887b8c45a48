#include "core/weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/json_file.h"
#include "core/weights/little_endian.h"

enum { LENGTH_SIZE = 8, MAX_HEADER = 25 << 20 };

typedef struct header {
    const uint8_t *data; /* the tensors' bytes */
    size_t size;
    size_t start; /* of the tensors' bytes in the file */
} header;

bool pix_safetensors_looks_like(const uint8_t *data, size_t size) {
    return size > LENGTH_SIZE && pix_load64(data) <= MAX_HEADER && data[LENGTH_SIZE] == '{';
}

static pix_status bad_tensor(const char *name, const char *cause, pix_error *error) {
    return pix_fail(error, PIX_EFORMAT, "tensor %s: %s", name, cause);
}

static bool size_of(const json_t *value, size_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

/* Shape, and strides in C order. */
static pix_status read_shape(const char *name, const json_t *shape, pix_tensor *tensor,
                             size_t *elements, pix_error *error) {
    size_t rank = json_array_size(shape), extent;
    if (!json_is_array(shape))
        return bad_tensor(name, "malformed shape", error);
    if (rank > PIX_TENSOR_MAX_RANK)
        return pix_fail(error, PIX_EUNSUPPORTED, "tensor %s: %zu dimensions", name, rank);
    tensor->info.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        if (!size_of(json_array_get(shape, i), &extent))
            return bad_tensor(name, "malformed shape", error);
        tensor->info.shape[i] = (int64_t)extent;
    }
    pix_status status = pix_shape_elements(tensor->info.shape, tensor->info.rank, elements, error);
    if (status) {
        (void)pix_error_prefix(error, "tensor %s", name);
        return status;
    }
    tensor->parts[0].rows = rank > 0 ? tensor->info.shape[0] : 1;
    int64_t stride = 1;
    for (size_t i = rank; i > 0 && *elements > 0; i--) {
        tensor->parts[0].stride[i - 1] = stride;
        stride *= tensor->info.shape[i - 1];
    }
    return PIX_OK;
}

/* {"dtype":"F16","shape":[2,3],"data_offsets":[0,12]} */
static pix_status read_tensor(const header *h, const char *name, const json_t *entry,
                              pix_tensors *tensors, pix_error *error) {
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin, end, elements, bytes = 0;
    pix_status status = pix_tensor_name_check(name, strlen(name), error);
    if (status)
        return status;
    if (!type || pix_tensor_name_check(type, strlen(type), NULL))
        return bad_tensor(name, "has no dtype", error);
    pix_tensor tensor = {.part_count = 1, .parts[0].dtype = pix_dtype_find(type)};
    if (tensor.parts[0].dtype == PIX_DTYPE_COUNT)
        return pix_fail(error, PIX_EUNSUPPORTED, "tensor %s: unknown dtype %.32s", name, type);
    tensor.info.dtype = pix_dtype_name(tensor.parts[0].dtype);
    status = read_shape(name, json_object_get(entry, "shape"), &tensor, &elements, error);
    if (status)
        return status;
    if (json_array_size(offsets) != 2 || !size_of(json_array_get(offsets, 0), &begin) ||
        !size_of(json_array_get(offsets, 1), &end) || begin > end || end > h->size)
        return bad_tensor(name, "malformed data_offsets", error);
    if (!pix_size_multiply(elements, pix_dtype_size(tensor.parts[0].dtype), &bytes) ||
        bytes != end - begin)
        return pix_fail(error, PIX_EFORMAT, "tensor %s: %zu bytes where its shape needs %zu", name,
                        end - begin, bytes);
    tensor.parts[0].data = h->data + begin;
    return pix_tensors_add(tensors, name, &tensor, error);
}

/* A stretch of the data, and whose it is. */
typedef struct extent {
    const uint8_t *begin, *end;
    const char *name;
} extent;

static int by_place(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Overlapping tensors are not in the format, and let a small file claim to hold a large model. */
static pix_status check_overlap(const pix_tensors *tensors, size_t first, pix_error *error) {
    extent *extents = calloc(tensors->count - first + 1, sizeof *extents);
    size_t count = 0;
    if (!extents)
        return pix_fail_memory(error);
    for (size_t i = first; i < tensors->count; i++) {
        const pix_tensor *tensor = &tensors->items[i];
        const pix_tensor_part *part = &tensor->parts[0];
        size_t elements = 0;
        (void)pix_shape_elements(tensor->info.shape, tensor->info.rank, &elements, NULL);
        if (elements > 0)
            extents[count++] = (extent){
                part->data, part->data + elements * pix_dtype_size(part->dtype), tensor->info.name};
    }
    qsort(extents, count, sizeof *extents, by_place);
    pix_status status = PIX_OK;
    for (size_t i = 1; i < count && !status; i++)
        if (extents[i].begin < extents[i - 1].end)
            status = pix_fail(error, PIX_EFORMAT, "tensors %s and %s overlap", extents[i - 1].name,
                              extents[i].name);
    free(extents);
    return status;
}

static pix_status read_header(const uint8_t *data, size_t size, json_t **out, header *h,
                              pix_error *error) {
    *out = NULL;
    if (size < LENGTH_SIZE)
        return pix_fail(error, PIX_EFORMAT, "truncated safetensors file: %zu of at least 8 bytes",
                        size);
    uint64_t length = pix_load64(data);
    if (length > MAX_HEADER)
        return pix_fail(error, PIX_ELIMIT,
                        "safetensors header of %llu bytes, more than the %d allowed",
                        (unsigned long long)length, MAX_HEADER);
    if (length > size - LENGTH_SIZE)
        return pix_fail(error, PIX_EFORMAT,
                        "truncated safetensors file: %zu of at least %llu bytes", size,
                        (unsigned long long)length + LENGTH_SIZE);
    h->start = LENGTH_SIZE + length;
    h->data = data + h->start;
    h->size = size - h->start;
    if (pix_json_is_large(data + LENGTH_SIZE, length))
        return pix_fail(error, PIX_ELIMIT,
                        "safetensors header of more values than any model needs");
    json_error_t json_error = {0};
    json_t *root =
        json_loadb((const char *)data + LENGTH_SIZE, length, JSON_REJECT_DUPLICATES, &json_error);
    if (!json_is_object(root)) {
        bool twice = !root && json_error_code(&json_error) == json_error_duplicate_key;
        json_decref(root);
        return pix_fail(error, PIX_EFORMAT, "safetensors header: %s (byte %d)",
                        twice ? "a name stands there twice" : "not a JSON object",
                        json_error.position);
    }
    *out = root;
    return PIX_OK;
}

/* Compares the size of the file with the end of its last tensor. */
static pix_status check_size(const header *h, json_t *root, pix_error *error) {
    size_t last = 0, end, whole;
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry) {
        if (size_of(json_array_get(json_object_get(entry, "data_offsets"), 1), &end) && end > last)
            last = end;
    }
    if (last <= h->size || !pix_size_add(h->start, last, &whole))
        return PIX_OK;
    return pix_fail(error, PIX_EFORMAT, "truncated safetensors file: %zu of %zu bytes",
                    h->start + h->size, whole);
}

pix_status pix_safetensors_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                pix_error *error) {
    header h;
    json_t *root;
    size_t first = tensors->count;
    pix_status status = read_header(data, size, &root, &h, error);
    if (status)
        return status;
    const char *name;
    json_t *entry;
    status = check_size(&h, root, error);
    json_object_foreach(root, name, entry) {
        if (status)
            break;
        if (strcmp(name, "__metadata__") != 0)
            status = read_tensor(&h, name, entry, tensors, error);
    }
    json_decref(root);
    return status ? status : check_overlap(tensors, first, error);
}
