#include "core/weights/pickle_scalars.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

static pix_status push_integer(pix_machine *m, int64_t integer) {
    pix_value *value;
    pix_status status = pix_machine_push_new(m, PIX_VALUE_INTEGER, &value);
    if (!status)
        value->integer = integer;
    return status;
}

pix_status pix_op_none(pix_machine *m) {
    pix_value *value;
    return pix_machine_push_new(m, PIX_VALUE_NONE, &value);
}

static pix_status push_bool(pix_machine *m, bool boolean) {
    pix_value *value;
    pix_status status = pix_machine_push_new(m, PIX_VALUE_BOOL, &value);
    if (!status)
        value->boolean = boolean;
    return status;
}

pix_status pix_op_true(pix_machine *m) {
    return push_bool(m, true);
}

pix_status pix_op_false(pix_machine *m) {
    return push_bool(m, false);
}

pix_status pix_op_binint1(pix_machine *m) {
    uint64_t number;
    pix_status status = pix_machine_take_number(m, 1, &number);
    return status ? status : push_integer(m, (int64_t)number);
}

pix_status pix_op_binint2(pix_machine *m) {
    uint64_t number;
    pix_status status = pix_machine_take_number(m, 2, &number);
    return status ? status : push_integer(m, (int64_t)number);
}

pix_status pix_op_binint(pix_machine *m) {
    uint64_t number;
    pix_status status = pix_machine_take_number(m, 4, &number);
    return status ? status : push_integer(m, (int32_t)(uint32_t)number);
}

/* Two's complement, little-endian, of any length. */
static pix_status push_long(pix_machine *m, const char *data, size_t size) {
    if (size > sizeof(int64_t))
        return pix_machine_push_text(m, PIX_VALUE_BIG_INTEGER, data, size);
    uint64_t bits = size > 0 && (data[size - 1] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = size; i > 0; i--)
        bits = bits << 8 | (uint8_t)data[i - 1];
    return push_integer(m, (int64_t)bits);
}

pix_status pix_op_long1(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_counted(m, 1, &data, &size);
    return status ? status : push_long(m, data, size);
}

pix_status pix_op_long4(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_counted(m, 4, &data, &size);
    return status ? status : push_long(m, data, size);
}

/* "123\n", and "01\n" and "00\n" for the booleans of protocol 0. */
pix_status pix_op_int(pix_machine *m) {
    char text[PIX_MACHINE_NUMERAL];
    pix_status status = pix_machine_take_numeral(m, text);
    if (status)
        return status;
    if (strcmp(text, "01") == 0 || strcmp(text, "00") == 0)
        return push_bool(m, text[1] == '1');
    int64_t number;
    if (pix_parse_integer(text, INT64_MIN, INT64_MAX, &number))
        return pix_machine_fail(m, "has a bad number");
    return push_integer(m, number);
}

/* "123L\n" or "123\n" */
pix_status pix_op_long(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_line(m, &data, &size);
    if (status)
        return status;
    char text[PIX_MACHINE_NUMERAL] = "";
    if (size > 0 && data[size - 1] == 'L')
        size--;
    if (size < sizeof text)
        memcpy(text, data, size);
    int64_t number;
    if (pix_parse_integer(text, INT64_MIN, INT64_MAX, &number) == PIX_OK && strlen(text) == size)
        return push_integer(m, number);
    for (size_t i = 0; i < size; i++)
        if ((data[i] < '0' || data[i] > '9') && !(i == 0 && data[i] == '-'))
            return pix_machine_fail(m, "has a bad number");
    return size > 0 ? pix_machine_push_text(m, PIX_VALUE_BIG_INTEGER, data, size)
                    : pix_machine_fail(m, "has a bad number");
}

static pix_status push_real(pix_machine *m, double real) {
    pix_value *value;
    pix_status status = pix_machine_push_new(m, PIX_VALUE_REAL, &value);
    if (!status)
        value->real = real;
    return status;
}

pix_status pix_op_float(pix_machine *m) {
    char text[PIX_MACHINE_NUMERAL];
    pix_status status = pix_machine_take_numeral(m, text);
    if (status)
        return status;
    char *end;
    double real = strtod(text, &end);
    if (end == text || *end != '\0')
        return pix_machine_fail(m, "has a bad number");
    return push_real(m, real);
}

/* Big-endian, unlike everything else. */
pix_status pix_op_binfloat(pix_machine *m) {
    const uint8_t *bytes;
    pix_status status = pix_machine_take(m, 8, &bytes);
    if (status)
        return status;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    double real;
    memcpy(&real, &bits, sizeof real);
    return push_real(m, real);
}

