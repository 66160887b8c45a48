/* libjpeg-turbo, row by row.  A large photo is decoded at 1/2, 1/4 or 1/8 by its inverse DCT when
 * that still leaves three samples for each of the crop: the difference cannot be seen and costs a
 * fraction of the time. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <jpeglib.h>

#include <jerror.h>

#include "core/image/codec.h"
#include "core/image/crop.h"
#include "core/image/metadata.h"

enum {
    ROWS = 16,              /* handed over by libjpeg at once, at most */
    MEMORY_LIMIT = 1 << 30, /* for the coefficients of a progressive picture */
    SCAN_LIMIT = 500,       /* real encoders write about ten */
    STRAY_LIMIT = 64        /* cameras leave a few stray bytes between segments; corruption, many */
};

typedef struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr input;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const pix_source *source;
    pix_photo *photo;
    uint8_t *out;
    pix_error *error;
    pix_status status;
    bool ended; /* the file, not the picture */
    pix_crop *crop;
    uint8_t *rows; /* [ROWS, row_size] */
    size_t row_size;
    JOCTET *profile;
} job;

/* "row 512 of 3024", counted in rows of the stored picture. */
static void describe_row(const job *j, char *text, size_t size) {
    unsigned long long row = j->jpeg.output_scanline;
    if (j->jpeg.output_height > 0)
        row = row * j->jpeg.image_height / j->jpeg.output_height;
    (void)snprintf(text, size, "row %llu of %u", row, j->jpeg.image_height);
}

_Noreturn static void fail(job *j, pix_status status, const char *reason) {
    char row[64] = "in the header";
    if (j->crop)
        describe_row(j, row, sizeof row);
    if (status == PIX_EFORMAT && j->ended)
        j->status = pix_fail(j->error, status, "truncated JPEG (the file ends %s%s)",
                             j->crop ? "at " : "", row);
    else if (status == PIX_EFORMAT)
        j->status = pix_fail(j->error, status, "corrupt JPEG (%s%s): %s", j->crop ? "at " : "", row,
                             reason);
    else
        j->status = pix_fail(j->error, status, "%s", reason);
    longjmp(j->escape, 1);
}

static void on_error(j_common_ptr common) {
    job *j = common->client_data;
    char reason[JMSG_LENGTH_MAX];
    common->err->format_message(common, reason);
    switch (common->err->msg_code) {
    case JERR_NO_BACKING_STORE:
    case JERR_OUT_OF_MEMORY:
        fail(j, PIX_ELIMIT, "this JPEG needs more memory than one photo may take");
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
        fail(j, PIX_EUNSUPPORTED, "this kind of JPEG is not supported");
    default:
        fail(j, PIX_EFORMAT, reason);
    }
}

/* libjpeg goes on after corruption and paints grey; we stop, except for what leaves the pixels
 * intact. */
static void on_message(j_common_ptr common, int level) {
    if (level >= 0)
        return;
    int code = common->err->msg_code;
    if (code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_ICC ||
        (code == JWRN_EXTRANEOUS_DATA && common->err->msg_parm.i[0] <= STRAY_LIMIT))
        return;
    char reason[JMSG_LENGTH_MAX];
    common->err->format_message(common, reason);
    fail(common->client_data, PIX_EFORMAT, reason);
}

static void on_output(j_common_ptr common) {
    (void)common;
}

static void on_progress(j_common_ptr common) {
    job *j = common->client_data;
    if (j->jpeg.input_scan_number > SCAN_LIMIT)
        fail(j, PIX_ELIMIT, "this JPEG has more scans than any camera or program writes");
}

static void input_nothing(j_decompress_ptr jpeg) {
    (void)jpeg;
}

/* The whole file is in memory, so asking for more means it is too short.  A picture of one scan may
 * still be complete but for its end marker, and decoding notices when it is not. */
static boolean input_end(j_decompress_ptr jpeg) {
    static const JOCTET end_marker[] = {0xFF, JPEG_EOI};
    job *j = jpeg->client_data;
    bool again = j->ended;
    j->ended = true;
    if (again || !j->crop || jpeg_has_multiple_scans(jpeg))
        fail(j, PIX_EFORMAT, "");
    j->input.next_input_byte = end_marker;
    j->input.bytes_in_buffer = sizeof end_marker;
    return TRUE;
}

