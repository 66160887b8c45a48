#include "core/clip/ranges.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/bytes.h"

static size_t per_layer(const pix_ranges *ranges) {
    return 3 * (size_t)ranges->width + (size_t)ranges->mlp_width;
}

pix_status pix_ranges_init(pix_ranges *ranges, int layers, int width, int mlp_width,
                           pix_error *error) {
    *ranges = (pix_ranges){.layers = layers, .width = width, .mlp_width = mlp_width};
    size_t count, bytes;
    if (pix_size_multiply((size_t)layers, per_layer(ranges), &count) &&
        pix_size_multiply(count, sizeof *ranges->all, &bytes))
        ranges->all = malloc(bytes > 0 ? bytes : 1); /* a ModifiedResNet has no blocks */
    if (!ranges->all)
        return pix_fail_memory(error);
    for (size_t i = 0; i < count; i++)
        ranges->all[i] = (pix_range){.least = INFINITY, .most = -INFINITY};
    return PIX_OK;
}

void pix_ranges_free(pix_ranges *ranges) {
    free(ranges->all);
    *ranges = (pix_ranges){0};
}

pix_range *pix_ranges_at(const pix_ranges *ranges, int layer, pix_place place) {
    return ranges->all + (size_t)layer * per_layer(ranges) + (size_t)place * (size_t)ranges->width;
}

void pix_ranges_add(const pix_ranges *ranges, int layer, pix_place place, int rows, const float *x,
                    size_t stride) {
    pix_range *range = pix_ranges_at(ranges, layer, place);
    size_t channels = (size_t)(place == PIX_PLACE_HIDDEN ? ranges->mlp_width : ranges->width);
    for (int row = 0; row < rows; row++, x += stride)
        for (size_t i = 0; i < channels; i++) {
            range[i].least = x[i] < range[i].least ? x[i] : range[i].least;
            range[i].most = x[i] > range[i].most ? x[i] : range[i].most;
        }
}
