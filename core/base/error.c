#include "core/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *pix_status_text(pix_status status) {
    switch (status) {
#define X(name, value, text)                                                                       \
    case name:                                                                                     \
        return text;
        PIX_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

/* Drops an incomplete UTF-8 sequence that truncation may have left at the end. */
static void cut_at_boundary(char *text) {
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (need > 1 && length - (start - 1) < need)
        text[start - 1] = '\0';
}

__attribute__((format(printf, 2, 0))) static void format_text(pix_error *error, const char *format,
                                                              va_list arguments) {
    int length = vsnprintf(error->text, sizeof error->text, format, arguments);
    if (length >= (int)sizeof error->text)
        cut_at_boundary(error->text);
}

static void append(pix_error *error, const char *text) {
    size_t length = strlen(error->text);
    int more = snprintf(error->text + length, sizeof error->text - length, "%s", text);
    if (more >= (int)(sizeof error->text - length))
        cut_at_boundary(error->text);
}

pix_status(pix_fail)(pix_error *error, pix_status status, const char *format, ...) {
    if (error) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        format_text(error, format, arguments);
        va_end(arguments);
    }
    return status;
}

pix_status pix_fail_errno(pix_error *error, const char *format, ...) {
    int cause = errno;
    pix_status status = cause == ENOENT ? PIX_ENOTFOUND : cause == ENOMEM ? PIX_ENOMEM : PIX_EIO;
    if (error) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        format_text(error, format, arguments);
        va_end(arguments);
        char buffer[128];
        append(error, ": ");
        append(error, strerror_r(cause, buffer, sizeof buffer));
    }
    return status;
}

pix_status(pix_fail_memory)(pix_error *error) {
    return pix_fail(error, PIX_ENOMEM, "out of memory");
}

pix_status pix_error_prefix(pix_error *error, const char *format, ...) {
    if (!error)
        return PIX_EINVALID;
    char old[sizeof error->text];
    memcpy(old, error->text, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    format_text(error, format, arguments);
    va_end(arguments);
    append(error, ": ");
    append(error, old);
    return error->status;
}
