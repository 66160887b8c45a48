#include "core/weights/torch_archive.h"

#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/pickle.h"
#include "core/weights/zip.h"

enum {
    MAX_DEPTH = 64,        /* of modules inside modules */
    MAX_VISITS = 1 << 20,  /* shared modules could otherwise make 2^MAX_DEPTH names */
    MAX_PICKLE = 64 << 20, /* bytes; that of the largest CLIP model has 200 thousand */
    MAX_NAME = 1024
};

typedef struct reader {
    const pix_zip *zip;
    const char *stem; /* "archive" of "archive/data.pkl", followed by nothing */
    size_t stem_size;
    pix_tensors *tensors;
    pix_bytes name;                        /* of what is being visited: "visual.conv1" */
    const pix_value *ancestors[MAX_DEPTH]; /* the modules it is in */
    size_t depth;
    size_t visits;
    pix_error *error;
} reader;

typedef struct storage {
    const uint8_t *data;
    size_t size; /* bytes */
    pix_dtype dtype;
    bool typed;
} storage;

static const struct {
    const char *storage, *scalar;
    pix_dtype dtype;
} types[] = {
    {"torch DoubleStorage", "torch float64", PIX_F64},
    {"torch FloatStorage", "torch float32", PIX_F32},
    {"torch HalfStorage", "torch float16", PIX_F16},
    {"torch BFloat16Storage", "torch bfloat16", PIX_BF16},
    {"torch LongStorage", "torch int64", PIX_I64},
    {"torch IntStorage", "torch int32", PIX_I32},
    {"torch ShortStorage", "torch int16", PIX_I16},
    {"torch CharStorage", "torch int8", PIX_I8},
    {"torch ByteStorage", "torch uint8", PIX_U8},
    {"torch BoolStorage", "torch bool", PIX_BOOL},
    {"torch ComplexFloatStorage", "torch complex64", PIX_C64},
    {"torch ComplexDoubleStorage", "torch complex128", PIX_C128},
    {"", "torch uint16", PIX_U16},
    {"", "torch uint32", PIX_U32},
    {"", "torch uint64", PIX_U64},
    {"", "torch float8_e4m3fn", PIX_F8_E4M3},
    {"", "torch float8_e5m2", PIX_F8_E5M2},
};

static pix_status bad_tensor(const reader *r, const char *cause) {
    return pix_fail(r->error, PIX_EFORMAT, "tensor %s: %s", r->name.data, cause);
}

static const pix_value *item(const pix_value *list, size_t index) {
    static const pix_value none = {.kind = PIX_VALUE_NONE};
    if ((list->kind != PIX_VALUE_TUPLE && list->kind != PIX_VALUE_LIST) ||
        index >= list->list.count)
        return &none;
    return list->list.items[index];
}

static bool size_of(const pix_value *value, size_t *out) {
    if (value->kind != PIX_VALUE_INTEGER || value->integer < 0)
        return false;
    *out = (size_t)value->integer;
    return true;
}

/* The file of the storage named `key`, or NULL. */
static const pix_zip_member *find_storage(const reader *r, const pix_value *key) {
    char path[MAX_NAME];
    if (key->kind != PIX_VALUE_TEXT || memchr(key->text.data, '\0', key->text.size))
        return NULL;
    int length =
        snprintf(path, sizeof path, "%.*s/data/%.*s", (int)r->stem_size, r->stem,
                 key->text.size < MAX_NAME ? (int)key->text.size : MAX_NAME, key->text.data);
    return length < MAX_NAME ? pix_zip_find(r->zip, path) : NULL;
}

