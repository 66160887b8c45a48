#include "core/image/preprocess.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/image/codec.h"

static const char exif_prefix[6] = "Exif\0\0";

/* The file in memory right behind a page that ends with "Exif\0\0": together they are the block in
 * which libexif expects a TIFF's directories. */
typedef struct view {
    uint8_t *start;
    size_t length; /* page and file */
    size_t page;
} view;

static pix_status map(int fd, size_t size, view *out, pix_error *error) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *start = mmap(NULL, page + size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return pix_fail(error, PIX_ELIMIT, "the file of %zu bytes is too large to read", size);
    *out = (view){start, page + size, page};
    memcpy(start + page - sizeof exif_prefix, exif_prefix, sizeof exif_prefix);
    if (mmap(start + page, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
        pix_status status = pix_fail_errno(error, "cannot read the file");
        (void)munmap(start, page + size);
        return status;
    }
    return PIX_OK;
}

static pix_status refuse(const pix_source *source, pix_error *error) {
    switch (source->format) {
    case PIX_FORMAT_SVG: /* would have fonts opened by name, which the sandbox denies */
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "SVG drawings are not supported: rsvg-convert makes a PNG of one");
    case PIX_FORMAT_PLAIN_PNM: /* libvips reads zeros where such a file ends early */
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "PNM in plain text is not supported: pamtopnm makes it binary");
    case PIX_FORMAT_PDF:
        return pix_fail(error, PIX_EUNSUPPORTED, "PDF documents are not supported");
    case PIX_FORMAT_PSD:
        return pix_fail(error, PIX_EUNSUPPORTED, "Photoshop documents are not supported");
    case PIX_FORMAT_VIDEO:
        return pix_fail(error, PIX_EUNSUPPORTED, "videos are not supported");
    default:
        return pix_fail(error, PIX_EUNSUPPORTED, "not a picture of a known format");
    }
}

static pix_status dispatch(const pix_source *source, uint8_t *crop, pix_photo *photo,
                           pix_error *error) {
    switch (source->format) {
    case PIX_FORMAT_JPEG:
        return pix_jpeg_decode(source, crop, photo, error);
    case PIX_FORMAT_BMP:
        return pix_bmp_decode(source, crop, photo, error);
    case PIX_FORMAT_RAW:
        return pix_raw_decode(source, crop, photo, error);
    case PIX_FORMAT_PNG:
    case PIX_FORMAT_GIF:
    case PIX_FORMAT_WEBP:
    case PIX_FORMAT_TIFF:
    case PIX_FORMAT_HEIC:
    case PIX_FORMAT_AVIF:
    case PIX_FORMAT_JP2:
    case PIX_FORMAT_JXL:
    case PIX_FORMAT_PNM:
        return pix_vips_decode(source, crop, photo, error);
    default:
        return refuse(source, error);
    }
}

pix_status pix_preprocess(int fd, const pix_decode_options *options, uint8_t *crop,
                          pix_photo *photo, pix_error *error) {
    *photo = (pix_photo){.orientation = 1};
    struct stat about;
    if (fstat(fd, &about))
        return pix_fail_errno(error, "cannot read the file");
    if (!S_ISREG(about.st_mode))
        return pix_fail(error, PIX_EUNSUPPORTED, "not a regular file");
    if (about.st_size == 0)
        return pix_fail(error, PIX_EFORMAT, "the file is empty");
    view file;
    pix_status status = map(fd, (size_t)about.st_size, &file, error);
    if (status)
        return status;
    pix_source source = {
        .data = file.start + file.page, .size = (size_t)about.st_size, .options = options};
    source.format = pix_format_detect(source.data, source.size);
    (void)snprintf(photo->format, sizeof photo->format, "%s", pix_format_name(source.format));
    status = dispatch(&source, crop, photo, error);
    (void)munmap(file.start, file.length);
    return status;
}
