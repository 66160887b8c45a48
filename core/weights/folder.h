/* folder.h - which file of a folder holds the model.
 *
 * In this order: model.safetensors, its index (model.safetensors.index.json, of weights in several
 * files), pytorch_model.bin, its index, open_clip_model.safetensors, its index,
 * open_clip_pytorch_model.bin, its index; with an open_clip_config.json and no config.json,
 * open_clip's before the others.  (Hugging Face's names of tensors need a config.json, whatever the
 * file is called.)  Without any of them, the only .pt, .pth, .ckpt, .safetensors or .bin file, or
 * the index of the only parts; hidden files, training_args.bin and what begins with optimizer or
 * scheduler, which trainers leave there, are passed over. */
#ifndef PIX_WEIGHTS_FOLDER_H
#define PIX_WEIGHTS_FOLDER_H

#include "core/base/error.h"

/* *path: the file, in heap memory; *others: the names of those passed over, "a, b", in heap memory,
 * or NULL when there are none.  Without a file to choose, or with several of equal rank, fails. */
pix_status pix_folder_weights(const char *folder, char **path, char **others, pix_error *error);

#endif
