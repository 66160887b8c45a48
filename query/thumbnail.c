#include "query/thumbnail.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/png.h"
#include "core/image/decoder.h"

struct pix_thumbnails {
    int size;
    pix_decoder *decoder;
    uint8_t *rgb; /* [size, size, 3] */
};

pix_status pix_thumbnails_open(const pix_query_options *options, int size, pix_thumbnails **out,
                               pix_error *error) {
    *out = NULL;
    pix_thumbnails *t = calloc(1, sizeof *t);
    if (!t)
        return pix_fail_memory(error);
    pix_decode_options decode = {.size = size, .ignore_rotation = options->ignore_rotation};
    t->size = size;
    t->rgb = calloc((size_t)size * (size_t)size, 3);
    pix_status status =
        t->rgb ? pix_decoder_open(NULL, &decode, &t->decoder, error) : pix_fail_memory(error);
    if (status) {
        pix_thumbnails_close(t);
        return status;
    }
    *out = t;
    return PIX_OK;
}

void pix_thumbnails_close(pix_thumbnails *t) {
    if (!t)
        return;
    pix_decoder_close(t->decoder);
    free(t->rgb);
    free(t);
}

pix_status pix_thumbnails_get(pix_thumbnails *t, const char *path, pix_bytes *png,
                              pix_error *error) {
    int fd;
    pix_photo facts;
    pix_status status = pix_photo_open(path, &fd, error);
    if (status)
        return status;
    status = pix_decoder_run(t->decoder, fd, t->rgb, &facts, error);
    (void)close(fd);
    if (!status && pix_png_write(t->rgb, t->size, t->size, png))
        status = pix_fail_memory(error);
    return status;
}
