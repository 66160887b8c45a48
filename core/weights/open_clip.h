/* open_clip.h - what open_clip_config.json, beside weights of open_clip's, says. */
#ifndef PIX_WEIGHTS_OPEN_CLIP_H
#define PIX_WEIGHTS_OPEN_CLIP_H

#include "core/weights/checkpoint.h"

/* Fills *hints.  What a CLIP model as OpenAI's cannot do (towers of other kinds, another way to
 * pool or to prepare pictures) is PIX_EUNSUPPORTED. */
pix_status pix_open_clip_config_read(const char *path, pix_checkpoint_hints *hints,
                                     pix_error *error);

#endif
