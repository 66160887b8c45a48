#include "core/text/unicode.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "core/text/tables_unicode.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool in_ranges(const code_range *ranges, size_t count, uint32_t code) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code < ranges[middle].first)
            high = middle;
        else if (code > ranges[middle].last)
            low = middle + 1;
        else
            return true;
    }
    return false;
}

static bool is_newer(uint32_t code) {
    return code >= newer_than_14[0].first && in_ranges(newer_than_14, COUNT(newer_than_14), code);
}

bool pix_is_letter(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool pix_is_number(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool pix_is_space(uint32_t code) {
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
           code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool pix_is_python_space(uint32_t code) {
    return pix_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

bool pix_is_python_word(uint32_t code) {
    return code == '_' || ((pix_is_letter(code) || pix_is_number(code)) && !is_newer(code));
}

bool pix_is_python_digit(uint32_t code) {
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_ND && !is_newer(code);
}

/* A capital sigma is final after a cased letter and not before one, whatever case-ignorable
 * characters lie between (Unicode 14, table 3-17). */
static bool sigma_is_final(const pix_runes *text, size_t at) {
    size_t i = at;
    while (i > 0 && in_ranges(case_ignorable, COUNT(case_ignorable), text->data[i - 1]))
        i--;
    if (i == 0 || !in_ranges(cased, COUNT(cased), text->data[i - 1]))
        return false;
    i = at + 1;
    while (i < text->size && in_ranges(case_ignorable, COUNT(case_ignorable), text->data[i]))
        i++;
    return i == text->size || !in_ranges(cased, COUNT(cased), text->data[i]);
}

pix_status pix_lower(pix_runes *text) {
    pix_runes out = {0};
    size_t room;
    if (!pix_size_multiply(text->size, 2, &room) || pix_runes_reserve(&out, room))
        return PIX_ENOMEM;
    for (size_t i = 0; i < text->size; i++) {
        uint32_t code = text->data[i];
        if (code < 0x80)
            code += code >= 'A' && code <= 'Z' ? 32 : 0;
        else if (code == 0x3A3)
            code = sigma_is_final(text, i) ? 0x3C2 : 0x3C3;
        else if (code == 0x130)
            out.data[out.size++] = 'i', code = 0x307;
        else if (!is_newer(code))
            code = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
        out.data[out.size++] = code;
    }
    pix_runes_swap(text, &out);
    pix_runes_free(&out);
    return PIX_OK;
}

static unsigned combining_class(uint32_t code) {
    if (code < 0x300)
        return 0;
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)code)->combining_class;
}

/* Sorts marks by combining class, stably: by insertion, long runs by counting. */
static pix_status sort_marks(uint32_t *marks, size_t count) {
    if (count <= 32) {
        for (size_t i = 1; i < count; i++) {
            uint32_t mark = marks[i];
            size_t at = i;
            for (; at > 0 && combining_class(marks[at - 1]) > combining_class(mark); at--)
                marks[at] = marks[at - 1];
            marks[at] = mark;
        }
        return PIX_OK;
    }
    uint32_t *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return PIX_ENOMEM;
    size_t start[257] = {0};
    for (size_t i = 0; i < count; i++)
        start[combining_class(marks[i]) + 1]++;
    for (size_t i = 1; i < COUNT(start); i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < count; i++)
        sorted[start[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, sorted, count * sizeof *marks);
    free(sorted);
    return PIX_OK;
}

static pix_status order_canonically(uint32_t *text, size_t size) {
    pix_status status = PIX_OK;
    for (size_t i = 0; i < size && !status;) {
        size_t end = i;
        while (end < size && combining_class(text[end]) > 0)
            end++;
        if (end > i + 1)
            status = sort_marks(text + i, end - i);
        i = end + 1;
    }
    return status;
}

/* utf8proc has Unicode 15's properties.  Unicode 14 sees the newer characters as unassigned: they
 * neither compose nor move, so the text between them is normalised piece by piece. */
static pix_status nfc_piece(const uint32_t *text, size_t size, pix_runes *out) {
    enum { LONGEST_DECOMPOSITION = 4 };
    size_t room, start = out->size;
    if (!pix_size_multiply(size, LONGEST_DECOMPOSITION, &room) || pix_runes_reserve(out, room))
        return PIX_ENOMEM;
    for (size_t i = 0; i < size; i++) {
        int boundary = 0;
        out->size += (size_t)utf8proc_decompose_char(
            (utf8proc_int32_t)text[i], (utf8proc_int32_t *)out->data + out->size,
            LONGEST_DECOMPOSITION, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
    }
    pix_status status = order_canonically(out->data + start, out->size - start);
    if (!status)
        out->size = start + (size_t)utf8proc_normalize_utf32((utf8proc_int32_t *)out->data + start,
                                                             (utf8proc_ssize_t)(out->size - start),
                                                             UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return status;
}

pix_status pix_nfc(pix_runes *text) {
    size_t first = 0;
    while (first < text->size && text->data[first] < 0x300)
        first++;
    if (first == text->size)
        return PIX_OK;
    pix_runes out = {0};
    pix_status status = PIX_OK;
    for (size_t i = 0; i < text->size && !status;) {
        size_t end = i;
        while (end < text->size && !is_newer(text->data[end]))
            end++;
        status = nfc_piece(text->data + i, end - i, &out);
        if (!status && end < text->size)
            status = pix_runes_append(&out, &text->data[end], 1);
        i = end + 1;
    }
    if (!status)
        pix_runes_swap(text, &out);
    pix_runes_free(&out);
    return status;
}
