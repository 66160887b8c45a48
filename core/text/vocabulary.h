/* vocabulary.h - how the files of a vocabulary spell bytes.
 *
 * GPT-2's byte alphabet: a printable Latin-1 byte is its own character, any other is one of
 * U+0100 to U+0143. */
#ifndef PIX_TEXT_VOCABULARY_H
#define PIX_TEXT_VOCABULARY_H

#include <stdint.h>

/* The byte that a character stands for, or -1. */
int pix_alphabet_byte(uint32_t code);
uint32_t pix_alphabet_character(unsigned char byte);

/* Ends the last symbol of a word. */
#define PIX_WORD_END "</w>"

#endif
