#include "core/base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

bool pix_status_is_failure(int64_t number) {
    static const pix_status all[] = {
#define X(name, value, text) name,
        PIX_STATUS_MAP(X)
#undef X
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] == number)
            return number != PIX_OK;
    return false;
}

static bool continues(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Objects are named first and causes last: of a text too long for *error, often a path that is,
 * the middle goes. */
static void keep_ends(pix_error *error, const char *text, size_t length) {
    static const char gap[] = "...";
    const size_t room = sizeof error->text - sizeof gap;
    size_t head = room / 2;
    while (head > 0 && continues(text[head]))
        head--;
    size_t tail = length - (room - head);
    while (continues(text[tail]))
        tail++;
    memcpy(error->text, text, head);
    memcpy(error->text + head, gap, sizeof gap - 1);
    memcpy(error->text + head + sizeof gap - 1, text + tail, length - tail + 1);
}

/* Takes `text`, from the heap, into *error; NULL for one there was no memory for. */
static void set_text(pix_error *error, char *text) {
    const char *source = text ? text : "out of memory";
    size_t length = strlen(source);
    if (length < sizeof error->text)
        memcpy(error->text, source, length + 1);
    else
        keep_ends(error, source, length);
    free(text);
}

/* NULL when there is no memory; the caller frees it. */
__attribute__((format(printf, 1, 0))) static char *formatted(const char *format,
                                                             va_list arguments) {
    char *text;
    return vasprintf(&text, format, arguments) < 0 ? NULL : text;
}

/* "FIRST: SECOND" from the heap, NULL when there is no memory; takes `first`. */
static char *joined(char *first, const char *second) {
    char *text = NULL;
    if (first && asprintf(&text, "%s: %s", first, second) < 0)
        text = NULL;
    free(first);
    return text;
}

pix_status(pix_fail)(pix_error *error, pix_status status, const char *format, ...) {
    if (error) {
        error->status = status;
        va_list arguments;
        va_start(arguments, format);
        set_text(error, formatted(format, arguments));
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
        char buffer[128];
        set_text(error,
                 joined(formatted(format, arguments), strerror_r(cause, buffer, sizeof buffer)));
        va_end(arguments);
    }
    return status;
}

pix_status(pix_fail_memory)(pix_error *error) {
    return pix_fail(error, PIX_ENOMEM, "out of memory");
}

pix_status pix_error_prefix(pix_error *error, const char *format, ...) {
    if (!error)
        return PIX_EINVALID;
    va_list arguments;
    va_start(arguments, format);
    set_text(error, joined(formatted(format, arguments), error->text));
    va_end(arguments);
    return error->status;
}
