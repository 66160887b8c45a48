#include "core/tensor/dot.h"

double pix_dot(const float *a, const float *b, size_t size) {
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= size; i += 8)
        for (size_t lane = 0; lane < 8; lane++)
            sum[lane] += (double)a[i + lane] * (double)b[i + lane];
    for (size_t lane = 0; i < size; i++, lane++)
        sum[lane] += (double)a[i] * (double)b[i];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}
