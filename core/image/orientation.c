#include "core/image/orientation.h"

#include <stddef.h>
#include <string.h>

bool pix_orientation_reverses_columns(int orientation) {
    return orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
}

bool pix_orientation_reverses_rows(int orientation) {
    return orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
}

void pix_orientation_apply(int orientation, int side, const uint8_t *from, uint8_t *to) {
    bool transposed = orientation >= 5 && orientation <= 8;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            int column = transposed ? y : x;
            int row = transposed ? x : y;
            if (pix_orientation_reverses_columns(orientation))
                column = side - 1 - column;
            if (pix_orientation_reverses_rows(orientation))
                row = side - 1 - row;
            memcpy(to, from + 3 * ((size_t)row * (size_t)side + (size_t)column), 3);
            to += 3;
        }
    }
}
