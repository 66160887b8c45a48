/* safetensors.h - the tensors of a safetensors file: a JSON header, then their bytes.
 *
 * The format is https://github.com/huggingface/safetensors; the data need not be aligned. */
#ifndef PIX_WEIGHTS_SAFETENSORS_H
#define PIX_WEIGHTS_SAFETENSORS_H

#include "core/weights/tensors.h"

/* True when `data` begins like a safetensors file: a plausible length, then '{'. */
bool pix_safetensors_looks_like(const uint8_t *data, size_t size);

/* Adds every tensor of the file under the name it has there; their data stays in `data`. */
pix_status pix_safetensors_read(const uint8_t *data, size_t size, pix_tensors *tensors,
                                pix_error *error);

#endif