static void input_skip(j_decompress_ptr jpeg, long count) {
    job *j = jpeg->client_data;
    if (count <= 0)
        return;
    size_t step =
        (size_t)count < j->input.bytes_in_buffer ? (size_t)count : j->input.bytes_in_buffer;
    j->input.next_input_byte += step;
    j->input.bytes_in_buffer -= step;
}

static void set_up(job *j) {
    j->jpeg.err = jpeg_std_error(&j->errors);
    j->jpeg.client_data = j;
    j->errors.error_exit = on_error;
    j->errors.emit_message = on_message;
    j->errors.output_message = on_output;
    jpeg_create_decompress(&j->jpeg);
    j->jpeg.client_data = j;
    j->jpeg.mem->max_memory_to_use = MEMORY_LIMIT;
    j->progress.progress_monitor = on_progress;
    j->jpeg.progress = &j->progress;
    j->input = (struct jpeg_source_mgr){.next_input_byte = j->source->data,
                                        .bytes_in_buffer = j->source->size,
                                        .init_source = input_nothing,
                                        .fill_input_buffer = input_end,
                                        .skip_input_data = input_skip,
                                        .resync_to_restart = jpeg_resync_to_restart,
                                        .term_source = input_nothing};
    j->jpeg.src = &j->input;
}

static void read_metadata(job *j) {
    for (jpeg_saved_marker_ptr m = j->jpeg.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && pix_exif_looks_like(m->data, m->data_length)) {
            pix_metadata_from_exif(m->data, m->data_length, j->photo);
            return;
        }
}

/* The largest shrinkage that leaves three samples for each of the crop.  libjpeg cannot scale the
 * narrow chroma of 4:1:1 along with the rest, so that gets a step less. */
static int choose_shrink(const job *j) {
    const struct jpeg_decompress_struct *jpeg = &j->jpeg;
    unsigned shorter =
        jpeg->image_width < jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    unsigned enough = 3 * (unsigned)j->source->options->size;
    bool narrow = jpeg->max_h_samp_factor > 2 * jpeg->max_v_samp_factor;
    for (unsigned shrink = 8; shrink > 1 && !j->source->options->exact; shrink /= 2)
        if (shorter / shrink >= enough)
            return (int)(narrow ? shrink / 2 : shrink);
    return 1;
}

static pix_mode choose_mode(job *j) {
    switch (j->jpeg.num_components) {
    case 1:
        j->jpeg.out_color_space = JCS_GRAYSCALE;
        return PIX_MODE_GREY;
    case 3:
        j->jpeg.out_color_space = JCS_RGB;
        return PIX_MODE_RGB;
    case 4:
        j->jpeg.out_color_space = JCS_CMYK;
        return PIX_MODE_CMYK;
    default:
        fail(j, PIX_EUNSUPPORTED, "this kind of JPEG is not supported");
    }
}

static void start(job *j) {
    (void)jpeg_read_header(&j->jpeg, TRUE);
    j->photo->width = (int32_t)j->jpeg.image_width;
    j->photo->height = (int32_t)j->jpeg.image_height;
    read_metadata(j);
    j->status = pix_check_dimensions(j->photo->width, j->photo->height,
                                     jpeg_has_multiple_scans(&j->jpeg) ? PIX_MEGAPIXELS_WHOLE
                                                                       : PIX_MEGAPIXELS_STREAMED,
                                     j->error);
    if (j->status)
        longjmp(j->escape, 1);
    pix_picture picture = {.mode = choose_mode(j),
                           .full_width = j->photo->width,
                           .full_height = j->photo->height,
                           .shrink = choose_shrink(j),
                           .orientation = j->source->orientation ? j->source->orientation
                                                                 : j->photo->orientation};
    unsigned profile_size = 0;
    if (!j->source->options->exact && jpeg_read_icc_profile(&j->jpeg, &j->profile, &profile_size)) {
        picture.profile = j->profile;
        picture.profile_size = profile_size;
    }
    j->jpeg.scale_num = 1;
    j->jpeg.scale_denom = (unsigned)picture.shrink;
    if (picture.shrink > 1)
        j->jpeg.do_fancy_upsampling = FALSE;
    jpeg_calc_output_dimensions(&j->jpeg);
    picture.width = (int)j->jpeg.output_width;
    picture.height = (int)j->jpeg.output_height;
    j->row_size = (size_t)j->jpeg.output_width * pix_mode_bytes(picture.mode);
    j->rows = calloc(ROWS, j->row_size);
    j->status = j->rows ? pix_crop_new(&picture, j->source->options, j->out, &j->crop, j->error)
                        : pix_fail_memory(j->error);
    if (j->status)
        longjmp(j->escape, 1);
}

