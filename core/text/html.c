#include "core/text/html.h"

#include <string.h>

#include "core/text/mojibake.h"
#include "core/text/tables_html.h"

enum { LONGEST_NAME = 33 }; /* with its semicolon; the regular expression of html.unescape */

static int compare(const char *name, size_t size, const entity *entry) {
    size_t common = size < entry->name_size ? size : entry->name_size;
    int order = memcmp(name, entity_names + entry->name, common);
    return order != 0 ? order : (int)size - (int)entry->name_size;
}

static const entity *find(const char *name, size_t size) {
    size_t low = 0, high = sizeof entities / sizeof *entities;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(name, size, &entities[middle]);
        if (order == 0)
            return &entities[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static size_t put(uint32_t *out, const entity *entry) {
    memcpy(out, entity_texts + entry->text, entry->text_size * sizeof *out);
    return entry->text_size;
}

static bool is_digit(uint32_t c) {
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(uint32_t c) {
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static int digit_value(uint32_t c, uint32_t base) {
    if (is_digit(c))
        return (int)(c - '0');
    if (base == 16 && (c | 32) >= 'a' && (c | 32) <= 'f')
        return (int)((c | 32) - 'a' + 10);
    return -1;
}

/* The size of "#123" or "#x1F", without a semicolon, at `text`, or 0; any value past Unicode's last
 * is kept as 0x110000. */
static size_t read_number(const uint32_t *text, size_t size, uint32_t *value) {
    size_t i = 1;
    if (size < 2 || text[0] != '#')
        return 0;
    uint32_t base = (text[1] | 32) == 'x' ? 16 : 10;
    i += base == 16;
    size_t digits = i;
    *value = 0;
    for (; i < size && digit_value(text[i], base) >= 0; i++) {
        *value = *value * base + (uint32_t)digit_value(text[i], base);
        if (*value > 0x110000)
            *value = 0x110000;
    }
    return i > digits ? i : 0;
}

/* What html.unescape makes of a number: one character, or none.  C1 controls are read as
 * Windows-1252, and what is no character disappears. */
static size_t put_number(uint32_t *out, uint32_t value) {
    bool control =
        (value < 0x20 && value != '\t' && value != '\n' && value != '\f') || value == 0x7F;
    if (value == 0 || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF)
        value = PIX_REPLACEMENT;
    else if ((control && value != '\r') || (value >= 0xFDD0 && value <= 0xFDEF) ||
             (value & 0xFFFE) == 0xFFFE)
        return 0;
    *out = pix_windows_1252(value);
    return 1;
}

static bool ends_name(uint32_t c) {
    return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' ||
           c == ';';
}

/* Reads the reference after the ampersand at text[-1]; returns its size, 0 when it is none. */
static size_t unescape_one(const uint32_t *text, size_t size, uint32_t *out, size_t *out_size) {
    uint32_t value;
    size_t length = read_number(text, size, &value);
    if (length > 0) {
        *out_size = put_number(out, value);
        return length + (length < size && text[length] == ';');
    }
    char name[LONGEST_NAME];
    while (length < size && length < LONGEST_NAME - 1 && text[length] < 0x80 &&
           !ends_name(text[length])) {
        name[length] = (char)text[length];
        length++;
    }
    if (length < size && text[length] == ';')
        name[length++] = ';';
    for (; length >= 2; length--) {
        const entity *entry = find(name, length);
        if (entry && entry->kind == HTML) {
            *out_size = put(out, entry);
            return length;
        }
    }
    return 0;
}

void pix_html_unescape(pix_runes *text) {
    size_t out = 0;
    for (size_t i = 0; i < text->size;) {
        size_t size = 0, out_size = 0;
        if (text->data[i] == '&')
            size =
                unescape_one(text->data + i + 1, text->size - i - 1, text->data + out, &out_size);
        if (size > 0) {
            i += 1 + size;
            out += out_size;
        } else {
            text->data[out++] = text->data[i++];
        }
    }
    text->size = out;
}

/* The same for ftfy: the reference must be one whole "name;" or "#number;". */
static size_t unescape_strictly(const uint32_t *text, size_t size, uint32_t *out,
                                size_t *out_size) {
    enum { LONGEST = 24 };
    char name[LONGEST + 1];
    uint32_t value;
    size_t start = size > 0 && text[0] == '#', length = 0;
    while (start + length < size && length < LONGEST && is_alphanumeric(text[start + length])) {
        name[length] = (char)text[start + length];
        length++;
    }
    if (length == 0 || start + length == size || text[start + length] != ';')
        return 0;
    if (start > 0) {
        if (read_number(text, size, &value) != length + 1 || value == ';')
            return 0;
        *out_size = put_number(out, value);
        return length + 2;
    }
    name[length++] = ';';
    const entity *entry = find(name, length);
    if (!entry)
        return 0;
    *out_size = put(out, entry);
    return length;
}

void pix_ftfy_unescape(pix_runes *text) {
    size_t out = 0;
    for (size_t i = 0; i < text->size;) {
        size_t size = 0, out_size = 0;
        if (text->data[i] == '&')
            size = unescape_strictly(text->data + i + 1, text->size - i - 1, text->data + out,
                                     &out_size);
        if (size > 0) {
            i += 1 + size;
            out += out_size;
        } else {
            text->data[out++] = text->data[i++];
        }
    }
    text->size = out;
}
