#include "query/sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/files.h"
#include "query/thumbnail.h"

/* Sharp on screens of two pixels to the point, and some 60 KB of a photo. */
enum { THUMBNAIL = 224 };

struct pix_sheet {
    pix_atomic_file *file;
    FILE *out;
    const char *path;
    pix_thumbnails *thumbnails;
    pix_bytes png, text;
    bool in_query;
};

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'\">\n"
    "<meta name=\"generator\" content=\"pixgrep\">\n<title>pixgrep</title>\n<style>\n"
    ":root { color-scheme: light dark; --ground: #fafaf8; --ink: #1d1d1b; --faint: #6d6d68;"
    " --tile: #e4e4df; --mark: #2b6cb0; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ground: #161615; --ink: #e9e9e5;"
    " --faint: #9c9c96; --tile: #2b2b28; --mark: #7db4ee; } }\n"
    "body { margin: 0 auto; max-width: 92rem; padding: 1.5rem clamp(1rem, 3vw, 2.5rem);"
    " background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }\n"
    "h2 { font-size: 1.3rem; font-weight: 600; margin: 1.8rem 0 .8rem; overflow-wrap: anywhere; }\n"
    "section:first-of-type h2 { margin-top: 0; }\n"
    "div { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));"
    " gap: 1.1rem .9rem; }\n"
    "figure { margin: 0; min-width: 0; }\n"
    "a { display: block; color: inherit; text-decoration: none; border-radius: 8px; }\n"
    "a:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }\n"
    "img, .gone { display: block; box-sizing: border-box; width: 100%; height: auto;"
    " aspect-ratio: 1; object-fit: cover; border-radius: 8px; background: var(--tile);"
    " box-shadow: 0 0 0 1px var(--tile); }\n"
    "a:hover img { filter: brightness(1.06); }\n"
    ".gone { padding: .8rem; overflow: hidden; color: var(--faint); font-size: .8rem;"
    " overflow-wrap: anywhere; }\n"
    "figcaption { margin-top: .4rem; font-size: .8rem; line-height: 1.4; color: var(--faint);"
    " font-variant-numeric: tabular-nums; }\n"
    "b { display: block; overflow: hidden; color: var(--ink); font-weight: 600;"
    " text-overflow: ellipsis; white-space: nowrap; }\n"
    ".none { color: var(--faint); margin: 0; }\n"
    "@media print { figure { break-inside: avoid; } }\n"
    "</style>\n";

static const char foot[] = "</html>\n";

pix_status pix_sheet_open(const char *path, const pix_query_options *options, pix_sheet **out,
                          pix_error *error) {
    *out = NULL;
    pix_sheet *sheet = calloc(1, sizeof *sheet);
    if (!sheet)
        return pix_fail_memory(error);
    sheet->path = path;
    pix_status status = pix_atomic_file_open(path, &sheet->file, error);
    if (!status)
        status = pix_thumbnails_open(options, THUMBNAIL, &sheet->thumbnails, error);
    if (status) {
        pix_sheet_close(sheet);
        return status;
    }
    sheet->out = pix_atomic_file_stream(sheet->file);
    (void)fputs(head, sheet->out);
    *out = sheet;
    return PIX_OK;
}

void pix_sheet_close(pix_sheet *sheet) {
    if (!sheet)
        return;
    pix_atomic_file_close(sheet->file);
    pix_thumbnails_close(sheet->thumbnails);
    pix_bytes_free(&sheet->png);
    pix_bytes_free(&sheet->text);
    free(sheet);
}

/* Text as HTML shows it: control bytes as in a line of results, U+FFFD for what is not UTF-8. */
static pix_status put_text(pix_sheet *sheet, const char *text, size_t size) {
    pix_bytes *plain = &sheet->text;
    pix_bytes_clear(plain);
    if (pix_bytes_append_escaped(plain, text, size))
        return PIX_ENOMEM;
    for (size_t at = 0, length; at < plain->size; at += length) {
        uint32_t code;
        length = pix_utf8_read(plain->data + at, plain->size - at, &code);
        if (code == PIX_NOT_UTF8)
            (void)fputs("\xEF\xBF\xBD", sheet->out);
        else if (code < 0x80 && strchr("&<>\"'", (int)code))
            (void)fprintf(sheet->out, "&#%u;", (unsigned)code);
        else
            (void)fwrite(plain->data + at, 1, length, sheet->out);
    }
    return PIX_OK;
}