/* A persistent id: ("storage", type, key, device, number of elements). */
static pix_status read_storage(const reader *r, const pix_value *value, storage *out) {
    const pix_value *id = value->kind == PIX_VALUE_PERSISTENT ? value->persistent_id : value;
    const pix_value *type = item(id, 1);
    size_t elements;
    if (value->kind != PIX_VALUE_PERSISTENT || !pix_value_is_text(item(id, 0), "storage") ||
        type->kind != PIX_VALUE_GLOBAL || !size_of(item(id, 4), &elements))
        return bad_tensor(r, "malformed storage");
    *out = (storage){.typed = strstr(type->text.data, "UntypedStorage") == NULL};
    if (out->typed) {
        size_t i = 0, count = sizeof types / sizeof *types;
        while (i < count && strcmp(types[i].storage, type->text.data) != 0)
            i++;
        if (i == count)
            return pix_fail(r->error, PIX_EUNSUPPORTED, "tensor %s: storage type %s", r->name.data,
                            type->text.data);
        out->dtype = types[i].dtype;
    }
    if (!pix_size_multiply(elements, out->typed ? pix_dtype_size(out->dtype) : 1, &out->size))
        return bad_tensor(r, "malformed storage");
    if (out->size == 0)
        return PIX_OK; /* PyTorch may leave the file out */
    const pix_zip_member *member = find_storage(r, item(id, 2));
    if (!member)
        return bad_tensor(r, "its storage is not in the archive");
    if (!member->stored)
        return pix_fail(r->error, PIX_EUNSUPPORTED,
                        "tensor %s: %s is compressed; PyTorch stores tensors uncompressed",
                        r->name.data, member->name);
    if (member->size < out->size)
        return pix_fail(r->error, PIX_EFORMAT, "tensor %s: %s has %zu bytes of %zu", r->name.data,
                        member->name, member->size, out->size);
    out->data = member->data;
    return PIX_OK;
}

/* Fills shape and strides, and checks that the last element lies inside the storage. */
static pix_status read_layout(const reader *r, const pix_value *arguments, const storage *from,
                              pix_tensor *tensor) {
    const pix_value *shape = item(arguments, 2), *stride = item(arguments, 3);
    size_t first, elements,
        rank = shape->kind == PIX_VALUE_TUPLE || shape->kind == PIX_VALUE_LIST ? shape->list.count
                                                                               : SIZE_MAX;
    if (!size_of(item(arguments, 1), &first))
        return bad_tensor(r, "malformed offset");
    if (rank == SIZE_MAX || stride->kind != shape->kind || stride->list.count != rank)
        return bad_tensor(r, "malformed shape");
    if (rank > PIX_TENSOR_MAX_RANK)
        return pix_fail(r->error, PIX_EUNSUPPORTED, "tensor %s: %zu dimensions", r->name.data,
                        rank);
    pix_tensor_part *part = &tensor->parts[0];
    size_t last = first;
    bool inside = true;
    tensor->info.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        size_t extent, step, reach;
        if (!size_of(item(shape, i), &extent))
            return bad_tensor(r, "malformed shape");
        if (!size_of(item(stride, i), &step))
            return bad_tensor(r, "malformed or negative stride");
        tensor->info.shape[i] = (int64_t)extent;
        part->stride[i] = (int64_t)step;
        inside = inside && pix_size_multiply(extent > 0 ? extent - 1 : 0, step, &reach) &&
                 pix_size_add(last, reach, &last);
    }
    pix_status status =
        pix_shape_elements(tensor->info.shape, tensor->info.rank, &elements, r->error);
    if (status) {
        (void)pix_error_prefix(r->error, "tensor %s", r->name.data);
        return status;
    }
    size_t item_size = pix_dtype_size(part->dtype);
    if (elements > 0 && (!inside || last >= from->size / item_size))
        return pix_fail(r->error, PIX_EFORMAT,
                        "tensor %s: reaches beyond the %zu elements of its storage", r->name.data,
                        from->size / item_size);
    part->rows = rank > 0 ? tensor->info.shape[0] : 1;
    if (elements > 0)
        part->data = from->data + first * item_size;
    return PIX_OK;
}

/* What torch._utils would rebuild from (storage, offset, size, stride, ...); v3 adds the type as
 * the seventh argument. */
