/* folder.h - which file of a folder holds the model.
 *
 * In this order: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
 * pytorch_model.bin.index.json (those of Hugging Face's, which need a config.json beside them),
 * open_clip_model.safetensors, open_clip_pytorch_model.bin; with an open_clip_config.json and no
 * config.json, open_clip's before the others.  Without any of them, the only .pt, .pth, .ckpt,
 * .safetensors or .bin file. */
#ifndef PIX_WEIGHTS_FOLDER_H
#define PIX_WEIGHTS_FOLDER_H

#include "core/base/error.h"

/* *path: the file, in heap memory; *others: the names of those passed over, "a, b", in heap memory,
 * or NULL when there are none.  Without a file to choose, or with several of equal rank, fails. */
pix_status pix_folder_weights(const char *folder, char **path, char **others, pix_error *error);

#endif
