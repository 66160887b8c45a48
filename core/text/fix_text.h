/* fix_text.h - pix_fix_text on code points, for the steps that follow it in pix_clean. */
#ifndef PIX_TEXT_FIX_TEXT_H
#define PIX_TEXT_FIX_TEXT_H

#include "core/text/runes.h"

/* Appends ftfy.fix_text(text). */
pix_status pix_fix_runes(const pix_runes *text, pix_runes *out);

#endif
