/* samples.h - pictures and texts that a model is tried on, since nobody's photos are at hand.
 *
 * Pictures are drawn: skies, textures whose detail grows finer as nature's does, shapes with edges
 * and shades, stripes, grain, in colour; integer arithmetic, so the same on every CPU.  Texts are
 * what people write: words, captions, sentences.  Pure: any thread. */
#ifndef PIX_CLIP_SAMPLES_H
#define PIX_CLIP_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

/* Picture number `index`, any of them, as [size, size, 3] bytes.  It shows the same at every size.
 */
void pix_sample_picture(uint32_t index, int size, uint8_t *rgb);

extern const char *const pix_sample_texts[];
extern const size_t pix_sample_text_count;

#endif
