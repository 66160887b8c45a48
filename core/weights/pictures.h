/* pictures.h - what pixgrep makes of a picture before a model sees it (openai/CLIP, clip.py), in
 * the words of transformers' CLIPImageProcessor, to compare with what a config file wants. */
#ifndef PIX_WEIGHTS_PICTURES_H
#define PIX_WEIGHTS_PICTURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Every setting that changes what the model sees, of pictures of `size` pixels; NULL when memory is
 * out. */
json_t *pix_pictures_settings(int64_t size);

/* Whether a setting comes to the same as `ours`: a number may be rounded, one number may stand for
 * all of an object. */
bool pix_pictures_fit(const json_t *value, const json_t *ours);

#endif
