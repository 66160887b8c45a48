#include "core/base/png.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { CHANNELS = 3, MAX_SIDE = 4096, FILTERS = 5 };

static void put_32(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (24 - 8 * i));
}

static pix_status put_chunk(pix_bytes *out, const char type[4], const void *data, size_t size) {
    uint8_t head[8], tail[4];
    put_32(head, (uint32_t)size);
    memcpy(head + 4, type, 4);
    uLong crc = crc32(0, head + 4, 4);
    if (size > 0)
        crc = crc32(crc, data, (uInt)size);
    put_32(tail, (uint32_t)crc);
    if (pix_bytes_append(out, head, sizeof head) || pix_bytes_append(out, data, size) ||
        pix_bytes_append(out, tail, sizeof tail))
        return PIX_ENOMEM;
    return PIX_OK;
}

static int paeth(int left, int up, int corner) {
    int estimate = left + up - corner;
    int by_left = abs(estimate - left), by_up = abs(estimate - up), by = abs(estimate - corner);
    return by_left <= by_up && by_left <= by ? left : by_up <= by ? up : corner;
}

/* Filters a row with each kind and keeps the one whose bytes, as signed numbers, are smallest. */
static void filter_row(const uint8_t *row, const uint8_t *above, size_t size, uint8_t *out) {
    int64_t least = INT64_MAX;
    int kept = 0;
    for (int kind = 0; kind <= FILTERS; kind++) {
        int now = kind == FILTERS ? kept : kind; /* the last turn writes the best one again */
        int64_t sum = 0;
        out[0] = (uint8_t)now;
        for (size_t i = 0; i < size; i++) {
            int left = i < CHANNELS ? 0 : row[i - CHANNELS], up = above ? above[i] : 0;
            int corner = i < CHANNELS || !above ? 0 : above[i - CHANNELS];
            int guess = now == 0   ? 0
                        : now == 1 ? left
                        : now == 2 ? up
                        : now == 3 ? (left + up) / 2
                                   : paeth(left, up, corner);
            out[i + 1] = (uint8_t)(row[i] - guess);
            sum += abs((int8_t)out[i + 1]);
        }
        if (sum < least) {
            least = sum;
            kept = now;
        }
    }
}

pix_status pix_png_write(const uint8_t *rgb, int width, int height, pix_bytes *out) {
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    assert(width > 0 && width <= MAX_SIDE && height > 0 && height <= MAX_SIDE);
    size_t row = (size_t)width * CHANNELS, rows = (size_t)height;
    uint8_t header[13] = {[8] = 8, [9] = 2}; /* bits a channel, RGB */
    uLong bound = compressBound((uLong)(rows * (row + 1)));
    uint8_t *filtered = malloc(rows * (row + 1)), *packed = malloc(bound);
    pix_status status = filtered && packed ? PIX_OK : PIX_ENOMEM;
    put_32(header, (uint32_t)width);
    put_32(header + 4, (uint32_t)height);
    pix_bytes_clear(out);
    for (size_t y = 0; y < rows && !status; y++)
        filter_row(rgb + y * row, y > 0 ? rgb + (y - 1) * row : NULL, row,
                   filtered + y * (row + 1));
    if (!status &&
        compress2(packed, &bound, filtered, (uLong)(rows * (row + 1)), Z_BEST_COMPRESSION) != Z_OK)
        status = PIX_ENOMEM;
    if (!status && (pix_bytes_append(out, signature, sizeof signature) ||
                    put_chunk(out, "IHDR", header, sizeof header) ||
                    put_chunk(out, "IDAT", packed, bound) || put_chunk(out, "IEND", "", 0)))
        status = PIX_ENOMEM;
    free(filtered);
    free(packed);
    return status;
}
