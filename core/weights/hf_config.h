/* hf_config.h - what the config.json beside a Hugging Face CLIPModel says. */
#ifndef PIX_WEIGHTS_HF_CONFIG_H
#define PIX_WEIGHTS_HF_CONFIG_H

#include "core/weights/checkpoint.h"

/* Fills *hints; what the file leaves out has the default of CLIPConfig.  What a CLIP model as ours
 * cannot do (another activation, towers that differ in it) is PIX_EUNSUPPORTED, and so is the
 * config of another kind of model or of one tower alone. */
pix_status pix_hf_config_read(const char *path, pix_checkpoint_hints *hints, pix_error *error);

#endif
