#include "core/text/mojibake.h"

#include <string.h>

#include "core/text/badness.h"
#include "core/text/tables_code_pages.h"

enum {
    SUBSTITUTE = 0x1A, /* the byte that stands for a character already lost */
    DEEPEST_EMBEDDING =
        64 /* of mojibake in mojibake; every level is shorter than the one around it */
};

uint32_t pix_windows_1252(uint32_t code) {
    if (code < 0x80 || code > 0x9F || windows_1252[code - 0x80] == 0)
        return code;
    return windows_1252[code - 0x80];
}

/* The byte of a character in a code page, or -1. */
static int encode_one(const code_page *page, uint32_t code) {
    if (code < 0x80)
        return page->sloppy && code == SUBSTITUTE ? -1 : (int)code;
    if (page->sloppy && code == PIX_REPLACEMENT)
        return SUBSTITUTE;
    size_t low = 0, high = sizeof page->codes / sizeof *page->codes;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code == page->codes[middle])
            return page->bytes[middle];
        if (code < page->codes[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* False, with *status PIX_OK, when a character is not in the code page. */
static bool encode(const code_page *page, const pix_runes *text, pix_bytes *out,
                   pix_status *status) {
    pix_bytes_clear(out);
    *status = pix_bytes_reserve(out, text->size);
    for (size_t i = 0; i < text->size && !*status; i++) {
        int byte = encode_one(page, text->data[i]);
        if (byte < 0)
            return false;
        out->data[out->size++] = (char)byte;
    }
    return !*status;
}

/* The classes of bytes that the sequences below are written in. */
static bool in_class(char class, unsigned char byte) {
    bool continuation = byte >= 0x80 && byte <= 0xBF, lost = byte == SUBSTITUTE;
    switch (class) {
    case 'w': /* leads of two bytes that form likely characters before A0 */
        return byte == 0xC2 || byte == 0xC3 || byte == 0xC5 || byte == 0xCE || byte == 0xD0 ||
               byte == 0xD9;
    case 'x':
        return byte == 0xE2 || byte == 0xE3;
    case 'y':
        return byte >= 0xE0 && byte <= 0xE3;
    case 'z':
        return byte == 0xF0;
    case 'k':
        return continuation && byte != 0x85 && byte != 0xA0;
    case 'c':
        return continuation;
    case '2':
        return byte >= 0xC2 && byte <= 0xDF;
    case 'A':
        return byte == 0xC2 || byte == 0xC3;
    case '3':
        return byte >= 0xE0 && byte <= 0xEF;
    case '4':
        return byte >= 0xF0 && byte <= 0xF4;
    case 'D':
        return byte == 0xED;
    case 'H':
        return byte >= 0xA0 && byte <= 0xAF;
    case 'L':
        return byte >= 0xB0 && byte <= 0xBF;
    case 's':
        return lost;
    case 'l':
        return lost || byte == '?';
    case 'd':
        return lost || continuation;
    case 'e':
        return lost || continuation || byte == '?';
    default:
        return byte == (unsigned char)class;
    }
}

/* The length of the first of `sequences` that `text` begins with, or 0. */
static size_t match(const char *const *sequences, const char *text, size_t size) {
    for (; *sequences; sequences++) {
        const char *sequence = *sequences;
        size_t i = 0;
        while (sequence[i] && i < size && in_class(sequence[i], (unsigned char)text[i]))
            i++;
        if (!sequence[i])
            return i;
    }
    return 0;
}

static bool begins_with(const char *text, size_t size, const char *prefix) {
    return size >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* "Ã " is the word "à", which keeps its space, unless more of a Portuguese word follows. */
static bool is_a_grave_word(const char *text, size_t size) {
    static const char *const others[] = {" ", "quele", "quela", "quilo", "s "};
    if (!begins_with(text, size, "\xC3 "))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins_with(text + 2, size - 2, others[i]))
            return false;
    return true;
}

/* ftfy's restore_byte_a0: a space that completes a UTF-8 sequence was A0 once. */
static pix_status restore_byte_a0(pix_bytes *bytes, pix_bytes *out) {
    static const char *const altered[] = {"w ", "x k", "yk ", "z cc", "zc c", "zcc ", NULL};
    pix_status status = PIX_OK;
    pix_bytes_clear(out);
    for (size_t i = 0; i < bytes->size && !status;) {
        const char *text = bytes->data + i;
        size_t length = match(altered, text, bytes->size - i);
        if (is_a_grave_word(text, bytes->size - i)) {
            status = pix_bytes_append(out, "\xC3\xA0 ", 3);
            i += 2;
        } else if (length > 0) {
            status = pix_bytes_append(out, text, length);
            for (size_t k = 1; k <= length && !status; k++)
                if (out->data[out->size - k] == ' ')
                    out->data[out->size - k] = '\xA0';
            i += length;
        } else {
            status = pix_bytes_append(out, text, 1);
            i++;
        }
    }
    pix_bytes kept = *bytes;
    *bytes = *out;
    *out = kept;
    return status;
}

/* ftfy's replace_lossy_sequences: UTF-8 and CESU-8 with lost bytes become U+FFFD. */
static pix_status replace_lossy_sequences(pix_bytes *bytes, pix_bytes *out) {
    static const char *const lossy[] = {"2s",   "A?",   "DHlDLe", "DHeDLl", "3ld", "3dl",
                                        "4ldd", "4dld", "4ddl",   "s",      NULL};
    pix_status status = PIX_OK;
    pix_bytes_clear(out);
    for (size_t i = 0; i < bytes->size && !status;) {
        size_t length = match(lossy, bytes->data + i, bytes->size - i);
        status = length > 0 ? pix_bytes_append(out, "\xEF\xBF\xBD", 3)
                            : pix_bytes_append(out, bytes->data + i, 1);
        i += length > 0 ? length : 1;
    }
    pix_bytes kept = *bytes;
    *bytes = *out;
    *out = kept;
    return status;
}

/* A sequence that only ftfy's utf-8-variants codec reads: Java's C0 80 for NUL, or a CESU-8 pair of
 * surrogates.  The codec's regular expressions end in $, which also matches before a newline at the
 * very end: that newline then counts as the last byte. */
static size_t read_variant(const char *text, size_t size, uint32_t *code) {
    static const char *const cesu_8[] = {"DHcDLc", "DHcDL\n", NULL};
    const unsigned char *p = (const unsigned char *)text;
    if (size >= 2 && p[0] == 0xC0 && (p[1] == 0x80 || (p[1] == '\n' && size == 2))) {
        *code = 0;
        return 2;
    }
    size_t length = match(cesu_8, text, size);
    if (length > 0 && (p[5] != '\n' || size == length))
        *code = 0x10000 + ((p[1] & 0x0FU) << 16) + ((p[2] & 0x3FU) << 10) + ((p[4] & 0x0FU) << 6) +
                (p[5] & 0x3FU);
    else
        length = 0;
    return length;
}

/* False, with *status PIX_OK, when the bytes are neither UTF-8 nor one of its variants. */
static bool decode(const pix_bytes *bytes, pix_runes *out, pix_status *status) {
    out->size = 0;
    *status = pix_runes_reserve(out, bytes->size);
    for (size_t i = 0; i < bytes->size && !*status;) {
        uint32_t code;
        size_t length = read_variant(bytes->data + i, bytes->size - i, &code);
        if (length == 0)
            length = pix_utf8_read(bytes->data + i, bytes->size - i, &code);
        if (code == PIX_NOT_UTF8)
            return false;
        out->data[out->size++] = code;
        i += length;
    }
    return !*status;
}

/* Tries the code pages in order; true when the text, encoded in one, turned out to be UTF-8. */
static bool decode_again(const pix_runes *text, pix_runes *out, pix_status *status) {
    pix_bytes bytes = {0}, scratch = {0};
    bool done = false;
    for (size_t i = 0; i < sizeof code_pages / sizeof *code_pages && !done && !*status; i++) {
        const code_page *page = &code_pages[i];
        if (!encode(page, text, &bytes, status))
            continue;
        /* In MacRoman an en dash before a space would match. */
        if (!page->macroman)
            *status = restore_byte_a0(&bytes, &scratch);
        if (!*status && page->sloppy)
            *status = replace_lossy_sequences(&bytes, &scratch);
        done = !*status && decode(&bytes, out, status);
    }
    pix_bytes_free(&bytes);
    pix_bytes_free(&scratch);
    return done;
}

static pix_status fix_encoding(pix_runes *text, int depth, size_t *work);

/* ftfy's decode_inconsistent_utf8: what looks like UTF-8 is fixed by itself where it is bad. */
static pix_status decode_embedded(const pix_runes *text, pix_runes *out, int depth, size_t *work) {
    pix_runes part = {0};
    pix_status status = PIX_OK;
    out->size = 0;
    for (size_t i = 0; i < text->size && !status;) {
        size_t length = pix_mojibake_length(text->data, text->size, i);
        const uint32_t *found = text->data + i;
        if (length > 0 && length < text->size && pix_is_bad(found, length)) {
            part.size = 0;
            status = pix_runes_append(&part, found, length);
            if (!status)
                status = fix_encoding(&part, depth + 1, work);
            if (!status)
                status = pix_runes_append(out, part.data, part.size);
        } else {
            length += length == 0;
            status = pix_runes_append(out, found, length);
        }
        i += length;
    }
    pix_runes_free(&part);
    return status;
}

static bool is_ascii(const pix_runes *text) {
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] >= 0x80)
            return false;
    return true;
}

