/* hf_preprocessor.h - what the preprocessor_config.json beside a Hugging Face model says, or the
 * image_processor of the processor_config.json that newer ones have. */
#ifndef PIX_WEIGHTS_HF_PREPROCESSOR_H
#define PIX_WEIGHTS_HF_PREPROCESSOR_H

#include <stdint.h>

#include "core/base/error.h"

/* PIX_EUNSUPPORTED, with both values, when the model wants other pictures than pixgrep makes of
 * `image_size` pixels; what the file leaves out is as pixgrep does it. */
pix_status pix_hf_preprocessor_check(const char *path, int64_t image_size, pix_error *error);

#endif