static pix_status read_tensor(const reader *r, const pix_value *arguments) {
    storage from;
    pix_status status = read_storage(r, item(arguments, 0), &from);
    if (status)
        return status;
    const pix_value *type = item(arguments, 6);
    if (type->kind == PIX_VALUE_GLOBAL) {
        size_t i = 0, count = sizeof types / sizeof *types;
        while (i < count && strcmp(types[i].scalar, type->text.data) != 0)
            i++;
        if (i == count)
            return pix_fail(r->error, PIX_EUNSUPPORTED, "tensor %s: type %s", r->name.data,
                            type->text.data);
        from.dtype = types[i].dtype;
    } else if (!from.typed)
        return bad_tensor(r, "has no type");
    pix_tensor tensor = {.part_count = 1, .parts[0].dtype = from.dtype};
    tensor.info.dtype = pix_dtype_name(from.dtype);
    status = read_layout(r, arguments, &from, &tensor);
    return status ? status : pix_tensors_add(r->tensors, r->name.data, &tensor, r->error);
}

/* A tensor subclass or one with attributes is _rebuild_from_type(rebuild, class, arguments, state).
 */
static pix_status read_call(const reader *r, const pix_value *value) {
    const pix_value *callee = value->call.callee, *arguments = value->call.arguments;
    if (pix_value_is_global(callee, "torch._tensor _rebuild_from_type_v2") ||
        pix_value_is_global(callee, "torch.tensor _rebuild_from_type")) {
        callee = item(arguments, 0);
        arguments = item(arguments, 2);
    }
    if (pix_value_is_global(callee, "torch._utils _rebuild_tensor_v2") ||
        pix_value_is_global(callee, "torch._utils _rebuild_tensor_v3") ||
        pix_value_is_global(callee, "torch._utils _rebuild_tensor"))
        return read_tensor(r, arguments);
    if (callee->kind == PIX_VALUE_GLOBAL && strncmp(callee->text.data, "torch._utils ", 13) == 0)
        return pix_fail(r->error, PIX_EUNSUPPORTED, "tensor %s is made by %s", r->name.data,
                        callee->text.data);
    return PIX_OK; /* a device, a set, ...: not a tensor */
}

static pix_status read_members(reader *r, const pix_value *dict);

/* Every attribute of a module; a module inside itself is not entered again. */
static pix_status read_module(reader *r, const pix_value *module) {
    for (size_t i = 0; i < r->depth; i++)
        if (r->ancestors[i] == module)
            return PIX_OK;
    if (r->depth == MAX_DEPTH)
        return pix_fail(r->error, PIX_ELIMIT, "modules are nested more than %d deep", MAX_DEPTH);
    const pix_value *state = module->call.state;
    if (!state || state->kind != PIX_VALUE_DICT)
        return PIX_OK;
    r->ancestors[r->depth++] = module;
    pix_status status = read_members(r, state);
    r->depth--;
    return status;
}

static pix_status read_member(reader *r, const pix_value *key, const pix_value *value) {
    if (++r->visits > MAX_VISITS)
        return pix_fail(r->error, PIX_ELIMIT, "more than %d modules and attributes", MAX_VISITS);
    if (key->kind != PIX_VALUE_TEXT ||
        (value->kind != PIX_VALUE_CALL && value->kind != PIX_VALUE_OBJECT))
        return PIX_OK;
    size_t length = r->name.size;
    if (key->text.size > MAX_NAME || length > MAX_NAME)
        return pix_fail(r->error, PIX_ELIMIT, "the name of a tensor is longer than %d bytes",
                        MAX_NAME);
    pix_status status = pix_tensor_name_check(key->text.data, key->text.size, r->error);
    if (status)
        return status;
    if ((length > 0 && pix_bytes_append(&r->name, ".", 1)) ||
        pix_bytes_append(&r->name, key->text.data, key->text.size))
        return pix_fail_memory(r->error);
    status = value->kind == PIX_VALUE_CALL ? read_call(r, value) : read_module(r, value);
    r->name.size = length;
    r->name.data[length] = '\0';
    return status;
}

/* With read_member and read_module a recursion, whose depth read_module bounds. */
static pix_status read_members(reader *r, const pix_value *dict) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i + 1 < dict->list.count && !status; i += 2)
        status = read_member(r, dict->list.items[i], dict->list.items[i + 1]);
    return status;
}

