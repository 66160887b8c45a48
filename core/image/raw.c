/* Camera RAW files through LibRaw.  Almost all carry a JPEG that the camera developed itself: when
 * it is large enough it is both faster and nearer to what the photographer saw; otherwise the
 * sensor's data is developed at half size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libraw/libraw.h>

#include "core/image/codec.h"
#include "core/image/crop.h"
#include "core/image/metadata.h"

enum { PREVIEW_SIDE = 800 };

static void on_bad_data(void *flag, const char *file, const int offset) {
    (void)file;
    (void)offset;
    *(bool *)flag = true;
}

static pix_status fail(int code, pix_error *error) {
    if (code == LIBRAW_UNSUFFICIENT_MEMORY || code == LIBRAW_TOO_BIG)
        return pix_fail(error, PIX_ELIMIT,
                        "this RAW file needs more memory than one photo may take");
    if (code == LIBRAW_FILE_UNSUPPORTED)
        return pix_fail(error, PIX_EUNSUPPORTED,
                        "a RAW file of a camera that LibRaw %s does not know", libraw_version());
    return pix_fail(error, PIX_EFORMAT, "corrupt or truncated RAW file: %s", libraw_strerror(code));
}

static double degrees(const float parts[3], char reference, char negative) {
    double value = (double)parts[0] + (double)parts[1] / 60.0 + (double)parts[2] / 3600.0;
    return reference == negative ? -value : value;
}

/* LibRaw's `flip` says how the picture must be turned: 180, 90 to the left, 90 to the right. */
static int orientation_of(int flip) {
    return flip == 3 ? 3 : flip == 5 ? 8 : flip == 6 ? 6 : 1;
}

static void read_metadata(const libraw_data_t *raw, pix_photo *photo) {
    photo->width = raw->sizes.width;
    photo->height = raw->sizes.height;
    photo->orientation = orientation_of(raw->sizes.flip);
    pix_metadata_set_camera(raw->idata.make, raw->idata.model, photo);
    const libraw_gps_info_t *gps = &raw->other.parsed_gps;
    if (gps->gpsparsed)
        pix_metadata_set_location(degrees(gps->latitude, gps->latref, 'S'),
                                  degrees(gps->longitude, gps->longref, 'W'), photo);
    struct tm local;
    char text[32];
    if (raw->other.timestamp > 0 && localtime_r(&raw->other.timestamp, &local) &&
        strftime(text, sizeof text, "%Y:%m:%d %H:%M:%S", &local) > 0)
        (void)pix_metadata_set_time(text, photo);
}

/* False when there is no usable preview; nothing is reported then. */
static bool decode_preview(libraw_data_t *raw, const pix_source *source, uint8_t *crop,
                           const pix_photo *photo) {
    const libraw_thumbnail_t *preview = &raw->thumbnail;
    if (libraw_unpack_thumb(raw) || preview->tformat != LIBRAW_THUMBNAIL_JPEG || !preview->thumb ||
        preview->twidth < PREVIEW_SIDE || preview->theight < PREVIEW_SIDE)
        return false;
    pix_source jpeg = {.data = (const uint8_t *)preview->thumb,
                       .size = preview->tlength,
                       .format = PIX_FORMAT_JPEG,
                       .options = source->options,
                       .orientation = photo->orientation};
    pix_photo ignored = {.orientation = 1};
    return pix_jpeg_decode(&jpeg, crop, &ignored, NULL) == PIX_OK;
}

static pix_status give_rows(const libraw_processed_image_t *image, const pix_source *source,
                            uint8_t *crop, const pix_photo *photo, pix_error *error) {
    if (image->type != LIBRAW_IMAGE_BITMAP || image->bits != 8 ||
        (image->colors != 1 && image->colors != 3))
        return pix_fail(error, PIX_EUNSUPPORTED, "a RAW file with %d colours", image->colors);
    pix_picture picture = {.mode = image->colors == 1 ? PIX_MODE_GREY : PIX_MODE_RGB,
                           .width = image->width,
                           .height = image->height,
                           .full_width = image->width,
                           .full_height = image->height,
                           .shrink = 1,
                           .orientation = photo->orientation};
    pix_crop *c;
    pix_status status = pix_crop_new(&picture, source->options, crop, &c, error);
    if (status)
        return status;
    for (size_t y = 0; y < image->height; y++)
        pix_crop_row(c, image->data + y * image->width * image->colors);
    status = pix_crop_finish(c, error);
    pix_crop_free(c);
    return status;
}

static pix_status develop(libraw_data_t *raw, const bool *bad_data, const pix_source *source,
                          uint8_t *crop, const pix_photo *photo, pix_error *error) {
    raw->params.half_size = 1;
    raw->params.use_camera_wb = 1;
    raw->params.output_bps = 8;
    raw->params.user_flip = 0;
    int code = libraw_unpack(raw);
    if (!code && *bad_data)
        code = LIBRAW_IO_ERROR;
    if (!code)
        code = libraw_dcraw_process(raw);
    if (code)
        return fail(code, error);
    libraw_processed_image_t *image = libraw_dcraw_make_mem_image(raw, &code);
    if (!image)
        return fail(code, error);
    pix_status status = give_rows(image, source, crop, photo, error);
    libraw_dcraw_clear_mem(image);
    return status;
}

static pix_status decode(libraw_data_t *raw, const pix_source *source, uint8_t *crop,
                         pix_photo *photo, pix_error *error) {
    bool bad_data = false;
    libraw_set_dataerror_handler(raw, on_bad_data, &bad_data);
    int code = libraw_open_buffer(raw, (void *)(uintptr_t)source->data, source->size);
    if (code)
        return fail(code, error);
    read_metadata(raw, photo);
    pix_status status = pix_check_dimensions(raw->sizes.raw_width, raw->sizes.raw_height,
                                             PIX_MEGAPIXELS_WHOLE, error);
    if (status || decode_preview(raw, source, crop, photo))
        return status;
    return develop(raw, &bad_data, source, crop, photo, error);
}

pix_status pix_raw_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                          pix_error *error) {
    libraw_data_t *raw = libraw_init(0);
    if (!raw)
        return pix_fail_memory(error);
    pix_status status = decode(raw, source, crop, photo, error);
    libraw_close(raw);
    return status;
}
