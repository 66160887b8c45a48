#include "core/clip/pixels.h"

void pix_pixel_values(float values[3][256]) {
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float deviation[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    for (int channel = 0; channel < 3; channel++)
        for (int byte = 0; byte < 256; byte++)
            values[channel][byte] = ((float)byte / 255.0f - mean[channel]) / deviation[channel];
}
