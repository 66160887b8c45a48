/* mojibake.h - ftfy 6.3.1's fix_encoding: text decoded in the wrong encoding is decoded again. */
#ifndef PIX_TEXT_MOJIBAKE_H
#define PIX_TEXT_MOJIBAKE_H

#include "core/text/runes.h"

/* A C1 control character as Windows-1252 has it; any other character, and the five bytes that
 * Windows-1252 leaves out, unchanged. */
uint32_t pix_windows_1252(uint32_t code);

/* ftfy.fix_encoding, in place.  *work is how many more characters may be looked at: hostile text
 * can ask for a pass per character, so when it is used up the text stays as it is. */
pix_status pix_fix_encoding(pix_runes *text, size_t *work);

#endif