/* Columns that libjpeg treats as the picture's edge differ from what they are inside it, by up to
 * two blocks when a progressive picture is smoothed: those are decoded, but not needed. */
static void choose_columns(job *j, const pix_box *needed, JDIMENSION *left, JDIMENSION *width) {
    JDIMENSION margin = (JDIMENSION)(3 * j->jpeg.max_h_samp_factor * DCTSIZE);
    JDIMENSION right = (JDIMENSION)needed->right + margin;
    right = right < j->jpeg.output_width ? right : j->jpeg.output_width;
    *left = (JDIMENSION)needed->left > margin ? (JDIMENSION)needed->left - margin : 0;
    *width = right - *left;
    jpeg_crop_scanline(&j->jpeg, left, width);
}

/* Rows up to `end`. */
static void read_until(job *j, JDIMENSION end, JSAMPARRAY rows, size_t samples) {
    while (j->jpeg.output_scanline < end) {
        JDIMENSION most = end - j->jpeg.output_scanline;
        JDIMENSION count = jpeg_read_scanlines(&j->jpeg, rows, most < ROWS ? most : ROWS);
        for (JDIMENSION i = 0; i < count; i++) {
            if (j->jpeg.out_color_space == JCS_CMYK) /* Adobe's, and so everybody's, is inverted */
                for (size_t k = 0; k < samples; k++)
                    rows[i][k] = (uint8_t)(255 - rows[i][k]);
            pix_crop_row(j->crop, j->rows + i * j->row_size);
        }
    }
}

static void skip_until(job *j, JDIMENSION end) {
    if (end > j->jpeg.output_scanline) {
        JDIMENSION count = jpeg_skip_scanlines(&j->jpeg, end - j->jpeg.output_scanline);
        pix_crop_skip(j->crop, (int)count);
    }
}

/* Of what the crop does not need, libjpeg only reads the compressed data.  That it reads to the
 * end, which skipping to the last row would not, so that damage anywhere is noticed. */
static void read_rows(job *j) {
    JSAMPROW rows[ROWS];
    JDIMENSION left, width, height = j->jpeg.output_height;
    pix_box needed = pix_crop_needs(j->crop);
    (void)jpeg_start_decompress(&j->jpeg);
    choose_columns(j, &needed, &left, &width);
    size_t components = (size_t)j->jpeg.output_components;
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = j->rows + i * j->row_size + left * components;
    skip_until(j, (JDIMENSION)needed.top);
    read_until(j, (JDIMENSION)needed.bottom, rows, width * components);
    skip_until(j, height - 1);
    read_until(j, height, rows, width * components);
    (void)jpeg_finish_decompress(&j->jpeg);
}

pix_status pix_jpeg_decode(const pix_source *source, uint8_t *crop, pix_photo *photo,
                           pix_error *error) {
    job *j = calloc(1, sizeof *j);
    if (!j)
        return pix_fail_memory(error);
    j->source = source;
    j->photo = photo;
    j->out = crop;
    j->error = error;
    /* All of the file is read: mapping its pages at once spares a fault for every sixteen of them.
     * Where the kernel cannot, or the data are no file's, nothing happens. */
#ifdef MADV_POPULATE_READ
    (void)madvise((void *)(uintptr_t)source->data, source->size, MADV_POPULATE_READ);
#endif
    if (setjmp(j->escape) == 0) {
        set_up(j);
        jpeg_save_markers(&j->jpeg, JPEG_APP0 + 1, 0xFFFF);
        jpeg_save_markers(&j->jpeg, JPEG_APP0 + 2, 0xFFFF);
        start(j);
        read_rows(j);
        j->status = pix_crop_finish(j->crop, error);
    }
    pix_status status = j->status;
    jpeg_destroy_decompress(&j->jpeg);
    pix_crop_free(j->crop);
    free(j->rows);
    free(j->profile);
    free(j);
    return status;
}
