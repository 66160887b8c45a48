/* vocabulary.h - finding the vocabulary that belongs to a checkpoint. */
#ifndef PIX_CLIP_VOCABULARY_H
#define PIX_CLIP_VOCABULARY_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/error.h"

/* Looks beside the weights (in `folder`), then among the installed vocabularies: $PIXGREP_VOCAB (a
 * file or a folder), $XDG_DATA_HOME/pixgrep/vocab, PREFIX/share/pixgrep/vocab and ~/.cache/clip.
 * The first one that fits `token_count` tokens is appended to *merges in our own form and *path
 * (heap) names it.  When none does, *path stays NULL and *why (heap) says in one sentence why,
 * first of all that $PIXGREP_VOCAB is not there.  What lies beside the weights is theirs: when it
 * does not fit, no installed one is taken in its stead. */
pix_status pix_vocabulary_search(const char *folder, size_t token_count, pix_bytes *merges,
                                 char **path, char **why, pix_error *error);

#endif
