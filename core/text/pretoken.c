#include "core/text/pretoken.h"

#include <string.h>

#include "core/text/unicode.h"

enum rune_class { SPACE, LETTER, NUMBER, OTHER, NOTHING };

static enum rune_class classify(uint32_t code) {
    if (code < 0x80) {
        if ((code | 32) >= 'a' && (code | 32) <= 'z')
            return LETTER;
        if (code >= '0' && code <= '9')
            return NUMBER;
        return pix_is_space(code) ? SPACE : OTHER;
    }
    if (code == 0x345)
        return NOTHING;
    if (pix_is_letter(code))
        return LETTER;
    if (pix_is_number(code))
        return NUMBER;
    return pix_is_space(code) ? SPACE : OTHER;
}

/* The size of `word` (lower-case ASCII) at the start of `text` in any case, or 0. */
static size_t match_word(const char *text, size_t size, const char *word) {
    size_t at = 0;
    for (; *word; word++) {
        if (at == size)
            return 0;
        char c = text[at];
        if (c == *word || (c >= 'A' && c <= 'Z' && c + 32 == *word))
            at++;
        else if (*word == 's' && size - at >= 2 && memcmp(text + at, "\xC5\xBF", 2) == 0)
            at += 2;
        else
            return 0;
    }
    return at;
}

static size_t match_literal(const char *text, size_t size) {
    static const char *const literals[] = {
        "<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d",
    };
    if (*text != '<' && *text != '\'')
        return 0;
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t length = match_word(text, size, literals[i]);
        if (length > 0)
            return length;
    }
    return 0;
}

static enum rune_class read_class(const char *text, size_t size, size_t *length) {
    uint32_t code;
    *length = pix_utf8_read(text, size, &code);
    return classify(code == PIX_NOT_UTF8 ? PIX_REPLACEMENT : code);
}

size_t pix_pretoken_next(const char *text, size_t size, size_t *at) {
    enum rune_class class = SPACE;
    size_t start = *at, length = 0;
    for (; start < size; start += length) {
        class = read_class(text + start, size - start, &length);
        if (class != SPACE && class != NOTHING)
            break;
    }
    *at = start;
    if (start >= size)
        return 0;
    size_t literal = match_literal(text + start, size - start);
    if (literal > 0 || class == NUMBER)
        return literal > 0 ? literal : length;
    size_t end = start + length;
    for (; end < size; end += length)
        if (read_class(text + end, size - end, &length) != class)
            break;
    return end - start;
}
