/* prompts.h - templates: the sentences that a label is put into before a text tower reads it.
 *
 * CLIP learned from captions, so "a photo of a {}." fits a picture better than the bare name, and
 * the mean over several such sentences better still (Radford et al. 2021, section 3.1.4).  No word
 * is bent: a template's "a" stays before a vowel. */
#ifndef PIX_CLIP_PROMPTS_H
#define PIX_CLIP_PROMPTS_H

#include <stddef.h>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/lines.h"

/* The sets that are installed, by name. */
#define PIX_TEMPLATES_SHORT "short"
#define PIX_TEMPLATES_LONG "long"

/* The templates that `name` means: an installed set; the text itself when it holds "{}"; else the
 * file of that path, a template a line; NULL is "a photo of a {}.".  Each one has one "{}". */
pix_status pix_templates_open(const char *name, pix_list *out, pix_error *error);

/* Replaces *out by the template with `text` in the place of its "{}". */
pix_status pix_prompt_fill(const char *template, const char *text, size_t size, pix_bytes *out);

#endif