static pix_status push_counted(pix_machine *m, size_t width, pix_value_kind kind) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_counted(m, width, &data, &size);
    return status ? status : pix_machine_push_text(m, kind, data, size);
}

pix_status pix_op_text1(pix_machine *m) {
    return push_counted(m, 1, PIX_VALUE_TEXT);
}

pix_status pix_op_text4(pix_machine *m) {
    return push_counted(m, 4, PIX_VALUE_TEXT);
}

pix_status pix_op_text8(pix_machine *m) {
    return push_counted(m, 8, PIX_VALUE_TEXT);
}

pix_status pix_op_bytes1(pix_machine *m) {
    return push_counted(m, 1, PIX_VALUE_BYTES);
}

pix_status pix_op_bytes4(pix_machine *m) {
    return push_counted(m, 4, PIX_VALUE_BYTES);
}

pix_status pix_op_bytes8(pix_machine *m) {
    return push_counted(m, 8, PIX_VALUE_BYTES);
}

/* `digits` hexadecimal digits at `at`, of `left` bytes. */
static bool hex_number(const char *at, size_t left, size_t digits, uint32_t *out) {
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (i >= left || pix_hex_digit(at[i]) < 0)
            return false;
        *out = *out << 4 | (uint32_t)pix_hex_digit(at[i]);
    }
    return true;
}

/* One escape of a Python 2 string literal, after its backslash; returns the bytes consumed, 0 when
 * it is none. */
static size_t literal_escape(const char *at, size_t left, char *out) {
    static const char letters[] = "\\'\"abfnrtv", meanings[] = "\\'\"\a\b\f\n\r\t\v";
    const char *letter = left > 0 && *at ? strchr(letters, *at) : NULL;
    uint32_t number = 0;
    if (letter) {
        *out = meanings[letter - letters];
        return 1;
    }
    if (left > 0 && *at == 'x' && hex_number(at + 1, left - 1, 2, &number)) {
        *out = (char)number;
        return 3;
    }
    size_t used = 0;
    for (; used < 3 && used < left && at[used] >= '0' && at[used] <= '7'; used++)
        number = number * 8 + (uint32_t)(at[used] - '0');
    *out = (char)number;
    return used;
}

/* A line with a Python 2 string literal: 'a\n'. */
pix_status pix_op_string(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_line(m, &data, &size);
    if (status)
        return status;
    if (size < 2 || (data[0] != '\'' && data[0] != '"') || data[size - 1] != data[0])
        return pix_machine_fail(m, "has no quotes around its text");
    char *text = NULL;
    status = pix_arena_take(m->arena, size, &text, m->error);
    if (status)
        return status;
    size_t length = 0;
    for (size_t i = 1; i < size - 1; i++) {
        text[length] = data[i];
        if (data[i] == '\\') {
            size_t used = literal_escape(data + i + 1, size - 2 - i, &text[length]);
            if (used == 0)
                return pix_machine_fail(m, "has a bad escape in its text");
            i += used;
        }
        length++;
    }
    return pix_machine_push_text(m, PIX_VALUE_TEXT, text, length);
}

/* A line of Latin-1 with \uXXXX and \UXXXXXXXX: Python's raw-unicode-escape. */
pix_status pix_op_unicode(pix_machine *m) {
    const char *data;
    size_t size;
    pix_status status = pix_machine_take_line(m, &data, &size);
    if (status)
        return status;
    pix_bytes text = {0};
    for (size_t i = 0; i < size && !status; i++) {
        uint32_t code_point = (uint8_t)data[i];
        size_t digits = 0;
        if (data[i] == '\\' && i + 1 < size && (data[i + 1] == 'u' || data[i + 1] == 'U'))
            digits = data[i + 1] == 'u' ? 4 : 8;
        if (digits > 0) {
            if (!hex_number(data + i + 2, size - i - 2, digits, &code_point) ||
                code_point > 0x10FFFF)
                status = pix_machine_fail(m, "has a bad escape in its text");
            i += 1 + digits;
        }
        if (!status && pix_bytes_append_utf8(&text, code_point))
            status = pix_fail_memory(m->error);
    }
    char *copy = NULL;
    if (!status)
        status = pix_arena_take(m->arena, text.size + 1, &copy, m->error);
    if (!status) {
        if (text.size > 0)
            memcpy(copy, text.data, text.size);
        status = pix_machine_push_text(m, PIX_VALUE_TEXT, copy, text.size);
    }
    pix_bytes_free(&text);
    return status;
}
