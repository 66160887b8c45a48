/* pickle.h - a Python pickle read as plain data, in a world closed to code.
 *
 * Nothing in a pickle can run: names are looked up in a fixed table (what PyTorch's own picklers
 * write for weights, and any class of a TorchScript archive), and a call is not made but kept as a
 * record of what would be called with what.  An opcode or name outside that world is an error that
 * says which and at which byte.  Memory is bounded, time is linear in it, and no recursion takes
 * place. Values are immutable once loaded, may be shared, and may contain themselves: whoever walks
 * them bounds the walk. */
#ifndef PIX_WEIGHTS_PICKLE_H
#define PIX_WEIGHTS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef enum pix_value_kind {
    PIX_VALUE_NONE,
    PIX_VALUE_BOOL,
    PIX_VALUE_INTEGER,
    PIX_VALUE_BIG_INTEGER, /* does not fit 64 bits: `text` holds it as the pickle does */
    PIX_VALUE_REAL,
    PIX_VALUE_TEXT,
    PIX_VALUE_BYTES,
    PIX_VALUE_TUPLE,
    PIX_VALUE_LIST,
    PIX_VALUE_SET,
    PIX_VALUE_DICT, /* also an OrderedDict; `list` holds key, value, key, value, ... */
    PIX_VALUE_GLOBAL,
    PIX_VALUE_CALL,   /* what calling a function, or making an object of a class, would give */
    PIX_VALUE_OBJECT, /* an object of a TorchScript class */
    PIX_VALUE_PERSISTENT
} pix_value_kind;

typedef struct pix_value pix_value;
struct pix_value {
    pix_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct { /* not NUL-terminated; of a GLOBAL "module name", which is */
            const char *data;
            size_t size;
        } text;
        struct {
            const pix_value **items;
            size_t count;
            size_t capacity;
        } list;
        struct { /* CALL and OBJECT */
            const pix_value *callee;
            const pix_value *arguments;
            const pix_value *state; /* NULL until BUILD gives one */
        } call;
        const pix_value *persistent_id;
    };
};

typedef struct pix_pickle pix_pickle;

/* Reads one pickle, up to its STOP.  Texts point into `data`, which must outlive the pickle. */
pix_status pix_pickle_load(const uint8_t *data, size_t size, pix_pickle **out, pix_error *error);
void pix_pickle_free(pix_pickle *pickle);
const pix_value *pix_pickle_top(const pix_pickle *pickle);

/* "a list", "the global torch._utils _rebuild_tensor_v2", ...: only the kind. */
const char *pix_value_kind_name(pix_value_kind kind);

bool pix_value_is_text(const pix_value *value, const char *text);
/* `name` as in "collections OrderedDict". */
bool pix_value_is_global(const pix_value *value, const char *name);

#endif
