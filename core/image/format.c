#include "core/image/format.h"

#include <stdbool.h>
#include <string.h>

#include "core/image/tiff.h"

typedef struct magic {
    size_t offset;
    size_t size;
    const char *bytes;
    pix_format format;
} magic;

static const magic magics[] = {
    {0, 3, "\xFF\xD8\xFF", PIX_FORMAT_JPEG},
    {0, 8, "\x89PNG\r\n\x1A\n", PIX_FORMAT_PNG},
    {0, 6, "GIF87a", PIX_FORMAT_GIF},
    {0, 6, "GIF89a", PIX_FORMAT_GIF},
    {6, 8, "HEAPCCDR", PIX_FORMAT_RAW}, /* Canon CRW */
    {0, 15, "FUJIFILMCCD-RAW", PIX_FORMAT_RAW},
    {0, 4, "IIRO", PIX_FORMAT_RAW}, /* Olympus ORF, three ways */
    {0, 4, "IIRS", PIX_FORMAT_RAW},
    {0, 4, "MMOR", PIX_FORMAT_RAW},
    {0, 4, "IIU\0", PIX_FORMAT_RAW}, /* Panasonic RW2 */
    {0, 4, "FOVb", PIX_FORMAT_RAW},  /* Sigma X3F */
    {0, 4, "\0MRM", PIX_FORMAT_RAW}, /* Minolta MRW */
    {0, 12, "\0\0\0\x0CjP  \r\n\x87\n", PIX_FORMAT_JP2},
    {0, 4, "\xFF\x4F\xFF\x51", PIX_FORMAT_JP2},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", PIX_FORMAT_JXL},
    {0, 2, "\xFF\x0A", PIX_FORMAT_JXL},
    {0, 5, "%PDF-", PIX_FORMAT_PDF},
    {0, 4, "8BPS", PIX_FORMAT_PSD},
    {0, 4, "\x1A\x45\xDF\xA3", PIX_FORMAT_VIDEO}, /* Matroska */
};

static bool has(const uint8_t *data, size_t size, size_t offset, const char *text) {
    size_t length = strlen(text);
    return size >= offset + length && memcmp(data + offset, text, length) == 0;
}

static pix_format detect_tiff(const uint8_t *data, size_t size) {
    pix_tiff tiff = pix_tiff_view(data, size);
    if (has(data, size, 8, "CR") || pix_tiff_is_raw(&tiff)) /* Canon's CR2 says so in the header */
        return PIX_FORMAT_RAW;
    return PIX_FORMAT_TIFF;
}

/* ISO base media: the major brand, else the compatible ones. */
static pix_format detect_brands(const uint8_t *data, size_t size) {
    size_t length = (size_t)data[2] << 8 | data[3];
    if (data[0] || data[1] || length > size)
        length = size < 256 ? size : 256;
    for (size_t at = 8; at + 4 <= length; at += at == 8 ? 8 : 4) {
        if (has(data, size, at, "crx "))
            return PIX_FORMAT_RAW; /* Canon CR3 */
        if (has(data, size, at, "avif") || has(data, size, at, "avis"))
            return PIX_FORMAT_AVIF;
        if (has(data, size, at, "hei") || has(data, size, at, "hevc"))
            return PIX_FORMAT_HEIC;
    }
    return PIX_FORMAT_VIDEO;
}

static bool is_svg(const uint8_t *data, size_t size) {
    size_t start = has(data, size, 0, "\xEF\xBB\xBF") ? 3 : 0;
    while (start < size && start < 256 && strchr(" \t\r\n", data[start]) && data[start])
        start++;
    if (has(data, size, start, "<svg"))
        return true;
    size_t some = size < 4096 ? size : 4096;
    return (has(data, size, start, "<?xml") || has(data, size, start, "<!")) &&
           memmem(data, some, "<svg", strlen("<svg")) != NULL;
}

pix_format pix_format_detect(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *m = &magics[i];
        if (size >= m->offset + m->size && memcmp(data + m->offset, m->bytes, m->size) == 0)
            return m->format;
    }
    if (size < 8)
        return PIX_FORMAT_UNKNOWN;
    if (memcmp(data, "II*\0", 4) == 0 || memcmp(data, "MM\0*", 4) == 0)
        return detect_tiff(data, size);
    if (memcmp(data, "II+\0", 4) == 0 || memcmp(data, "MM\0+", 4) == 0)
        return PIX_FORMAT_TIFF; /* BigTIFF */
    if (has(data, size, 0, "RIFF") && has(data, size, 8, "WEBP"))
        return PIX_FORMAT_WEBP;
    if (has(data, size, 0, "RIFF") && has(data, size, 8, "AVI "))
        return PIX_FORMAT_VIDEO;
    if (has(data, size, 4, "ftyp"))
        return detect_brands(data, size);
    if (has(data, size, 0, "BM"))
        return PIX_FORMAT_BMP;
    if (data[0] == 'P' && data[1] >= '1' && data[1] <= '6' && data[2] <= ' ')
        return data[1] <= '3' ? PIX_FORMAT_PLAIN_PNM : PIX_FORMAT_PNM;
    return is_svg(data, size) ? PIX_FORMAT_SVG : PIX_FORMAT_UNKNOWN;
}

const char *pix_format_name(pix_format format) {
    static const char *const names[] = {[PIX_FORMAT_UNKNOWN] = "unknown",
                                        [PIX_FORMAT_JPEG] = "jpeg",
                                        [PIX_FORMAT_PNG] = "png",
                                        [PIX_FORMAT_GIF] = "gif",
                                        [PIX_FORMAT_WEBP] = "webp",
                                        [PIX_FORMAT_TIFF] = "tiff",
                                        [PIX_FORMAT_BMP] = "bmp",
                                        [PIX_FORMAT_HEIC] = "heic",
                                        [PIX_FORMAT_AVIF] = "avif",
                                        [PIX_FORMAT_JP2] = "jp2",
                                        [PIX_FORMAT_JXL] = "jxl",
                                        [PIX_FORMAT_PNM] = "pnm",
                                        [PIX_FORMAT_RAW] = "raw",
                                        [PIX_FORMAT_SVG] = "svg",
                                        [PIX_FORMAT_PLAIN_PNM] = "plain pnm",
                                        [PIX_FORMAT_PDF] = "pdf",
                                        [PIX_FORMAT_PSD] = "psd",
                                        [PIX_FORMAT_VIDEO] = "video"};
    return names[format];
}
