#include "query/print.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/json.h"
#include "core/clip/fidelity.h"
#include "core/clip/library.h"

/* "2024-05-01T13:45:10" is shown as "2024-05-01 13:45". */
enum { DATE_COLUMN = 16, PIXELS_COLUMN = 11 };
/* How much of a dropped text is quoted. */
enum { QUOTED_BYTES = 400 };

static pix_status print_path(FILE *out, const pix_photo_row *photo, const char *end) {
    pix_bytes line = {0};
    pix_status status = pix_bytes_append_escaped(&line, photo->path, photo->path_size);
    if (!status)
        status = pix_bytes_append_text(&line, end);
    if (!status)
        (void)fwrite(line.data, 1, line.size, out);
    pix_bytes_free(&line);
    return status;
}

static pix_status print_table_row(FILE *out, const pix_result *result) {
    const pix_photo_row *photo = result->photo;
    char end[32] = "\n";
    char date[DATE_COLUMN + 1] = "";
    char pixels[32] = "";
    if (photo->taken_at) {
        (void)snprintf(date, sizeof date, "%s", photo->taken_at);
        if (strlen(date) > 10)
            date[10] = ' ';
    }
    if (photo->width > 0 && photo->height > 0)
        (void)snprintf(pixels, sizeof pixels, "%" PRId32 "x%" PRId32, photo->width, photo->height);
    if (result->folded > 0)
        (void)snprintf(end, sizeof end, " (+%zu)\n", result->folded);
    (void)fprintf(out, "%8.4f  %-*s  %-*s  ", result->score, DATE_COLUMN, date, PIXELS_COLUMN,
                  pixels);
    return print_path(out, photo, end);
}

void pix_print_heading(FILE *out) {
    (void)fprintf(out, "%8s  %-*s  %-*s  %s\n", "score", DATE_COLUMN, "taken", PIXELS_COLUMN,
                  "pixels", "path");
}

static void print_json_integer(FILE *out, const char *key, int32_t value) {
    if (value > 0)
        (void)fprintf(out, ",\"%s\":%" PRId32, key, value);
    else
        (void)fprintf(out, ",\"%s\":null", key);
}

static void print_json_text(FILE *out, const char *key, const char *value) {
    (void)fprintf(out, ",\"%s\":", key);
    if (value)
        pix_json_string(out, value, strlen(value));
    else
        (void)fputs("null", out);
}

/* Seven decimals of a degree are about a centimetre. */
static void print_json_degrees(FILE *out, const char *key, const double *value) {
    if (value)
        (void)fprintf(out, ",\"%s\":%.7f", key, *value);
    else
        (void)fprintf(out, ",\"%s\":null", key);
}

void pix_print_object(FILE *out, const pix_result *result) {
    const pix_photo_row *photo = result->photo;
    (void)fputc('{', out);
    pix_json_bytes(out, "path", photo->path, photo->path_size);
    (void)fputs(",\"score\":", out);
    pix_json_number(out, result->score);
    print_json_integer(out, "width", photo->width);
    print_json_integer(out, "height", photo->height);
    print_json_text(out, "format", photo->format);
    print_json_text(out, "taken", photo->taken_at);
    print_json_text(out, "camera", photo->camera);
    print_json_degrees(out, "latitude", photo->has_location ? &photo->latitude : NULL);
    print_json_degrees(out, "longitude", photo->has_location ? &photo->longitude : NULL);
    if (result->is_collapsed)
        (void)fprintf(out, ",\"folded\":%zu", result->folded);
    (void)fputc('}', out);
}

pix_status pix_print_result(FILE *out, pix_query_format format, const pix_result *result) {
    const pix_photo_row *photo = result->photo;
    switch (format) {
    case PIX_FORMAT_LINES:
        (void)fprintf(out, "%.6f\t", result->score);
        return print_path(out, photo, "\n");
    case PIX_FORMAT_TABLE:
        return print_table_row(out, result);
    case PIX_FORMAT_PATHS:
        return print_path(out, photo, "\n");
    case PIX_FORMAT_NULL:
        (void)fwrite(photo->path, 1, photo->path_size, out);
        (void)fputc('\0', out);
        break;
    case PIX_FORMAT_JSON:
        pix_print_object(out, result);
        (void)fputc('\n', out);
        break;
    }
    return PIX_OK;
}

void pix_print_notice(FILE *out, const pix_query_options *options, const pix_model *model) {
    const char *notice = pix_library_notice(options->model, model);
    if (notice)
        (void)fprintf(out, "pixgrep: %s\n", notice);
    char warning[PIX_FIDELITY_WARNING];
    if (pix_fidelity_warning(pix_model_name(model), pix_model_fidelity(model),
                             pix_precision_or(options->precision, PIX_FP32), warning))
        (void)fprintf(out, "pixgrep: %s\n", warning);
}

pix_status pix_print_cut(FILE *out, const char *what, const pix_text_cut *cut) {
    if (cut->count == 0)
        return PIX_OK;
    size_t size = cut->words.size;
    if (size > QUOTED_BYTES) {
        size = QUOTED_BYTES;
        while (size > 0 && ((unsigned char)cut->words.data[size] & 0xC0) == 0x80)
            size--;
    }
    while (size > 0 && cut->words.data[size - 1] == ' ')
        size--;
    pix_bytes quoted = {0};
    pix_status status = pix_bytes_append_escaped(&quoted, cut->words.data, size);
    if (!status)
        (void)fprintf(out,
                      "pixgrep: %s is too long for the model by %zu token%s and was cut before "
                      "\"%s%s\"\n",
                      what, cut->count, cut->count == 1 ? "" : "s", quoted.data ? quoted.data : "",
                      cut->words.size > QUOTED_BYTES ? " ..." : "");
    pix_bytes_free(&quoted);
    return status;
}
