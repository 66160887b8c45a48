#include "indexer/format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/bytes.h"

enum { TEXT_SIZE = 48 };

static char *next_text(void) {
    static _Thread_local char texts[8][TEXT_SIZE];
    static _Thread_local int next;
    return texts[next++ % 8];
}

const char *pix_text_count(int64_t count) {
    return pix_format_count(count, next_text());
}

const char *pix_text_size(int64_t bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < sizeof units / sizeof *units - 1) {
        value /= 1024;
        unit++;
    }
    char *text = next_text();
    (void)snprintf(text, TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

const char *pix_text_duration(double seconds) {
    char *text = next_text();
    int64_t whole = (int64_t)(seconds + 0.5);
    if (seconds < 59.95)
        (void)snprintf(text, TEXT_SIZE, "%.1f s", seconds);
    else if (whole < 3600)
        (void)snprintf(text, TEXT_SIZE, "%" PRId64 " min %02" PRId64 " s", whole / 60, whole % 60);
    else
        (void)snprintf(text, TEXT_SIZE, "%" PRId64 " h %02" PRId64 " min", whole / 3600,
                       whole / 60 % 60);
    return text;
}

const char *pix_text_time(int64_t unix_seconds) {
    time_t when = (time_t)unix_seconds;
    struct tm local;
    char *text = next_text();
    if (unix_seconds <= 0 || !localtime_r(&when, &local) ||
        strftime(text, TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)snprintf(text, TEXT_SIZE, "never");
    return text;
}

void pix_print_path(FILE *stream, const char *path) {
    pix_bytes text = {0};
    if (pix_bytes_append_escaped(&text, path, strlen(path)) == PIX_OK && text.data)
        (void)fputs(text.data, stream);
    pix_bytes_free(&text);
}

void pix_complain(const char *format, ...) {
    pix_bytes line = {0};
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (size < 0)
        text = NULL;
    if (text && !pix_bytes_append_text(&line, "pixgrepd: ") &&
        !pix_bytes_append_escaped(&line, text, strlen(text)) && !pix_bytes_append(&line, "\n", 1))
        (void)fwrite(line.data, 1, line.size, stderr);
    else
        (void)fputs("pixgrepd: out of memory\n", stderr);
    pix_bytes_free(&line);
    free(text);
}
