#include "core/image/metadata.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libexif/exif-data.h>

#include "core/base/bytes.h"

bool pix_exif_looks_like(const void *block, size_t size) {
    return size > 6 && memcmp(block, "Exif\0\0", 6) == 0;
}

static bool leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int digits(const char *text, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

bool pix_metadata_set_time(const char *text, pix_photo *photo) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strnlen(text, 19) < 19)
        return false;
    int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
    int hour = digits(text + 11, 2), minute = digits(text + 14, 2), second = digits(text + 17, 2);
    if (year < 1826 || year > 2200 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    if (day > days[month - 1] + (month == 2 && leap(year) ? 1 : 0))
        return false;
    (void)snprintf(photo->taken_at, sizeof photo->taken_at, "%04d-%02d-%02dT%02d:%02d:%02d",
                   year % 10000, month % 100, day % 100, hour % 100, minute % 100, second % 100);
    return true;
}

/* UTF-8 without control characters, runs of white space and edges; what is not UTF-8 is taken as
 * Latin-1. */
static void clean(const char *text, pix_bytes *out) {
    size_t size = strlen(text);
    bool utf8 = pix_is_utf8(text, size);
    bool gap = false;
    pix_bytes_clear(out);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7F) {
            gap = out->size > 0;
            continue;
        }
        pix_status status = gap ? pix_bytes_append(out, " ", 1) : PIX_OK;
        gap = false;
        if (!status)
            status = utf8 ? pix_bytes_append(out, &text[i], 1) : pix_bytes_append_utf8(out, c);
        if (status)
            return;
    }
}

void pix_metadata_set_camera(const char *maker, const char *model, pix_photo *photo) {
    pix_bytes a = {0}, b = {0};
    clean(maker, &a);
    clean(model, &b);
    const char *first = a.size > 0 ? a.data : "";
    const char *second = b.size > 0 ? b.data : "";
    size_t word = strcspn(first, " ");
    bool repeated = *first && strncasecmp(first, second, word) == 0;
    char joined[512];
    (void)snprintf(joined, sizeof joined, "%s%s%s", repeated ? "" : first,
                   *first && *second && !repeated ? " " : "", second);
    size_t size = strnlen(joined, sizeof photo->camera - 1);
    while (size > 0 && !pix_is_utf8(joined, size))
        size--;
    memcpy(photo->camera, joined, size);
    photo->camera[size] = '\0';
    pix_bytes_free(&a);
    pix_bytes_free(&b);
}

void pix_metadata_set_location(double latitude, double longitude, pix_photo *photo) {
    if (!isfinite(latitude) || !isfinite(longitude) || fabs(latitude) > 90.0 ||
        fabs(longitude) > 180.0 || (latitude == 0.0 && longitude == 0.0))
        return;
    photo->has_location = true;
    photo->latitude = latitude;
    photo->longitude = longitude;
}

/* The text of an ASCII entry; "" when there is none. */
static const char *text_of(ExifData *exif, ExifIfd ifd, ExifTag tag, char *out, size_t size) {
    ExifEntry *entry = exif_content_get_entry(exif->ifd[ifd], tag);
    memset(out, 0, size);
    if (!entry || entry->format != EXIF_FORMAT_ASCII || !entry->data)
        return out;
    size_t length = entry->size < size - 1 ? entry->size : size - 1;
    memcpy(out, entry->data, length);
    out[length] = '\0';
    return out;
}

/* Degrees, minutes and seconds as three rationals; NAN when they are not that. */
static double degrees(ExifData *exif, ExifTag value_tag, ExifTag reference_tag, char negative) {
    char reference[4];
    ExifEntry *entry = exif_content_get_entry(exif->ifd[EXIF_IFD_GPS], value_tag);
    (void)text_of(exif, EXIF_IFD_GPS, reference_tag, reference, sizeof reference);
    if (!entry || entry->format != EXIF_FORMAT_RATIONAL || entry->components != 3 ||
        entry->size < 24 || !reference[0])
        return NAN;
    double sum = 0.0, unit = 1.0;
    for (unsigned i = 0; i < 3; i++, unit *= 60.0) {
        ExifRational part =
            exif_get_rational(entry->data + 8 * (size_t)i, exif_data_get_byte_order(exif));
        if (part.denominator == 0 && part.numerator != 0)
            return NAN;
        if (part.denominator != 0)
            sum += (double)part.numerator / (double)part.denominator / unit;
    }
    return reference[0] == negative ? -sum : sum;
}

static void read_time(ExifData *exif, pix_photo *photo) {
    char text[32];
    if (!pix_metadata_set_time(
            text_of(exif, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_ORIGINAL, text, sizeof text), photo) &&
        !pix_metadata_set_time(
            text_of(exif, EXIF_IFD_EXIF, EXIF_TAG_DATE_TIME_DIGITIZED, text, sizeof text), photo))
        (void)pix_metadata_set_time(
            text_of(exif, EXIF_IFD_0, EXIF_TAG_DATE_TIME, text, sizeof text), photo);
}

void pix_metadata_from_exif(const void *block, size_t size, pix_photo *photo) {
    if (!pix_exif_looks_like(block, size) || size > UINT_MAX)
        return;
    ExifData *exif = exif_data_new_from_data(block, (unsigned)size);
    if (!exif)
        return;
    read_time(exif, photo);
    char maker[128], model[128];
    pix_metadata_set_camera(text_of(exif, EXIF_IFD_0, EXIF_TAG_MAKE, maker, sizeof maker),
                            text_of(exif, EXIF_IFD_0, EXIF_TAG_MODEL, model, sizeof model), photo);
    ExifEntry *entry = exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (entry && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2) {
        int value = exif_get_short(entry->data, exif_data_get_byte_order(exif));
        photo->orientation = value >= 1 && value <= 8 ? value : 1;
    }
    double latitude =
        degrees(exif, (ExifTag)EXIF_TAG_GPS_LATITUDE, (ExifTag)EXIF_TAG_GPS_LATITUDE_REF, 'S');
    double longitude =
        degrees(exif, (ExifTag)EXIF_TAG_GPS_LONGITUDE, (ExifTag)EXIF_TAG_GPS_LONGITUDE_REF, 'W');
    pix_metadata_set_location(latitude, longitude, photo);
    exif_data_unref(exif);
}
