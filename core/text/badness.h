/* badness.h - where ftfy 6.3.1 sees mojibake.
 *
 * Sets of characters and patterns are data (tables_mojibake.h); this matches them.  Pure
 * functions. */
#ifndef PIX_TEXT_BADNESS_H
#define PIX_TEXT_BADNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ftfy.badness.is_bad: the text holds a sequence that is far likelier mojibake than intended. */
bool pix_is_bad(const uint32_t *text, size_t size);

/* UTF8_DETECTOR_RE at text[at]: the length of the longest chain there of what look like UTF-8
 * sequences read in a single-byte encoding, or 0. */
size_t pix_mojibake_length(const uint32_t *text, size_t size, size_t at);

#endif
