#include "core/weights/torch_tree.h"

#include <string.h>

#include "core/base/bytes.h"

enum {
    MAX_DEPTH = 64,       /* of modules inside modules */
    MAX_VISITS = 1 << 20, /* shared modules could otherwise make 2^MAX_DEPTH names */
    MAX_NAME = 1024
};

typedef struct reader {
    const pix_torch_storages *storages;
    pix_tensors *tensors;
    pix_bytes name;                        /* of what is being visited: "visual.conv1" */
    const pix_value *ancestors[MAX_DEPTH]; /* the modules it is in */
    size_t depth;
    size_t visits;
    pix_error *error;
} reader;

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

/* What only an optimizer or a quantized model has: its size is known, and so where others lie. */
static const struct {
    const char *storage;
    size_t item_size;
} others[] = {
    {"torch ComplexHalfStorage", 4}, {"torch QInt8Storage", 1},    {"torch QUInt8Storage", 1},
    {"torch QInt32Storage", 4},      {"torch QUInt4x2Storage", 1}, {"torch QUInt2x4Storage", 1},
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

/* Fills dtype and item_size; false for a type of unknown size. */
static bool find_type(pix_torch_storage *storage) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].storage, storage->type) == 0) {
            storage->dtype = types[i].dtype;
            storage->item_size = pix_dtype_size(storage->dtype);
            return true;
        }
    storage->dtype = PIX_DTYPE_COUNT;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i].storage, storage->type) == 0)
            storage->item_size = others[i].item_size;
    return storage->item_size > 0;
}

static pix_status fail_type(const pix_torch_storage *storage, pix_error *error) {
    return pix_fail(error, PIX_EUNSUPPORTED, "storage type %s", storage->type);
}

pix_status pix_torch_storage_read(const pix_value *value, pix_torch_storage *out,
                                  pix_error *error) {
    const pix_value *id = value->kind == PIX_VALUE_PERSISTENT ? value->persistent_id : value;
    const pix_value *type = item(id, 1);
    size_t elements;
    *out = (pix_torch_storage){.key = item(id, 2)};
    if (value->kind != PIX_VALUE_PERSISTENT || !pix_value_is_text(item(id, 0), "storage") ||
        type->kind != PIX_VALUE_GLOBAL || !size_of(item(id, 4), &elements))
        return pix_fail(error, PIX_EFORMAT, "malformed storage");
    if (item(id, 5)->kind != PIX_VALUE_NONE)
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "its storage is a part of another, as before PyTorch 0.4");
    out->type = type->text.data;
    out->typed = strstr(out->type, "UntypedStorage") == NULL;
    out->item_size = out->typed ? 0 : 1;
    if (out->typed && !find_type(out))
        return fail_type(out, error);
    if (!pix_size_multiply(elements, out->item_size, &out->size))
        return pix_fail(error, PIX_EFORMAT, "malformed storage");
    return PIX_OK;
}

/* The bytes of a storage and, when it is a typed one, what they are. */
static pix_status find_storage(const reader *r, const pix_value *value, pix_torch_storage *storage,
                               const uint8_t **data) {
    *data = NULL;
    pix_status status = pix_torch_storage_read(value, storage, r->error);
    if (!status && storage->typed && storage->dtype == PIX_DTYPE_COUNT)
        status = fail_type(storage, r->error);
    if (!status && storage->size > 0) /* PyTorch leaves empty ones out */
        status = r->storages->find(r->storages->context, storage, data, r->error);
    if (status)
        (void)pix_error_prefix(r->error, "tensor %s", r->name.data);
    return status;
}

/* Fills shape and strides, and checks that the last element lies inside the storage. */
static pix_status read_layout(const reader *r, const pix_value *arguments,
                              const pix_torch_storage *from, const uint8_t *data,
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
        part->data = data + first * item_size;
    return PIX_OK;
}

/* What torch._utils would rebuild from (storage, offset, size, stride, ...); v3 adds the type as
 * the seventh argument. */
