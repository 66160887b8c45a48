/* The bounds.  Let x be a stored vector and q a query, both float32 and of length at most 1.001; a
 * and b any two float32 numbers, alpha and beta any two float64 numbers, and
 *
 *     z = x - m - a u - b v            what is rotated
 *     p = q - alpha u - beta v         the query's remainder
 *
 * in real numbers.  Then, exactly and for any u and v,
 *
 *     <q,x> = <q,m> + a <q,u> + b <q,v> + <p,z> + alpha <u,z> + beta <v,z>.             (1)
 *
 * R keeps dot products, so with y the codes of x times their scale and k the codes of q times
 * theirs, both of them vectors of real numbers,
 *
 *     <p,z> = <k,y> + <Rp - k, y> + <Rp, Rz - y>,                                       (2)
 *
 * where <k,y> is a sum of whole numbers times two scales.  So |<q,x> - score| is at most
 *
 *     |p| |Rz - y|  +  |Rp - k| |y|  +  |alpha| |<u,z>| + |beta| |<v,z>|  +  rounding,  (3)
 *
 * that is reach * residual + slack.  What float64 rounding adds, with e = 2^-36, far more than
 * 2^16 dimensions can add up to, 65536 u = 2^-37 with u = 2^-53:
 *
 *   z     Five roundings for each coordinate, of values that as vectors are no longer than 8:
 *         less than 40 u.  Rotating adds 2^-46 |z| < 2^-43.
 *   |Rz - y|, |p|, |Rp - k|, |y|   The squares of at most 2^16 float64 differences and their sum:
 *         a relative error below 2^16 u + u.  Each is taken as computed * (1 + e) + e; the last e
 *         covers the errors of z, of p and of rotating them: 40 u + 2^-43 < e.
 *   |<u,z>|, |<v,z>|   A dot product of lengths 1 and 8: 8 * 2^16 u = 8 e / 2; |..| + 8 e is safe.
 *   <q,m>, <q,u>, <q,v>   Each off by less than 2^16 u * 1.02 < e; times 1, |a| and |b|, which are
 *         at most 2.1: less than 6 e.
 *   The score   Six roundings of values below 16: 96 u < e.
 *   pix_dot   The true float64 score, which is what is bounded, differs from <q,x> by less than e.
 *
 * Together less than 16 e for what is not in (3) already, which is part of the slack.
 *
 * The same score plus residual * reach in float32: four products, of three factors at most that are
 * rounded first, and their sum, 16 roundings of 2^-24 that are relative to the terms and their
 * sums, so less than 2^-20 times the sum of their magnitudes: rough_slack. */
#include "storage/frame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define E 0x1p-36

