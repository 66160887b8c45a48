#include "core/image/alpha.h"

void pix_alpha_on_white(const uint8_t *from, size_t count, size_t colours, uint8_t *to) {
    for (size_t i = 0; i < count; i++, from += colours + 1, to += colours) {
        unsigned alpha = from[colours];
        for (size_t c = 0; c < colours; c++)
            to[c] = (uint8_t)(255 - pix_multiply_255(255U - from[c], alpha));
    }
}

void pix_alpha_premultiply(const uint8_t *from, size_t count, size_t colours, uint8_t *to) {
    for (size_t i = 0; i < count; i++, from += colours + 1, to += colours + 1) {
        unsigned alpha = from[colours];
        for (size_t c = 0; c < colours; c++)
            to[c] = pix_multiply_255(from[c], alpha);
        to[colours] = (uint8_t)alpha;
    }
}

void pix_alpha_divide(const uint8_t *from, size_t count, size_t colours, uint8_t *to) {
    for (size_t i = 0; i < count; i++, from += colours + 1, to += colours + 1) {
        unsigned alpha = from[colours];
        for (size_t c = 0; c < colours; c++) {
            unsigned value = alpha == 0 ? from[c] : 255U * from[c] / alpha;
            to[c] = (uint8_t)(value > 255 ? 255 : value);
        }
        to[colours] = (uint8_t)alpha;
    }
}
