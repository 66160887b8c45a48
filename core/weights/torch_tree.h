/* torch_tree.h - the tensors a PyTorch pickle describes, under their state-dict names: of modules
 * inside modules, or of a dict.
 *
 * Where the numbers of a storage lie, only the format of the file knows. */
#ifndef PIX_WEIGHTS_TORCH_TREE_H
#define PIX_WEIGHTS_TORCH_TREE_H

#include "core/weights/pickle.h"
#include "core/weights/tensors.h"

/* A persistent id ("storage", type, key, device, elements). */
typedef struct pix_torch_storage {
    const pix_value *key; /* of any kind */
    size_t size;          /* bytes */
    size_t item_size;     /* bytes of an element, 1 unless typed */
    pix_dtype dtype;      /* when typed; PIX_DTYPE_COUNT: none that a tensor can have here */
    const char *type;     /* its name, "torch FloatStorage" */
    bool typed;
} pix_torch_storage;
pix_status pix_torch_storage_read(const pix_value *value, pix_torch_storage *out, pix_error *error);

/* `find` gives the bytes of a storage that is not empty: storage->size of them at *data.  The error
 * says what is wrong with "its storage". */
typedef struct pix_torch_storages {
    pix_status (*find)(void *context, const pix_torch_storage *storage, const uint8_t **data,
                       pix_error *error);
    void *context;
} pix_torch_storages;

/* What there is besides the tensors. */
typedef struct pix_torch_facts {
    bool module;    /* a TorchScript module, not a dict */
    char name[128]; /* what a training checkpoint calls its model or run, or "" */
    size_t others;  /* tensors beside the state dict: an optimizer's */
} pix_torch_facts;

/* Adds every tensor of `top`; their data stays where `storages` finds it. */
pix_status pix_torch_tree_read(const pix_value *top, const pix_torch_storages *storages,
                               pix_tensors *tensors, pix_torch_facts *facts, pix_error *error);

/* Calls `each` with every value in `top` but for `except` (NULL: all) and what is in that; one that
 * stands in several places, once for each.  Beyond a depth or number no file has, PIX_ELIMIT. */
typedef struct pix_torch_visitor {
    pix_status (*each)(void *context, const pix_value *value, pix_error *error);
    void *context;
} pix_torch_visitor;
pix_status pix_torch_walk(const pix_value *top, const pix_value *except,
                          const pix_torch_visitor *visitor, pix_error *error);

#endif