/* RFC 3986: every byte of the path that is not unreserved, but the slashes, as %HH. */
static void put_address(FILE *out, const char *path, size_t size) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    (void)fputs("file://", out);
    for (size_t i = 0; i < size; i++) {
        if (path[i] && strchr(plain, path[i]))
            (void)fputc(path[i], out);
        else
            (void)fprintf(out, "%%%02X", (unsigned)(unsigned char)path[i]);
    }
}

static void end_query(pix_sheet *sheet) {
    if (sheet->in_query)
        (void)fputs("</div>\n</section>\n", sheet->out);
    sheet->in_query = false;
}

pix_status pix_sheet_begin(pix_sheet *sheet, const char *query, pix_error *error) {
    end_query(sheet);
    (void)fputs("<section>\n<h2>", sheet->out);
    if (put_text(sheet, query, strlen(query)))
        return pix_fail_memory(error);
    (void)fputs("</h2>\n<div>\n", sheet->out);
    sheet->in_query = true;
    return PIX_OK;
}

pix_status pix_sheet_remark(pix_sheet *sheet, const char *text, pix_error *error) {
    (void)fputs("<p class=\"none\">", sheet->out);
    if (put_text(sheet, text, strlen(text)))
        return pix_fail_memory(error);
    (void)fputs("</p>\n", sheet->out);
    return PIX_OK;
}

static pix_status put_picture(pix_sheet *sheet, const pix_photo_row *photo, const char *name,
                              size_t name_size) {
    pix_error reason;
    pix_status status = PIX_OK;
    if (pix_thumbnails_get(sheet->thumbnails, photo->path, &sheet->png, &reason)) {
        (void)fputs("<span class=\"gone\">", sheet->out);
        status = put_text(sheet, reason.text, strlen(reason.text));
        (void)fputs("</span>", sheet->out);
        return status;
    }
    (void)fprintf(sheet->out, "<img width=\"%d\" height=\"%d\" alt=\"", THUMBNAIL, THUMBNAIL);
    status = put_text(sheet, name, name_size);
    (void)fputs("\" src=\"data:image/png;base64,", sheet->out);
    pix_base64_write(sheet->out, sheet->png.data, sheet->png.size);
    (void)fputs("\">", sheet->out);
    return status;
}

pix_status pix_sheet_add(pix_sheet *sheet, double score, const pix_photo_row *photo,
                         pix_error *error) {
    const char *slash = memrchr(photo->path, '/', photo->path_size);
    const char *name = slash ? slash + 1 : photo->path;
    size_t name_size = photo->path_size - (size_t)(name - photo->path);
    (void)fputs("<figure><a href=\"", sheet->out);
    put_address(sheet->out, photo->path, photo->path_size);
    (void)fputs("\" title=\"", sheet->out);
    pix_status status = put_text(sheet, photo->path, photo->path_size);
    (void)fputs("\">", sheet->out);
    if (!status)
        status = put_picture(sheet, photo, name, name_size);
    (void)fputs("</a><figcaption><b>", sheet->out);
    if (!status)
        status = put_text(sheet, name, name_size);
    (void)fprintf(sheet->out, "</b>%.3f", score);
    if (!status && photo->taken_at) {
        (void)fputs(" \xC2\xB7 ", sheet->out);
        status =
            put_text(sheet, photo->taken_at, strnlen(photo->taken_at, sizeof "2024-05-01" - 1));
    }
    (void)fputs("</figcaption></figure>\n", sheet->out);
    return status ? pix_fail_memory(error) : PIX_OK;
}

pix_status pix_sheet_commit(pix_sheet *sheet, pix_error *error) {
    end_query(sheet);
    (void)fputs(foot, sheet->out);
    return pix_atomic_file_commit(sheet->file, error);
}
