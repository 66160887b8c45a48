#include "query/crop.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/image/decoder.h"
#include "query/vocabulary.h"

enum { OPENAI_SIZE = 224 };

static pix_status model_size(const char *name, int *size, pix_error *error) {
    pix_model *model;
    pix_status status = pix_query_open_any_model(name, &model, error);
    *size = model ? pix_model_config(model)->image_size : OPENAI_SIZE;
    pix_model_close(model);
    return status;
}

static pix_status decode(const pix_decode_options *decode_options, const char *path, uint8_t *rgb,
                         pix_error *error) {
    pix_decoder *decoder;
    pix_status status = pix_decoder_open(NULL, decode_options, &decoder, error);
    if (status)
        return status;
    int fd;
    pix_photo facts;
    status = pix_photo_open(path, &fd, error);
    if (!status) {
        status = pix_decoder_run(decoder, fd, rgb, &facts, error);
        (void)close(fd);
    }
    pix_decoder_close(decoder);
    return status ? pix_error_prefix(error, "%s", path) : PIX_OK;
}

pix_status pix_crop_write(const pix_query_options *options, FILE *out, pix_error *error) {
    int size = options->size;
    if (size == 0) {
        pix_status status = model_size(options->model, &size, error);
        if (status)
            return status;
    }
    size_t row = (size_t)size * 3;
    uint8_t *rgb = calloc((size_t)size, row);
    if (!rgb)
        return pix_fail_memory(error);
    pix_decode_options decode_options = {
        .size = size, .exact = options->exact, .ignore_rotation = options->ignore_rotation};
    pix_status status = decode(&decode_options, options->inputs[0].value, rgb, error);
    if (!status) {
        (void)fprintf(out, "P6\n%d %d\n255\n", size, size);
        (void)fwrite(rgb, row, (size_t)size, out);
    }
    free(rgb);
    return status;
}
