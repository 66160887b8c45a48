#include "core/clip/fold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What PyTorch adds to a variance unless told otherwise, as in openai/CLIP's model.py. */
static const double batch_norm_eps = 1e-5;

/* The BatchNorm of `channels` channels as four rows. */
enum { WEIGHT, BIAS, MEAN, VARIANCE, ROWS };

static pix_status read_named(pix_checkpoint *checkpoint, const char *name, float *out,
                             pix_error *error) {
    return pix_checkpoint_read(checkpoint, pix_checkpoint_find(checkpoint, name), out, error);
}

static pix_status read_norm(pix_checkpoint *checkpoint, const char *norm, size_t channels,
                            float *rows, pix_error *error) {
    static const char *const parts[ROWS] = {"weight", "bias", "running_mean", "running_var"};
    for (int part = 0; part < ROWS; part++) {
        char name[PIX_CLIP_NAME_MAX + 16];
        float *row = rows + (size_t)part * channels;
        (void)snprintf(name, sizeof name, "%s.%s", norm, parts[part]);
        pix_status status = read_named(checkpoint, name, row, error);
        if (status)
            return status;
        for (size_t i = 0; i < channels; i++)
            if (!isfinite(row[i]) || (part == VARIANCE && row[i] < 0))
                return pix_fail(error, PIX_EFORMAT, "%s: tensor %s: value %zu is %g",
                                pix_checkpoint_path(checkpoint), name, i, (double)row[i]);
    }
    return PIX_OK;
}

static double scale(const float *rows, size_t channels, size_t channel) {
    return (double)rows[WEIGHT * channels + channel] /
           sqrt((double)rows[VARIANCE * channels + channel] + batch_norm_eps);
}

static void fold_bias(const float *rows, size_t channels, float *out) {
    for (size_t i = 0; i < channels; i++) {
        double shift = (double)rows[MEAN * channels + i] * scale(rows, channels, i);
        out[i] = (float)((double)rows[BIAS * channels + i] - shift);
    }
}

/* weight: [out, in, kernel, kernel]; out: [out, kernel, kernel, in]. */
static void fold_weight(const float *rows, const pix_clip_tensor *tensor, const float *weight,
                        float *out) {
    size_t channels = (size_t)tensor->shape[0], in = (size_t)tensor->shape[3];
    size_t window = (size_t)(tensor->shape[1] * tensor->shape[2]);
    for (size_t channel = 0; channel < channels; channel++, weight += in * window) {
        double factor = scale(rows, channels, channel);
        for (size_t cell = 0; cell < window; cell++)
            for (size_t i = 0; i < in; i++)
                *out++ = (float)((double)weight[i * window + cell] * factor);
    }
}

pix_status pix_fold_read(pix_checkpoint *checkpoint, const pix_clip_tensor *tensor, float *out,
                         pix_error *error) {
    if (!tensor->norm[0])
        return read_named(checkpoint, pix_clip_tensor_source(tensor), out, error);
    size_t channels = (size_t)tensor->shape[0];
    bool bias = tensor->rank == 1;
    float *rows = malloc(ROWS * channels * sizeof *rows);
    float *weight = bias ? NULL : malloc(pix_clip_tensor_elements(tensor) * sizeof *weight);
    pix_status status = rows && (bias || weight)
                            ? read_norm(checkpoint, tensor->norm, channels, rows, error)
                            : pix_fail_memory(error);
    if (!status && bias)
        fold_bias(rows, channels, out);
    if (!status && !bias) {
        status = read_named(checkpoint, pix_clip_tensor_source(tensor), weight, error);
        if (!status)
            fold_weight(rows, tensor, weight, out);
    }
    free(rows);
    free(weight);
    return status;
}
