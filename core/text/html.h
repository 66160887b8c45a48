/* html.h - character references, as Python's html.unescape and as ftfy's stricter way read them.
 *
 * Both work in place: a reference is never shorter than what it stands for. */
#ifndef PIX_TEXT_HTML_H
#define PIX_TEXT_HTML_H

#include "core/text/runes.h"

/* html.unescape: names without a semicolon too (the longest known prefix), any number. */
void pix_html_unescape(pix_runes *text);

/* ftfy's unescape_html: only with a semicolon; also the upper-case forms of lower-case names. */
void pix_ftfy_unescape(pix_runes *text);

#endif