static pix_status read_tensor(const reader *r, const pix_value *arguments) {
    pix_torch_storage from;
    const uint8_t *data;
    pix_status status = find_storage(r, item(arguments, 0), &from, &data);
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
    status = read_layout(r, arguments, &from, data, &tensor);
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

/* Anything that holds other values, without regard to what it is. */
static pix_status walk(const pix_value *value, const pix_value *except, int depth, size_t *visits,
                       const pix_torch_visitor *visitor, pix_error *error) {
    pix_status status = PIX_OK;
    if (!value || value == except)
        return PIX_OK;
    if (depth == MAX_DEPTH || ++*visits > MAX_VISITS)
        return pix_fail(error, PIX_ELIMIT, "too many values, or nested more than %d deep",
                        MAX_DEPTH);
    if ((status = visitor->each(visitor->context, value, error)))
        return status;
    switch (value->kind) {
    case PIX_VALUE_TUPLE:
    case PIX_VALUE_LIST:
    case PIX_VALUE_SET:
    case PIX_VALUE_DICT:
        for (size_t i = 0; !status && i < value->list.count; i++)
            status = walk(value->list.items[i], except, depth + 1, visits, visitor, error);
        break;
    case PIX_VALUE_CALL:
    case PIX_VALUE_OBJECT:
        status = walk(value->call.arguments, except, depth + 1, visits, visitor, error);
        if (!status)
            status = walk(value->call.state, except, depth + 1, visits, visitor, error);
        break;
    default:
        break;
    }
    return status;
}

pix_status pix_torch_walk(const pix_value *top, const pix_value *except,
                          const pix_torch_visitor *visitor, pix_error *error) {
    size_t visits = 0;
    return walk(top, except, 0, &visits, visitor, error);
}

static const pix_value *member(const pix_value *dict, const char *name) {
    for (size_t i = 0; i + 1 < dict->list.count; i += 2)
        if (pix_value_is_text(dict->list.items[i], name))
            return dict->list.items[i + 1];
    return NULL;
}

/* A training checkpoint keeps the weights, and what it calls the model, beside other things. */
static const pix_value *find_state_dict(const pix_value *top, pix_torch_facts *facts) {
    static const char *const nests[] = {"state_dict", "model_state_dict", "model"};
    const pix_value *inner = NULL;
    for (size_t i = 0; !inner && i < sizeof nests / sizeof *nests; i++) {
        inner = member(top, nests[i]);
        if (inner && inner->kind != PIX_VALUE_DICT)
            inner = NULL;
    }
    if (!inner)
        return top;
    const pix_value *name = member(top, "name");
    if (name && name->kind == PIX_VALUE_TEXT && name->text.size < sizeof facts->name &&
        !pix_tensor_name_check(name->text.data, name->text.size, NULL)) {
        memcpy(facts->name, name->text.data, name->text.size);
        facts->name[name->text.size] = '\0';
    }
    return inner;
}

static pix_status count_tensor(void *context, const pix_value *value, pix_error *error) {
    (void)error;
    size_t *count = context;
    if (value->kind == PIX_VALUE_CALL && value->call.callee->kind == PIX_VALUE_GLOBAL &&
        strncmp(value->call.callee->text.data, "torch._utils _rebuild", 21) == 0)
        ++*count;
    return PIX_OK;
}

static pix_status read_dict(reader *r, const pix_value *top, pix_torch_facts *facts) {
    const pix_value *dict = find_state_dict(top, facts);
    for (int i = 0; i < 2; i++) /* {"state_dict": {"model": {...}}} is as far as people go */
        dict = find_state_dict(dict, facts);
    const pix_torch_visitor counter = {count_tensor, &facts->others};
    if (dict != top) /* an optimizer's tensors are only told of: enough of them will do */
        (void)pix_torch_walk(top, dict, &counter, NULL);
    return read_members(r, dict);
}

pix_status pix_torch_tree_read(const pix_value *top, const pix_torch_storages *storages,
                               pix_tensors *tensors, pix_torch_facts *facts, pix_error *error) {
    reader r = {.storages = storages, .tensors = tensors, .error = error};
    pix_status status;
    *facts = (pix_torch_facts){.module = top->kind == PIX_VALUE_OBJECT};
    if (pix_bytes_append_text(&r.name, ""))
        status = pix_fail_memory(error);
    else if (facts->module)
        status = read_module(&r, top);
    else if (top->kind == PIX_VALUE_DICT)
        status = read_dict(&r, top, facts);
    else
        status = pix_fail(error, PIX_EFORMAT, "holds %s, neither a module nor a state dict",
                          pix_value_kind_name(top->kind));
    pix_bytes_free(&r.name);
    return status;
}
