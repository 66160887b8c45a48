/* unicode.h - the character properties of the reference, each in the Unicode version it used.
 *
 * The regex module (letters, numbers, white space) had Unicode 15; Python 3.11 (\w, \d,
 * lower-casing, normalisation) had 14 and leaves newer characters alone.  Pure functions. */
#ifndef PIX_TEXT_UNICODE_H
#define PIX_TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text/runes.h"

bool pix_is_letter(uint32_t code); /* \p{L} */
bool pix_is_number(uint32_t code); /* \p{N} */
bool pix_is_space(uint32_t code);  /* regex's \s: White_Space */

bool pix_is_python_space(uint32_t code); /* str.isspace: also U+001C to U+001F */
bool pix_is_python_word(uint32_t code);  /* \w of Python's re */
bool pix_is_python_digit(uint32_t code); /* \d of Python's re */

/* str.lower: U+0130 becomes two characters, capital sigma is final by its context. */
pix_status pix_lower(pix_runes *text);

/* Normalisation form C. Linear in the length of the text. */
pix_status pix_nfc(pix_runes *text);

#endif
