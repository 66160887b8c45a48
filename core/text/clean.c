#include "core/text/clean.h"

#include <string.h>

#include "core/text/fix_text.h"
#include "core/text/html.h"
#include "core/text/unicode.h"

static void strip(pix_runes *text) {
    size_t start = 0, end = text->size;
    while (end > start && pix_is_python_space(text->data[end - 1]))
        end--;
    while (start < end && pix_is_python_space(text->data[start]))
        start++;
    if (start > 0)
        memmove(text->data, text->data + start, (end - start) * sizeof *text->data);
    text->size = end - start;
}

static void fold_spaces(pix_runes *text) {
    size_t out = 0;
    for (size_t i = 0; i < text->size; i++) {
        bool space = pix_is_space(text->data[i]);
        if (!space || i == 0 || !pix_is_space(text->data[i - 1]))
            text->data[out++] = space ? ' ' : text->data[i];
    }
    text->size = out;
}

enum plain_class { CHANGES, WORD_BYTE, SPACE_BYTE };

/* Bytes that all the steps before folding and lower-casing leave alone.  CR is one of them: as LF
 * it is folded all the same. */
static enum plain_class classify(unsigned char byte) {
    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r')
        return SPACE_BYTE;
    return byte > ' ' && byte < 0x7F && byte != '&' ? WORD_BYTE : CHANGES;
}

/* The whole chain for the usual query, which is plain ASCII; false when the text is not. */
static bool clean_plain(const char *text, size_t size, pix_bytes *out, pix_status *status) {
    size_t start = out->size;
    *status = pix_bytes_reserve(out, size);
    if (*status)
        return false;
    bool space = false;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        enum plain_class class = classify(byte);
        if (class == CHANGES) {
            out->size = start;
            return false;
        }
        if (class == WORD_BYTE) {
            if (space && out->size > start)
                out->data[out->size++] = ' ';
            out->data[out->size++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
        }
        space = class == SPACE_BYTE;
    }
    out->data[out->size] = '\0';
    return true;
}

pix_status pix_clean(const char *text, size_t size, pix_bytes *out) {
    pix_status status;
    if (clean_plain(text, size, out, &status) || status)
        return status;
    pix_runes runes = {0}, fixed = {0};
    status = pix_runes_append_utf8(&runes, text, size);
    if (!status)
        status = pix_fix_runes(&runes, &fixed);
    pix_runes_free(&runes);
    if (!status) {
        pix_html_unescape(&fixed);
        pix_html_unescape(&fixed);
        strip(&fixed);
        fold_spaces(&fixed);
        strip(&fixed);
        status = pix_lower(&fixed);
    }
    if (!status)
        status = pix_runes_write_utf8(fixed.data, fixed.size, out);
    pix_runes_free(&fixed);
    return status;
}
