#include "core/text/badness.h"

#include "core/text/tables_badness.h"
#include "core/text/unicode.h"

static uint64_t sets_of(uint32_t code) {
    return character_masks[code > 0xFFFF ? 0 : page_classes[page_of[code >> 8]][code & 0xFF]];
}

static bool is_in(uint32_t code, unsigned set) {
    return sets_of(code) >> set & 1;
}

static bool item_matches(uint32_t item, uint32_t code) {
    if (item == WORD)
        return pix_is_python_word(code);
    return item < SET(0) ? item == code : is_in(code, item - SET(0));
}

static bool pattern_matches(const uint32_t *pattern, const uint32_t *text, size_t size, size_t at) {
    if (*pattern == START) {
        if (at > 0)
            return false;
        pattern++;
    }
    for (; *pattern != 0; pattern++, at++)
        if (at == size || !item_matches(*pattern, text[at]))
            return false;
    return true;
}

bool pix_is_bad(const uint32_t *text, size_t size) {
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; i < sizeof bad_patterns / sizeof *bad_patterns; i++)
            if (pattern_matches(bad_patterns[i], text, size, at))
                return true;
    return false;
}

static size_t sequence_length(const uint32_t *text, size_t size) {
    static const unsigned char leads[] = {UTF8_FIRST_OF_2, UTF8_FIRST_OF_3, UTF8_FIRST_OF_4};
    for (size_t more = 1; more <= 3 && more < size; more++) {
        if (!is_in(text[0], leads[more - 1]))
            continue;
        size_t i = 1;
        while (i <= more && is_in(text[i], UTF8_CONTINUATION))
            i++;
        if (i > more)
            return more + 1;
    }
    return 0;
}

size_t pix_mojibake_length(const uint32_t *text, size_t size, size_t at) {
    if (at > 0 && is_in(text[at - 1], UTF8_CONTINUATION_STRICT))
        return 0;
    size_t end = at;
    for (size_t length; end < size; end += length) {
        length = sequence_length(text + end, size - end);
        if (length == 0)
            break;
    }
    return end - at;
}
