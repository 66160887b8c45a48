/* pretoken.h - CLIP's regular expression, which cuts a cleaned text into the words that BPE sees:
 *
 *   <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 *
 * without regard to case, as the regex module reads it: long s (U+017F) is an s, and U+0345, a
 * mark whose upper case is a letter, is in none of the three classes and so disappears. */
#ifndef PIX_TEXT_PRETOKEN_H
#define PIX_TEXT_PRETOKEN_H

#include <stddef.h>

/* Finds the first word at or after text[*at] (UTF-8).  Returns its size and sets *at to its start;
 * 0 when there is none. */
size_t pix_pretoken_next(const char *text, size_t size, size_t *at);

#endif
