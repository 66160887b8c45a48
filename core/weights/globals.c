#include "core/weights/globals.h"

#include <stddef.h>
#include <string.h>

/* What torch.save, torch.jit.save and the state dicts of optimizers and schedulers write, PyTorch
 * 1.5 to 2.x, and the names Python 2 had for the same.  None of it is ever called. */
static const struct {
    const char *name;
    pix_global_use use;
} globals[] = {
    {"collections OrderedDict", PIX_GLOBAL_DICT},
    {"collections Counter", PIX_GLOBAL_DICT},
    {"collections defaultdict", PIX_GLOBAL_DICT},
    {"builtins dict", PIX_GLOBAL_DICT},
    {"__builtin__ dict", PIX_GLOBAL_DICT},

    {"torch.nn.parameter Parameter", PIX_GLOBAL_FIRST},
    {"torch.nn.parameter Buffer", PIX_GLOBAL_FIRST},
    {"torch._utils _rebuild_parameter", PIX_GLOBAL_FIRST},
    {"torch._utils _rebuild_parameter_with_state", PIX_GLOBAL_FIRST},
    {"torch Size", PIX_GLOBAL_FIRST},
    {"torch.jit._pickle build_intlist", PIX_GLOBAL_FIRST},
    {"torch.jit._pickle build_doublelist", PIX_GLOBAL_FIRST},
    {"torch.jit._pickle build_boollist", PIX_GLOBAL_FIRST},
    {"torch.jit._pickle build_tensorlist", PIX_GLOBAL_FIRST},
    {"torch.jit._pickle restore_type_tag", PIX_GLOBAL_FIRST},

    {"torch._utils _rebuild_tensor", PIX_GLOBAL_RECORD},
    {"torch._utils _rebuild_tensor_v2", PIX_GLOBAL_RECORD},
    {"torch._utils _rebuild_tensor_v3", PIX_GLOBAL_RECORD},
    {"torch._utils _rebuild_qtensor", PIX_GLOBAL_RECORD},
    {"torch._utils _rebuild_sparse_tensor", PIX_GLOBAL_RECORD},
    {"torch._utils _rebuild_meta_tensor_no_storage", PIX_GLOBAL_RECORD},
    {"torch._tensor _rebuild_from_type_v2", PIX_GLOBAL_RECORD},
    {"torch.tensor _rebuild_from_type", PIX_GLOBAL_RECORD},
    {"torch device", PIX_GLOBAL_RECORD},
    {"torch.serialization _get_layout", PIX_GLOBAL_RECORD},
    {"_codecs encode", PIX_GLOBAL_RECORD},
    {"builtins bytes", PIX_GLOBAL_RECORD},
    {"builtins bytearray", PIX_GLOBAL_RECORD},
    {"builtins complex", PIX_GLOBAL_RECORD},
    {"builtins frozenset", PIX_GLOBAL_RECORD},
    {"builtins set", PIX_GLOBAL_RECORD},
    {"__builtin__ bytes", PIX_GLOBAL_RECORD},
    {"__builtin__ bytearray", PIX_GLOBAL_RECORD},
    {"__builtin__ complex", PIX_GLOBAL_RECORD},
    {"__builtin__ frozenset", PIX_GLOBAL_RECORD},
    {"__builtin__ set", PIX_GLOBAL_RECORD},

    {"builtins list", PIX_GLOBAL_DATA},
    {"builtins int", PIX_GLOBAL_DATA},
    {"builtins float", PIX_GLOBAL_DATA},
    {"torch Tensor", PIX_GLOBAL_DATA},
    {"torch._tensor Tensor", PIX_GLOBAL_DATA},
    {"torch DoubleStorage", PIX_GLOBAL_DATA},
    {"torch FloatStorage", PIX_GLOBAL_DATA},
    {"torch HalfStorage", PIX_GLOBAL_DATA},
    {"torch BFloat16Storage", PIX_GLOBAL_DATA},
    {"torch LongStorage", PIX_GLOBAL_DATA},
    {"torch IntStorage", PIX_GLOBAL_DATA},
    {"torch ShortStorage", PIX_GLOBAL_DATA},
    {"torch CharStorage", PIX_GLOBAL_DATA},
    {"torch ByteStorage", PIX_GLOBAL_DATA},
    {"torch BoolStorage", PIX_GLOBAL_DATA},
    {"torch ComplexHalfStorage", PIX_GLOBAL_DATA},
    {"torch ComplexFloatStorage", PIX_GLOBAL_DATA},
    {"torch ComplexDoubleStorage", PIX_GLOBAL_DATA},
    {"torch QInt8Storage", PIX_GLOBAL_DATA},
    {"torch QUInt8Storage", PIX_GLOBAL_DATA},
    {"torch QInt32Storage", PIX_GLOBAL_DATA},
    {"torch QUInt4x2Storage", PIX_GLOBAL_DATA},
    {"torch QUInt2x4Storage", PIX_GLOBAL_DATA},
    {"torch.storage UntypedStorage", PIX_GLOBAL_DATA},
    {"torch.storage _UntypedStorage", PIX_GLOBAL_DATA},
    {"torch.storage TypedStorage", PIX_GLOBAL_DATA},
    {"torch.storage _TypedStorage", PIX_GLOBAL_DATA},
    {"torch float64", PIX_GLOBAL_DATA},
    {"torch float32", PIX_GLOBAL_DATA},
    {"torch float16", PIX_GLOBAL_DATA},
    {"torch bfloat16", PIX_GLOBAL_DATA},
    {"torch float8_e4m3fn", PIX_GLOBAL_DATA},
    {"torch float8_e5m2", PIX_GLOBAL_DATA},
    {"torch int64", PIX_GLOBAL_DATA},
    {"torch int32", PIX_GLOBAL_DATA},
    {"torch int16", PIX_GLOBAL_DATA},
    {"torch int8", PIX_GLOBAL_DATA},
    {"torch uint64", PIX_GLOBAL_DATA},
    {"torch uint32", PIX_GLOBAL_DATA},
    {"torch uint16", PIX_GLOBAL_DATA},
    {"torch uint8", PIX_GLOBAL_DATA},
    {"torch bool", PIX_GLOBAL_DATA},
    {"torch complex32", PIX_GLOBAL_DATA},
    {"torch complex64", PIX_GLOBAL_DATA},
    {"torch complex128", PIX_GLOBAL_DATA},
    {"torch qint8", PIX_GLOBAL_DATA},
    {"torch quint8", PIX_GLOBAL_DATA},
    {"torch qint32", PIX_GLOBAL_DATA},
    {"torch per_tensor_affine", PIX_GLOBAL_DATA},
    {"torch per_tensor_symmetric", PIX_GLOBAL_DATA},
    {"torch per_channel_affine", PIX_GLOBAL_DATA},
    {"torch per_channel_symmetric", PIX_GLOBAL_DATA},
    {"torch per_channel_affine_float_qparams", PIX_GLOBAL_DATA},
    {"torch strided", PIX_GLOBAL_DATA},
    {"torch contiguous_format", PIX_GLOBAL_DATA},
    {"torch channels_last", PIX_GLOBAL_DATA},
    {"torch preserve_format", PIX_GLOBAL_DATA},
};

pix_global_use pix_global_find(const char *name) {
    /* Classes a TorchScript archive defines itself: "__torch__.a.b.___torch_mangle_1 C". */
    static const char torchscript[] = "__torch__";
    size_t length = strlen(torchscript);
    if (strncmp(name, torchscript, length) == 0 && (name[length] == '.' || name[length] == ' '))
        return PIX_GLOBAL_OBJECT;
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(globals[i].name, name) == 0)
            return globals[i].use;
    return PIX_GLOBAL_REFUSED;
}