/* One step; *out is scratch.  *text is the same afterwards when there is nothing to fix. */
static pix_status fix_one_step(pix_runes *text, pix_runes *out, int depth, size_t *work) {
    pix_status status = PIX_OK;
    if (is_ascii(text) || !pix_is_bad(text->data, text->size))
        return PIX_OK;
    if (decode_again(text, out, &status)) {
        pix_runes_swap(text, out);
        return PIX_OK;
    }
    if (!status && depth < DEEPEST_EMBEDDING)
        status = decode_embedded(text, out, depth, work);
    if (status)
        return status;
    if (depth < DEEPEST_EMBEDDING && !pix_runes_equal(text, out)) {
        pix_runes_swap(text, out);
        return PIX_OK;
    }
    /* ftfy first tries strict Windows-1252 on Latin-1 text; where that works it does the same. */
    for (size_t i = 0; i < text->size; i++)
        text->data[i] = pix_windows_1252(text->data[i]);
    return PIX_OK;
}

static pix_status fix_encoding(pix_runes *text, int depth, size_t *work) {
    pix_runes before = {0}, scratch = {0};
    pix_status status = PIX_OK;
    bool changed = text->size > 0;
    while (changed && !status && *work >= text->size) {
        *work -= text->size;
        before.size = 0;
        status = pix_runes_append(&before, text->data, text->size);
        if (!status)
            status = fix_one_step(text, &scratch, depth, work);
        changed = !pix_runes_equal(&before, text);
    }
    pix_runes_free(&before);
    pix_runes_free(&scratch);
    return status;
}

pix_status pix_fix_encoding(pix_runes *text, size_t *work) {
    return fix_encoding(text, 0, work);
}
