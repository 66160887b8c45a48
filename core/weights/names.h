/* names.h - tensors get the names and shapes of OpenAI's state dict. */
#ifndef PIX_WEIGHTS_NAMES_H
#define PIX_WEIGHTS_NAMES_H

#include "core/weights/tensors.h"

/* Takes off what wrappers put before the names of a model ("module.", "_orig_mod.", "model.clip.")
 * and open_clip's "text." before those of the text tower.  Two models in one file are PIX_EFORMAT.
 * The table sorted, before and after. */
pix_status pix_names_strip(pix_tensors *tensors, pix_error *error);

/* Whether these are the names of Hugging Face's CLIPModel. */
bool pix_names_are_hugging_face(const pix_tensors *tensors);

/* Replaces Hugging Face's names, joins q, k and v, and turns the projections; both tables sorted. A
 * tensor of a tower that OpenAI's model has no place for is PIX_EUNSUPPORTED: leaving weights out
 * would give wrong results. */
pix_status pix_names_from_hugging_face(pix_tensors *tensors, pix_error *error);

#endif
