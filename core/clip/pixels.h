/* pixels.h - what the bytes of a preprocessed picture mean to a vision tower. */
#ifndef PIX_CLIP_PIXELS_H
#define PIX_CLIP_PIXELS_H

/* The normalised value of each byte: ((float)b / 255 - mean) / deviation of its channel, with the
 * constants of openai/CLIP's clip.py. */
void pix_pixel_values(float values[3][256]);

#endif
