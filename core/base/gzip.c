#include "core/base/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

bool pix_gzip_looks_like(const void *data, size_t size) {
    const unsigned char *bytes = data;
    return size >= 3 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8;
}

/* One step of inflation into 64 KiB of fresh room; *result is zlib's. */
static pix_status expand_step(z_stream *stream, size_t limit, pix_bytes *out, int *result,
                              pix_error *error) {
    enum { STEP = 65536 };
    if (out->size > limit)
        return pix_fail(error, PIX_ELIMIT, "gzip data expands to more than %zu bytes", limit);
    if (pix_bytes_reserve(out, STEP))
        return pix_fail_memory(error);
    stream->next_out = (Bytef *)out->data + out->size;
    stream->avail_out = STEP;
    *result = inflate(stream, Z_NO_FLUSH);
    out->size += STEP - stream->avail_out;
    out->data[out->size] = '\0';
    if (*result == Z_MEM_ERROR)
        return pix_fail_memory(error);
    if (*result != Z_OK && *result != Z_STREAM_END)
        return pix_fail(error, PIX_EFORMAT, "gzip data is %s",
                        *result == Z_BUF_ERROR ? "truncated" : "corrupt");
    return PIX_OK;
}

pix_status pix_gzip_expand(const void *data, size_t size, size_t limit, pix_bytes *out,
                           pix_error *error) {
    if (size > UINT_MAX)
        return pix_fail(error, PIX_ELIMIT, "gzip data of %zu bytes is too large", size);
    z_stream stream = {.next_in = (z_const Bytef *)data, .avail_in = (uInt)size};
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return pix_fail_memory(error);
    pix_status status = PIX_OK;
    for (bool more = true; more && !status;) {
        int result = Z_OK;
        status = expand_step(&stream, limit, out, &result, error);
        if (status || result != Z_STREAM_END)
            continue;
        more = pix_gzip_looks_like(stream.next_in, stream.avail_in);
        if (more && inflateReset(&stream) != Z_OK)
            status = pix_fail(error, PIX_EFORMAT, "gzip data is corrupt");
    }
    inflateEnd(&stream);
    if (!status && out->size > limit)
        status = pix_fail(error, PIX_ELIMIT, "gzip data expands to more than %zu bytes", limit);
    return status;
}

pix_status pix_deflate_expand(const void *data, size_t size, size_t expanded_size, uint32_t crc,
                              pix_bytes *out, pix_error *error) {
    if (size > UINT_MAX || expanded_size > UINT_MAX)
        return pix_fail(error, PIX_ELIMIT, "deflated data of %zu bytes is too large", size);
    if (pix_bytes_reserve(out, expanded_size))
        return pix_fail_memory(error);
    Bytef *target = (Bytef *)out->data + out->size;
    z_stream stream = {.next_in = (z_const Bytef *)data,
                       .avail_in = (uInt)size,
                       .next_out = target,
                       .avail_out = (uInt)expanded_size};
    if (inflateInit2(&stream, -15) != Z_OK)
        return pix_fail_memory(error);
    int result = inflate(&stream, Z_FINISH);
    (void)inflateEnd(&stream);
    if (result == Z_MEM_ERROR)
        return pix_fail_memory(error);
    if (result != Z_STREAM_END || stream.avail_out != 0 ||
        crc32(0, target, (uInt)expanded_size) != crc)
        return pix_fail(error, PIX_EFORMAT, "deflated data does not expand to what it should");
    out->size += expanded_size;
    out->data[out->size] = '\0';
    return PIX_OK;
}
