/* torch_legacy.h - the tensors of a file of torch.save as it was before PyTorch 1.6, not a zip.
 *
 * Five pickles one after another (a magic number, the version, the machine, the object, the list of
 * storage keys), then for each key an int64 count and the elements. */
#ifndef PIX_WEIGHTS_TORCH_LEGACY_H
#define PIX_WEIGHTS_TORCH_LEGACY_H

#include "core/weights/torch_tree.h"

/* True when `data` begins with the magic number. */
bool pix_torch_legacy_looks_like(const uint8_t *data, size_t size);

/* Adds every tensor of the file under its state-dict name; their data stays in `data`. */
pix_status pix_torch_legacy_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                 pix_torch_facts *facts, pix_error *error);

#endif