static double dot(const double *a, const double *b, size_t size) {
    double sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= size; i += 4)
        for (size_t lane = 0; lane < 4; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    for (; i < size; i++)
        sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* At least the length of the vector that `square`, the sum of its squares, was computed from. */
static double length_above(double square) {
    return sqrt(square) * (1 + E) + E;
}

static float float_above(double value) {
    float rounded = (float)value;
    return (double)rounded < value ? nextafterf(rounded, INFINITY) : rounded;
}

pix_status pix_frame_init(pix_frame *frame, size_t dimension, const double *axes, uint64_t seed,
                          pix_error *error) {
    static const double longest[] = {1.01, 1 + 1e-9, 1 + 1e-9};
    *frame = (pix_frame){.dimension = dimension, .padded = (dimension + 15) / 16 * 16};
    pix_status status = pix_rotation_init(&frame->rotation, dimension, seed, error);
    if (status)
        return status;
    for (size_t i = 0; i < 3 && !status; i++) {
        const double *axis = axes + i * dimension;
        if (!(sqrt(dot(axis, axis, dimension)) <= longest[i]))
            status = pix_fail(error, PIX_EFORMAT, "an axis of its frame is too long");
    }
    if (!status && !(frame->axes = calloc(3 * dimension, sizeof *axes)))
        status = pix_fail_memory(error);
    if (status) {
        pix_frame_free(frame);
        return status;
    }
    memcpy(frame->axes, axes, 3 * dimension * sizeof *axes);
    return PIX_OK;
}

void pix_frame_free(pix_frame *frame) {
    free(frame->axes);
    pix_rotation_free(&frame->rotation);
    *frame = (pix_frame){0};
}

/* work -= a u + b v */
static void take_away(const pix_frame *frame, double a, double b, double *work) {
    const double *u = frame->axes + frame->dimension, *v = u + frame->dimension;
    for (size_t i = 0; i < frame->dimension; i++)
        work[i] = (work[i] - a * u[i]) - b * v[i];
}

static double largest_of(const double *x, size_t size) {
    double largest = 0;
    for (size_t i = 0; i < size; i++)
        largest = fabs(x[i]) > largest ? fabs(x[i]) : largest;
    return largest;
}

/* The nearest whole number, halves to even, for |x| < 2^31. */
static double whole(double x) {
    const double bias = 0x1.8p52;
    return (x + bias) - bias;
}

void pix_frame_code(const pix_frame *frame, const float *vector, double *work, uint8_t *codes,
                    pix_coded *coded, pix_extent *extent) {
    const size_t n = frame->dimension;
    const double *m = frame->axes, *u = m + n, *v = u + n;
    for (size_t i = 0; i < n; i++)
        work[i] = (double)vector[i] - m[i];
    coded->first = (float)dot(work, u, n);
    coded->second = (float)dot(work, v, n);
    take_away(frame, (double)coded->first, (double)coded->second, work);
    extent->cross = fmax(extent->cross, fabs(dot(work, u, n)) + 8 * E);
    extent->cross = fmax(extent->cross, fabs(dot(work, v, n)) + 8 * E);
    pix_rotation_apply(&frame->rotation, work);

    const double largest = largest_of(work, n);
    coded->scale = largest > 1e-30 ? float_above(largest / 127) : 0;
    const double scale = (double)coded->scale, inverse = scale > 0 ? 1 / scale : 0;
    double lost = 0, kept = 0;
    memset(codes, 128, frame->padded);
    for (size_t i = 0; i < n; i++) {
        double code = whole(work[i] * inverse), rest = work[i] - scale * code;
        codes[i] = (uint8_t)(int)(code + 128);
        lost += rest * rest;
        kept += code * code;
    }
    coded->residual = float_above(length_above(lost));
    extent->length = fmax(extent->length, length_above(scale * scale * kept));
}

/* The largest code such that a sum of products with codes of at most 127 fits an int32. */
static double largest_code(size_t padded) {
    double most = floor((double)INT32_MAX / (127 * (double)padded));
    return most < 32512 ? most : 32512;
}

/* Codes of `work` into `query`, whose arrays are those of `padded` zeros each; returns at least the
 * distance from them. */
static double code_query(pix_frame_query *query, const double *work, size_t n, int16_t *words,
                         int8_t *high, int8_t *low, double most) {
    const double largest = largest_of(work, n);
    query->scale = largest > 1e-30 ? largest / most : 0;
    const double inverse = query->scale > 0 ? 1 / query->scale : 0;
    double lost = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        double code = whole(work[i] * inverse), rest = work[i] - query->scale * code;
        int k = (int)code;
        words[i] = (int16_t)k;
        high[i] = (int8_t)((k + 128 + 32768) / 256 - 128);
        low[i] = (int8_t)(k - 256 * high[i]);
        sum += k;
        lost += rest * rest;
    }
    query->codes.offset = (int32_t)(128 * sum);
    return length_above(lost);
}

pix_status pix_frame_query_init(pix_frame_query *query, const pix_frame *frame, const float *vector,
                                const pix_extent *extent, pix_error *error) {
    const size_t n = frame->dimension, padded = frame->padded;
    const double *m = frame->axes, *u = m + n, *v = u + n;
    *query = (pix_frame_query){0};
    double *work = calloc(n, sizeof *work);
    int16_t *words = query->memory = calloc(padded, sizeof *words + 2);
    if (!work || !words) {
        free(work);
        pix_frame_query_free(query);
        return pix_fail_memory(error);
    }
    int8_t *high = (int8_t *)(words + padded), *low = high + padded;
    for (size_t i = 0; i < n; i++)
        work[i] = (double)vector[i];
    query->mean = dot(work, m, n);
    query->first = dot(work, u, n);
    query->second = dot(work, v, n);
    take_away(frame, query->first, query->second, work);
    query->reach = length_above(dot(work, work, n));
    pix_rotation_apply(&frame->rotation, work);
    query->codes = (pix_scan_query){.words = words, .high = high, .low = low};
    double lost = code_query(query, work, n, words, high, low, largest_code(padded));
    free(work);
    query->slack =
        lost * extent->length + (fabs(query->first) + fabs(query->second)) * extent->cross + 16 * E;
    const double longest_part = 3; /* of a, b and the residual of a vector */
    double terms = fabs(query->mean) + (query->reach + lost) * extent->length + query->slack +
                   longest_part * (fabs(query->first) + fabs(query->second) + query->reach);
    query->rough_slack = float_above(0x1p-20 * terms + query->slack);
    return PIX_OK;
}

void pix_frame_query_free(pix_frame_query *query) {
    free(query->memory);
    *query = (pix_frame_query){0};
}