/* A training checkpoint keeps the weights under "state_dict". */
static const pix_value *find_state_dict(const pix_value *top) {
    for (size_t i = 0; i + 1 < top->list.count; i += 2)
        if (pix_value_is_text(top->list.items[i], "state_dict") &&
            top->list.items[i + 1]->kind == PIX_VALUE_DICT)
            return top->list.items[i + 1];
    return top;
}

static pix_status read_top(reader *r, const pix_value *top, const char **format) {
    if (pix_bytes_append_text(&r->name, ""))
        return pix_fail_memory(r->error);
    if (top->kind == PIX_VALUE_OBJECT) {
        *format = "TorchScript archive";
        return read_module(r, top);
    }
    if (top->kind == PIX_VALUE_DICT) {
        *format = "PyTorch state dict";
        return read_members(r, find_state_dict(top));
    }
    return pix_fail(r->error, PIX_EFORMAT, "data.pkl holds %s, neither a module nor a state dict",
                    pix_value_kind_name(top->kind));
}

/* The one member STEM/data.pkl; STEM differs from file to file. */
static pix_status find_pickle(reader *r, const pix_zip_member **out) {
    static const char suffix[] = "/data.pkl";
    size_t length = strlen(suffix);
    *out = NULL;
    for (size_t i = 0; i < pix_zip_count(r->zip); i++) {
        const pix_zip_member *member = pix_zip_at(r->zip, i);
        size_t size = strlen(member->name);
        if (size <= length || strcmp(member->name + size - length, suffix) != 0)
            continue;
        if (*out)
            return pix_fail(r->error, PIX_EFORMAT, "zip archive with both %s and %s", (*out)->name,
                            member->name);
        *out = member;
        r->stem = member->name;
        r->stem_size = size - length;
    }
    if (*out)
        return PIX_OK;
    return pix_fail(
        r->error, PIX_EUNSUPPORTED,
        "a zip archive of %zu files without a data.pkl: not made by PyTorch 1.4 or later",
        pix_zip_count(r->zip));
}

/* Since PyTorch 2.1 a file says which end of a number comes first. */
static pix_status check_byte_order(const reader *r) {
    char path[MAX_NAME];
    int length = snprintf(path, sizeof path, "%.*s/byteorder", (int)r->stem_size, r->stem);
    const pix_zip_member *member = length < MAX_NAME ? pix_zip_find(r->zip, path) : NULL;
    if (!member)
        return PIX_OK;
    pix_bytes expanded = {0};
    const uint8_t *text;
    pix_status status = pix_zip_view(member, 64, &expanded, &text, r->error);
    if (!status && (member->size != 6 || memcmp(text, "little", 6) != 0))
        status = pix_fail(r->error, PIX_EUNSUPPORTED, "%s says the tensors are not little-endian",
                          member->name);
    pix_bytes_free(&expanded);
    return status;
}

pix_status pix_torch_archive_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                  const char **format, pix_error *error) {
    pix_zip *zip = NULL;
    pix_pickle *pickle = NULL;
    pix_bytes expanded = {0};
    reader r = {.tensors = tensors, .error = error};
    pix_status status = pix_zip_open(data, size, &zip, error);
    if (status)
        return status;
    r.zip = zip;
    const pix_zip_member *member;
    const uint8_t *text;
    status = find_pickle(&r, &member);
    if (!status)
        status = check_byte_order(&r);
    if (!status)
        status = pix_zip_view(member, MAX_PICKLE, &expanded, &text, error);
    if (!status) {
        status = pix_pickle_load(text, member->size, &pickle, error);
        if (status)
            (void)pix_error_prefix(error, "%s", member->name);
    }
    if (!status)
        status = read_top(&r, pix_pickle_top(pickle), format);
    pix_bytes_free(&r.name);
    pix_pickle_free(pickle);
    pix_bytes_free(&expanded);
    pix_zip_close(zip);
    return status;
}
