/* clean.h - what OpenAI's CLIP does to a text before byte-pair encoding.
 *
 * ftfy's default fix_text, html.unescape twice, strip, white space folded to single spaces, then
 * Python's str.lower with its contexts.  Pure functions: any thread.  Invalid UTF-8 in the input is
 * read as U+FFFD, one for each maximal subpart (Unicode 15, D93b), so no input fails. */
#ifndef PIX_TEXT_CLEAN_H
#define PIX_TEXT_CLEAN_H

#include "core/base/bytes.h"
#include "core/base/error.h"

/* Appends ftfy.fix_text(text), version 6.3.1, default configuration.  Fails only on memory. */
pix_status pix_fix_text(const char *text, size_t size, pix_bytes *out);

/* Appends what BPE sees: the whole chain above.  Fails only on memory. */
pix_status pix_clean(const char *text, size_t size, pix_bytes *out);

#endif
