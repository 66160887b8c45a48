/* ftfy 6.3.1's fix_text with its default configuration: segment by segment, each until it no longer
 * changes. */
#include "core/text/fix_text.h"

#include "core/text/clean.h"
#include "core/text/html.h"
#include "core/text/mojibake.h"
#include "core/text/tables_fixes.h"
#include "core/text/unicode.h"

enum {
    LONGEST_SEGMENT = 1000000, /* code points: ftfy's max_decode_length */
    ESCAPE = 0x1B
};

static const character_fix *find_fix(uint32_t code) {
    size_t low = 0, high = sizeof character_fixes / sizeof *character_fixes;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code == character_fixes[middle].code)
            return &character_fixes[middle];
        if (code < character_fixes[middle].code)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Single characters (tables_fixes.h), and CR or CR LF as LF. */
static pix_status fix_characters(const pix_runes *text, pix_runes *out) {
    size_t room;
    out->size = 0;
    if (!pix_size_multiply(text->size, 3, &room) || pix_runes_reserve(out, room))
        return PIX_ENOMEM;
    for (size_t i = 0; i < text->size; i++) {
        uint32_t code = text->data[i];
        const character_fix *fix = code < 0x80 ? NULL : find_fix(code);
        if (fix)
            for (size_t k = 0; k < 3 && fix->text[k] != 0; k++)
                out->data[out->size++] = fix->text[k];
        else if (code != '\r')
            out->data[out->size++] = code;
        else if (i + 1 == text->size || text->data[i + 1] != '\n')
            out->data[out->size++] = '\n';
    }
    return PIX_OK;
}

/* The length of a terminal's escape sequence such as ESC [ 1 ; 31 m, or 0. */
static size_t escape_length(const uint32_t *text, size_t size) {
    if (size < 3 || text[0] != ESCAPE || text[1] != '[')
        return 0;
    size_t i = 2;
    while (i < size && (text[i] == ';' || pix_is_python_digit(text[i])))
        i++;
    bool letter = i < size && text[i] < 0x80 && (text[i] | 32) >= 'a' && (text[i] | 32) <= 'z';
    return letter ? i + 1 : 0;
}

/* C1 controls stay: they are what mojibake is made of. */
static bool is_removed_control(uint32_t c) {
    return c < 0x09 || c == 0x0B || (c >= 0x0E && c < 0x20) || c == 0x7F ||
           (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

static void remove_controls(pix_runes *text) {
    size_t out = 0;
    for (size_t i = 0; i < text->size;) {
        size_t length = escape_length(text->data + i, text->size - i);
        if (length > 0)
            i += length;
        else if (is_removed_control(text->data[i]))
            i++;
        else
            text->data[out++] = text->data[i++];
    }
    text->size = out;
}

static pix_status fix_segment(pix_runes *text, bool unescape, size_t *work) {
    pix_runes before = {0}, scratch = {0};
    pix_status status = PIX_OK;
    bool changed = true;
    while (changed && !status) {
        before.size = 0;
        status = pix_runes_append(&before, text->data, text->size);
        if (unescape)
            pix_ftfy_unescape(text);
        if (!status)
            status = pix_fix_encoding(text, work);
        if (!status)
            status = fix_characters(text, &scratch);
        if (status)
            break;
        pix_runes_swap(text, &scratch);
        remove_controls(text);
        status = pix_nfc(text);
        changed = !pix_runes_equal(&before, text) && *work >= text->size;
        *work -= changed ? text->size : 0;
    }
    pix_runes_free(&before);
    pix_runes_free(&scratch);
    return status;
}

/* ASCII that no step changes: no reference, no control character, no CR. */
static bool is_plain(const uint32_t *text, size_t size, bool unescape) {
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 0x7F || (text[i] < 0x20 && text[i] != '\t' && text[i] != '\n') ||
            (text[i] == '&' && unescape))
            return false;
    return true;
}

pix_status pix_fix_runes(const pix_runes *text, pix_runes *out) {
    pix_runes segment = {0};
    pix_status status = PIX_OK;
    bool unescape = true;
    /* Enough for any honest text; see pix_fix_encoding. */
    size_t work = text->size < SIZE_MAX / 256 ? ((size_t)1 << 26) + 64 * text->size : SIZE_MAX;
    for (size_t i = 0; i < text->size && !status;) {
        size_t end = i;
        while (end < text->size && end - i < LONGEST_SEGMENT && text->data[end] != '\n') {
            /* A tag: this may be HTML, whose references are meant, here and in all that follows. */
            unescape = unescape && text->data[end] != '<';
            end++;
        }
        end += end < text->size && end - i < LONGEST_SEGMENT;
        if (is_plain(text->data + i, end - i, unescape)) {
            status = pix_runes_append(out, text->data + i, end - i);
        } else {
            segment.size = 0;
            status = pix_runes_append(&segment, text->data + i, end - i);
            if (!status)
                status = fix_segment(&segment, unescape, &work);
            if (!status)
                status = pix_runes_append(out, segment.data, segment.size);
        }
        i = end;
    }
    pix_runes_free(&segment);
    return status;
}

pix_status pix_fix_text(const char *text, size_t size, pix_bytes *out) {
    pix_runes runes = {0}, fixed = {0};
    pix_status status = pix_runes_append_utf8(&runes, text, size);
    if (!status)
        status = pix_fix_runes(&runes, &fixed);
    if (!status)
        status = pix_runes_write_utf8(fixed.data, fixed.size, out);
    pix_runes_free(&runes);
    pix_runes_free(&fixed);
    return status;
}
