/* torch_archive.h - the tensors of a PyTorch zip archive: TorchScript, or torch.save since 1.6.
 *
 * STEM/data.pkl describes the tensors, each file STEM/data/N is one storage.  Code, constants and
 * everything else in the archive is left alone. */
#ifndef PIX_WEIGHTS_TORCH_ARCHIVE_H
#define PIX_WEIGHTS_TORCH_ARCHIVE_H

#include "core/weights/torch_tree.h"

/* Adds every tensor of the archive under its state-dict name; their data stays in `data`. */
pix_status pix_torch_archive_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                  pix_torch_facts *facts, pix_error *error);

#endif
