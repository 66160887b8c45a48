#include "core/weights/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/weights/globals.h"

/* A checkpoint's pickle has a few thousand values; this is room for millions. */
static const size_t memory_limit = (size_t)512 << 20;
enum { CHUNK_SIZE = 65536, MAX_NUMBER_TEXT = 64 };

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) char data[];
} chunk;

struct pix_pickle {
    chunk *chunks;
    size_t memory; /* spent, of memory_limit */
    const pix_value *top;
};

/* The machine of pickletools.py: a stack with marks, and a memo. */
typedef struct machine {
    const uint8_t *data;
    size_t size;
    size_t at;        /* the next byte */
    size_t opcode_at; /* where the current opcode stands */
    bool stopped;
    pix_pickle *pickle;
    pix_value **stack;
    size_t depth, stack_capacity;
    size_t *marks; /* depth of the stack at each MARK */
    size_t mark_count, mark_capacity;
    pix_value **memo;
    size_t memo_size;
    size_t memo_next; /* what MEMOIZE numbers */
    pix_error *error;
} machine;

/* ---- memory ---- */

static pix_status charge(machine *m, size_t size) {
    if (size > memory_limit - m->pickle->memory)
        return pix_fail(m->error, PIX_ELIMIT, "pickle needs more than %zu bytes of memory",
                        memory_limit);
    m->pickle->memory += size;
    return PIX_OK;
}

/* `size` bytes, zeroed, that live as long as the pickle. */
static pix_status arena(machine *m, size_t size, void *out) {
    size_t rounded = (size + 15) / 16 * 16;
    chunk *c = m->pickle->chunks;
    if (!c || rounded > c->size - c->used) {
        size_t room = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;
        pix_status status = charge(m, sizeof *c + room);
        if (status)
            return status;
        c = calloc(1, sizeof *c + room);
        if (!c)
            return pix_fail_memory(m->error);
        c->size = room;
        c->next = m->pickle->chunks;
        m->pickle->chunks = c;
    }
    void *memory = c->data + c->used;
    c->used += rounded;
    memcpy(out, &memory, sizeof memory);
    return PIX_OK;
}

/* Grows a heap array to hold `need` items of `item` bytes, new ones zeroed. */
static pix_status grow(machine *m, void *array, size_t *capacity, size_t need, size_t item) {
    if (need <= *capacity)
        return PIX_OK;
    size_t wanted = *capacity + *capacity / 2;
    if (wanted < need)
        wanted = need < 256 ? 256 : need;
    size_t total;
    if (!pix_size_multiply(wanted, item, &total))
        return pix_fail_memory(m->error);
    pix_status status = charge(m, total - *capacity * item);
    if (status)
        return status;
    void *old;
    memcpy(&old, array, sizeof old);
    char *data = realloc(old, total);
    if (!data)
        return pix_fail_memory(m->error);
    memset(data + *capacity * item, 0, total - *capacity * item);
    memcpy(array, &data, sizeof data);
    *capacity = wanted;
    return PIX_OK;
}

/* ---- input ---- */

static const char *opcode_name(uint8_t opcode);

/* "pickle opcode NAME at byte N CAUSE" */
static pix_status malformed(machine *m, const char *cause) {
    return pix_fail(m->error, PIX_EFORMAT, "pickle opcode %s at byte %zu %s",
                    opcode_name(m->data[m->opcode_at]), m->opcode_at, cause);
}

static pix_status take(machine *m, size_t size, const uint8_t **out) {
    *out = NULL;
    if (size > m->size - m->at)
        return pix_fail(
            m->error, PIX_EFORMAT,
            "truncated pickle: opcode %s at byte %zu needs %zu more bytes, %zu are left",
            opcode_name(m->data[m->opcode_at]), m->opcode_at, size, m->size - m->at);
    *out = m->data + m->at;
    m->at += size;
    return PIX_OK;
}

/* An unsigned little-endian number of `width` bytes. */
static pix_status take_number(machine *m, size_t width, uint64_t *out) {
    const uint8_t *bytes = NULL;
    pix_status status = take(m, width, &bytes);
    *out = 0;
    for (size_t i = width; !status && i > 0; i--)
        *out = *out << 8 | bytes[i - 1];
    return status;
}

/* Bytes with their count, a number of `width` bytes, before them. */
static pix_status take_counted(machine *m, size_t width, const char **data, size_t *size) {
    uint64_t count = 0;
    const uint8_t *bytes = NULL;
    pix_status status = take_number(m, width, &count);
    if (!status)
        status = take(m, count, &bytes);
    *data = (const char *)bytes;
    *size = count;
    return status;
}

/* Bytes up to a newline, which is consumed and not counted. */
static pix_status take_line(machine *m, const char **data, size_t *size) {
    *data = NULL;
    *size = 0;
    const uint8_t *start = m->data + m->at;
    const uint8_t *end = m->at < m->size ? memchr(start, '\n', m->size - m->at) : NULL;
    if (!end)
        return pix_fail(m->error, PIX_EFORMAT, "truncated pickle: opcode %s at byte %zu has no end",
                        opcode_name(m->data[m->opcode_at]), m->opcode_at);
    *data = (const char *)start;
    *size = (size_t)(end - start);
    m->at += *size + 1;
    return PIX_OK;
}

/* A short line, NUL-terminated: a number or the like. */
static pix_status take_short_line(machine *m, char text[MAX_NUMBER_TEXT]) {
    const char *data;
    size_t size;
    pix_status status = take_line(m, &data, &size);
    if (status)
        return status;
    if (size >= MAX_NUMBER_TEXT || memchr(data, '\0', size))
        return malformed(m, "has a bad number");
    memcpy(text, data, size);
    text[size] = '\0';
    return PIX_OK;
}

/* ---- stack ---- */

static size_t floor_of(const machine *m) {
    return m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0;
}

static pix_status push(machine *m, pix_value *value) {
    pix_status status = grow(m, &m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack);
    if (!status)
        m->stack[m->depth++] = value;
    return status;
}

static pix_status push_new(machine *m, pix_value_kind kind, pix_value **out) {
    *out = NULL;
    pix_value *value = NULL;
    pix_status status = arena(m, sizeof *value, &value);
    if (status)
        return status;
    value->kind = kind;
    *out = value;
    return push(m, value);
}

static pix_status push_text(machine *m, pix_value_kind kind, const char *data, size_t size) {
    pix_value *value;
    pix_status status = push_new(m, kind, &value);
    if (!status) {
        value->text.data = data;
        value->text.size = size;
    }
    return status;
}

static pix_status push_integer(machine *m, int64_t integer) {
    pix_value *value;
    pix_status status = push_new(m, PIX_VALUE_INTEGER, &value);
    if (!status)
        value->integer = integer;
    return status;
}

static pix_status pop(machine *m, pix_value **out) {
    *out = NULL;
    if (m->depth <= floor_of(m))
        return malformed(m, "finds too little on the stack");
    *out = m->stack[--m->depth];
    return PIX_OK;
}

static pix_status peek(machine *m, pix_value **out) {
    *out = NULL;
    if (m->depth <= floor_of(m))
        return malformed(m, "finds too little on the stack");
    *out = m->stack[m->depth - 1];
    return PIX_OK;
}

/* Takes the last MARK away; what was above it, still on the stack, is `count` items at *items. */
static pix_status pop_mark(machine *m, pix_value ***items, size_t *count) {
    *items = NULL;
    *count = 0;
    if (m->mark_count == 0)
        return malformed(m, "finds no mark");
    size_t start = m->marks[--m->mark_count];
    *items = m->stack + start;
    *count = m->depth - start;
    m->depth = start;
    return PIX_OK;
}

static pix_status list_add(machine *m, pix_value *list, pix_value *const *items, size_t count) {
    size_t need;
    if (!pix_size_add(list->list.count, count, &need))
        return pix_fail_memory(m->error);
    if (need > list->list.capacity) {
        size_t capacity = list->list.count > 0 ? 2 * need : need;
        const pix_value **copy = NULL;
        pix_status status = arena(m, capacity * sizeof *copy, &copy);
        if (status)
            return status;
        if (list->list.count > 0)
            memcpy(copy, list->list.items, list->list.count * sizeof *copy);
        list->list.items = copy;
        list->list.capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        list->list.items[list->list.count++] = items[i];
    return PIX_OK;
}

/* ---- opcodes: constants ---- */

static pix_status op_proto(machine *m) {
    uint64_t version = 0;
    pix_status status = take_number(m, 1, &version);
    if (!status && version > 5)
        return pix_fail(m->error, PIX_EUNSUPPORTED, "pickle protocol %llu",
                        (unsigned long long)version);
    return status;
}

static pix_status op_frame(machine *m) {
    uint64_t size;
    return take_number(m, 8, &size);
}

static pix_status op_stop(machine *m) {
    pix_value *top;
    pix_status status = pop(m, &top);
    if (status)
        return status;
    if (m->depth > 0 || m->mark_count > 0)
        return malformed(m, "leaves values on the stack");
    m->pickle->top = top;
    m->stopped = true;
    return PIX_OK;
}

static pix_status op_none(machine *m) {
    pix_value *value;
    return push_new(m, PIX_VALUE_NONE, &value);
}

static pix_status push_bool(machine *m, bool boolean) {
    pix_value *value;
    pix_status status = push_new(m, PIX_VALUE_BOOL, &value);
    if (!status)
        value->boolean = boolean;
    return status;
}

static pix_status op_true(machine *m) {
    return push_bool(m, true);
}

static pix_status op_false(machine *m) {
    return push_bool(m, false);
}

static pix_status op_binint1(machine *m) {
    uint64_t number;
    pix_status status = take_number(m, 1, &number);
    return status ? status : push_integer(m, (int64_t)number);
}

static pix_status op_binint2(machine *m) {
    uint64_t number;
    pix_status status = take_number(m, 2, &number);
    return status ? status : push_integer(m, (int64_t)number);
}

static pix_status op_binint(machine *m) {
    uint64_t number;
    pix_status status = take_number(m, 4, &number);
    return status ? status : push_integer(m, (int32_t)(uint32_t)number);
}

/* Two's complement, little-endian, of any length. */
static pix_status push_long(machine *m, const char *data, size_t size) {
    if (size > sizeof(int64_t))
        return push_text(m, PIX_VALUE_BIG_INTEGER, data, size);
    uint64_t bits = size > 0 && (data[size - 1] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = size; i > 0; i--)
        bits = bits << 8 | (uint8_t)data[i - 1];
    return push_integer(m, (int64_t)bits);
}

static pix_status op_long1(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_counted(m, 1, &data, &size);
    return status ? status : push_long(m, data, size);
}

static pix_status op_long4(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_counted(m, 4, &data, &size);
    return status ? status : push_long(m, data, size);
}

/* "123\n", and "01\n" and "00\n" for the booleans of protocol 0. */
static pix_status op_int(machine *m) {
    char text[MAX_NUMBER_TEXT];
    pix_status status = take_short_line(m, text);
    if (status)
        return status;
    if (strcmp(text, "01") == 0 || strcmp(text, "00") == 0)
        return push_bool(m, text[1] == '1');
    int64_t number;
    if (pix_parse_integer(text, INT64_MIN, INT64_MAX, &number))
        return malformed(m, "has a bad number");
    return push_integer(m, number);
}

/* "123L\n" or "123\n" */
static pix_status op_long(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_line(m, &data, &size);
    if (status)
        return status;
    char text[MAX_NUMBER_TEXT] = "";
    if (size > 0 && data[size - 1] == 'L')
        size--;
    if (size < sizeof text)
        memcpy(text, data, size);
    int64_t number;
    if (pix_parse_integer(text, INT64_MIN, INT64_MAX, &number) == PIX_OK && strlen(text) == size)
        return push_integer(m, number);
    for (size_t i = 0; i < size; i++)
        if ((data[i] < '0' || data[i] > '9') && !(i == 0 && data[i] == '-'))
            return malformed(m, "has a bad number");
    return size > 0 ? push_text(m, PIX_VALUE_BIG_INTEGER, data, size)
                    : malformed(m, "has a bad number");
}

static pix_status push_real(machine *m, double real) {
    pix_value *value;
    pix_status status = push_new(m, PIX_VALUE_REAL, &value);
    if (!status)
        value->real = real;
    return status;
}

static pix_status op_float(machine *m) {
    char text[MAX_NUMBER_TEXT];
    pix_status status = take_short_line(m, text);
    if (status)
        return status;
    char *end;
    double real = strtod(text, &end);
    if (end == text || *end != '\0')
        return malformed(m, "has a bad number");
    return push_real(m, real);
}

/* Big-endian, unlike everything else. */
static pix_status op_binfloat(machine *m) {
    const uint8_t *bytes;
    pix_status status = take(m, 8, &bytes);
    if (status)
        return status;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    double real;
    memcpy(&real, &bits, sizeof real);
    return push_real(m, real);
}

/* ---- opcodes: texts and bytes ---- */

static pix_status push_counted(machine *m, size_t width, pix_value_kind kind) {
    const char *data;
    size_t size;
    pix_status status = take_counted(m, width, &data, &size);
    return status ? status : push_text(m, kind, data, size);
}

static pix_status op_text1(machine *m) {
    return push_counted(m, 1, PIX_VALUE_TEXT);
}

static pix_status op_text4(machine *m) {
    return push_counted(m, 4, PIX_VALUE_TEXT);
}

static pix_status op_text8(machine *m) {
    return push_counted(m, 8, PIX_VALUE_TEXT);
}

static pix_status op_bytes1(machine *m) {
    return push_counted(m, 1, PIX_VALUE_BYTES);
}

static pix_status op_bytes4(machine *m) {
    return push_counted(m, 4, PIX_VALUE_BYTES);
}

static pix_status op_bytes8(machine *m) {
    return push_counted(m, 8, PIX_VALUE_BYTES);
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `digits` hexadecimal digits at `at`, of `left` bytes. */
static bool hex_number(const char *at, size_t left, size_t digits, uint32_t *out) {
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (i >= left || hex_digit(at[i]) < 0)
            return false;
        *out = *out << 4 | (uint32_t)hex_digit(at[i]);
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
static pix_status op_string(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_line(m, &data, &size);
    if (status)
        return status;
    if (size < 2 || (data[0] != '\'' && data[0] != '"') || data[size - 1] != data[0])
        return malformed(m, "has no quotes around its text");
    char *text = NULL;
    status = arena(m, size, &text);
    if (status)
        return status;
    size_t length = 0;
    for (size_t i = 1; i < size - 1; i++) {
        text[length] = data[i];
        if (data[i] == '\\') {
            size_t used = literal_escape(data + i + 1, size - 2 - i, &text[length]);
            if (used == 0)
                return malformed(m, "has a bad escape in its text");
            i += used;
        }
        length++;
    }
    return push_text(m, PIX_VALUE_TEXT, text, length);
}

/* A line of Latin-1 with \uXXXX and \UXXXXXXXX: Python's raw-unicode-escape. */
static pix_status op_unicode(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_line(m, &data, &size);
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
                status = malformed(m, "has a bad escape in its text");
            i += 1 + digits;
        }
        if (!status && pix_bytes_append_utf8(&text, code_point))
            status = pix_fail_memory(m->error);
    }
    char *copy = NULL;
    if (!status)
        status = arena(m, text.size + 1, &copy);
    if (!status) {
        if (text.size > 0)
            memcpy(copy, text.data, text.size);
        status = push_text(m, PIX_VALUE_TEXT, copy, text.size);
    }
    pix_bytes_free(&text);
    return status;
}

/* ---- opcodes: containers ---- */

static pix_status op_mark(machine *m) {
    pix_status status = grow(m, &m->marks, &m->mark_capacity, m->mark_count + 1, sizeof *m->marks);
    if (!status)
        m->marks[m->mark_count++] = m->depth;
    return status;
}

/* POP right after a MARK takes the mark away. */
static pix_status op_pop(machine *m) {
    if (m->mark_count > 0 && m->depth == floor_of(m)) {
        m->mark_count--;
        return PIX_OK;
    }
    pix_value *value;
    return pop(m, &value);
}

static pix_status op_pop_mark(machine *m) {
    pix_value **items;
    size_t count;
    return pop_mark(m, &items, &count);
}

static pix_status op_dup(machine *m) {
    pix_value *value;
    pix_status status = peek(m, &value);
    return status ? status : push(m, value);
}

/* A new container of the `count` values last popped, which still stand at `items`. */
static pix_status push_list(machine *m, pix_value_kind kind, pix_value *const *items,
                            size_t count) {
    pix_value *list = NULL;
    pix_status status = arena(m, sizeof *list, &list);
    if (status)
        return status;
    list->kind = kind;
    if (count > 0)
        status = list_add(m, list, items, count);
    return status ? status : push(m, list);
}

static pix_status op_empty_tuple(machine *m) {
    return push_list(m, PIX_VALUE_TUPLE, NULL, 0);
}

static pix_status op_empty_list(machine *m) {
    return push_list(m, PIX_VALUE_LIST, NULL, 0);
}

static pix_status op_empty_set(machine *m) {
    return push_list(m, PIX_VALUE_SET, NULL, 0);
}

static pix_status op_empty_dict(machine *m) {
    return push_list(m, PIX_VALUE_DICT, NULL, 0);
}

static pix_status push_marked(machine *m, pix_value_kind kind) {
    pix_value **items;
    size_t count;
    pix_status status = pop_mark(m, &items, &count);
    if (!status && kind == PIX_VALUE_DICT && count % 2 != 0)
        status = malformed(m, "has a key without a value");
    return status ? status : push_list(m, kind, items, count);
}

static pix_status op_tuple(machine *m) {
    return push_marked(m, PIX_VALUE_TUPLE);
}

static pix_status op_list(machine *m) {
    return push_marked(m, PIX_VALUE_LIST);
}

static pix_status op_dict(machine *m) {
    return push_marked(m, PIX_VALUE_DICT);
}

static pix_status op_frozenset(machine *m) {
    return push_marked(m, PIX_VALUE_SET);
}

static pix_status push_tuple(machine *m, size_t count) {
    if (m->depth - floor_of(m) < count)
        return malformed(m, "finds too little on the stack");
    m->depth -= count;
    return push_list(m, PIX_VALUE_TUPLE, m->stack + m->depth, count);
}

static pix_status op_tuple1(machine *m) {
    return push_tuple(m, 1);
}

static pix_status op_tuple2(machine *m) {
    return push_tuple(m, 2);
}

static pix_status op_tuple3(machine *m) {
    return push_tuple(m, 3);
}

/* Adds `count` values, just popped and still at `items`, to the container that is now on top. */
static pix_status extend(machine *m, pix_value_kind kind, pix_value *const *items, size_t count) {
    pix_value *list;
    pix_status status = peek(m, &list);
    if (status)
        return status;
    if (list->kind != kind) {
        char cause[96];
        (void)snprintf(cause, sizeof cause, "wants %s and finds %s", pix_value_kind_name(kind),
                       pix_value_kind_name(list->kind));
        return malformed(m, cause);
    }
    if (kind == PIX_VALUE_DICT && count % 2 != 0)
        return malformed(m, "has a key without a value");
    return list_add(m, list, items, count);
}

static pix_status extend_marked(machine *m, pix_value_kind kind) {
    pix_value **items;
    size_t count;
    pix_status status = pop_mark(m, &items, &count);
    return status ? status : extend(m, kind, items, count);
}

static pix_status op_append(machine *m) {
    pix_value *item;
    pix_status status = pop(m, &item);
    return status ? status : extend(m, PIX_VALUE_LIST, &item, 1);
}

static pix_status op_appends(machine *m) {
    return extend_marked(m, PIX_VALUE_LIST);
}

static pix_status op_additems(machine *m) {
    return extend_marked(m, PIX_VALUE_SET);
}

static pix_status op_setitem(machine *m) {
    pix_value *pair[2];
    pix_status status = pop(m, &pair[1]);
    if (!status)
        status = pop(m, &pair[0]);
    return status ? status : extend(m, PIX_VALUE_DICT, pair, 2);
}

static pix_status op_setitems(machine *m) {
    return extend_marked(m, PIX_VALUE_DICT);
}

/* ---- opcodes: memo ---- */

/* Picklers number from 0 without gaps, and each PUT takes two bytes or more: an index beyond the
 * pickle's size is a bomb. */
static pix_status put(machine *m, uint64_t index) {
    pix_value *value;
    pix_status status = peek(m, &value);
    if (status)
        return status;
    if (index >= m->size)
        return malformed(m, "has a memo index larger than the pickle");
    status = grow(m, &m->memo, &m->memo_size, index + 1, sizeof *m->memo);
    if (status)
        return status;
    m->memo_next += m->memo[index] ? 0 : 1;
    m->memo[index] = value;
    return PIX_OK;
}

static pix_status get(machine *m, uint64_t index) {
    if (index >= m->memo_size || !m->memo[index])
        return malformed(m, "asks for a value that was never memoized");
    return push(m, m->memo[index]);
}

static pix_status op_binput(machine *m) {
    uint64_t index;
    pix_status status = take_number(m, 1, &index);
    return status ? status : put(m, index);
}

static pix_status op_long_binput(machine *m) {
    uint64_t index;
    pix_status status = take_number(m, 4, &index);
    return status ? status : put(m, index);
}

static pix_status op_binget(machine *m) {
    uint64_t index;
    pix_status status = take_number(m, 1, &index);
    return status ? status : get(m, index);
}

static pix_status op_long_binget(machine *m) {
    uint64_t index;
    pix_status status = take_number(m, 4, &index);
    return status ? status : get(m, index);
}

static pix_status take_index_line(machine *m, uint64_t *index) {
    char text[MAX_NUMBER_TEXT];
    int64_t number = 0;
    pix_status status = take_short_line(m, text);
    if (!status && pix_parse_integer(text, 0, UINT32_MAX, &number))
        status = malformed(m, "has a bad number");
    *index = (uint64_t)number;
    return status;
}

static pix_status op_put(machine *m) {
    uint64_t index;
    pix_status status = take_index_line(m, &index);
    return status ? status : put(m, index);
}

static pix_status op_get(machine *m) {
    uint64_t index;
    pix_status status = take_index_line(m, &index);
    return status ? status : get(m, index);
}

static pix_status op_memoize(machine *m) {
    return put(m, m->memo_next);
}

/* ---- opcodes: globals, calls, objects ---- */

static pix_status refuse_global(machine *m, const char *name) {
    pix_bytes shown = {0};
    size_t length = strnlen(name, 200);
    if (pix_bytes_append_escaped(&shown, name, length))
        return pix_fail_memory(m->error);
    pix_status status = pix_fail(m->error, PIX_EUNSUPPORTED,
                                 "pickle asks for the global %s at byte %zu, which is "
                                 "not allowed: weights do not need it",
                                 shown.data, m->opcode_at);
    pix_bytes_free(&shown);
    return status;
}

static pix_status push_global(machine *m, const char *module, size_t module_size, const char *name,
                              size_t name_size) {
    char *full = NULL;
    pix_status status = arena(m, module_size + name_size + 2, &full);
    if (status)
        return status;
    memcpy(full, module, module_size);
    full[module_size] = ' ';
    memcpy(full + module_size + 1, name, name_size);
    size_t size = module_size + 1 + name_size;
    if (strlen(full) != size || pix_global_find(full) == PIX_GLOBAL_REFUSED)
        return refuse_global(m, full);
    return push_text(m, PIX_VALUE_GLOBAL, full, size);
}

static pix_status take_global(machine *m) {
    const char *module, *name = NULL;
    size_t module_size, name_size = 0;
    pix_status status = take_line(m, &module, &module_size);
    if (!status)
        status = take_line(m, &name, &name_size);
    return status ? status : push_global(m, module, module_size, name, name_size);
}

static pix_status op_stack_global(machine *m) {
    pix_value *module = NULL, *name = NULL;
    pix_status status = pop(m, &name);
    if (!status)
        status = pop(m, &module);
    if (status)
        return status;
    if (module->kind != PIX_VALUE_TEXT || name->kind != PIX_VALUE_TEXT)
        return malformed(m, "finds no names on the stack");
    return push_global(m, module->text.data, module->text.size, name->text.data, name->text.size);
}

static bool is_list(const pix_value *value) {
    return value->kind == PIX_VALUE_LIST || value->kind == PIX_VALUE_TUPLE;
}

/* OrderedDict(), OrderedDict([(k, v), ...]), Counter({k: v}), defaultdict(factory). */
static pix_status call_dict(machine *m, const pix_value *arguments) {
    pix_status status = push_list(m, PIX_VALUE_DICT, NULL, 0);
    if (status || arguments->list.count == 0)
        return status;
    pix_value *dict = m->stack[m->depth - 1];
    const pix_value *given = arguments->list.items[0];
    if (given->kind == PIX_VALUE_DICT)
        return list_add(m, dict, (pix_value *const *)given->list.items, given->list.count);
    if (given->kind == PIX_VALUE_GLOBAL || given->kind == PIX_VALUE_NONE)
        return PIX_OK;
    if (!is_list(given))
        return malformed(m, "makes a dict of something else");
    for (size_t i = 0; i < given->list.count && !status; i++) {
        const pix_value *pair = given->list.items[i];
        if (!is_list(pair) || pair->list.count != 2)
            return malformed(m, "makes a dict of something else");
        status = list_add(m, dict, (pix_value *const *)pair->list.items, 2);
    }
    return status;
}

/* Pushes what stands for callee(*arguments). */
static pix_status call(machine *m, pix_value *callee, pix_value *arguments) {
    if (callee->kind != PIX_VALUE_GLOBAL)
        return malformed(m, "calls something that is not a global");
    pix_global_use use = pix_global_find(callee->text.data);
    /* Only TorchScript writes anything but a tuple: the value of an enumeration. */
    if (arguments->kind != PIX_VALUE_TUPLE && use != PIX_GLOBAL_OBJECT)
        return malformed(m, "calls a global without a tuple of arguments");
    if (use == PIX_GLOBAL_DATA)
        return refuse_global(m, callee->text.data);
    if (use == PIX_GLOBAL_DICT)
        return call_dict(m, arguments);
    if (use == PIX_GLOBAL_FIRST) {
        if (arguments->list.count == 0)
            return malformed(m, "calls a global without arguments");
        return push(m, (pix_value *)arguments->list.items[0]);
    }
    pix_value *result;
    pix_status status =
        push_new(m, use == PIX_GLOBAL_OBJECT ? PIX_VALUE_OBJECT : PIX_VALUE_CALL, &result);
    if (!status) {
        result->call.callee = callee;
        result->call.arguments = arguments;
    }
    return status;
}

/* REDUCE and NEWOBJ: callee, arguments. */
static pix_status op_call(machine *m) {
    pix_value *callee = NULL, *arguments = NULL;
    pix_status status = pop(m, &arguments);
    if (!status)
        status = pop(m, &callee);
    return status ? status : call(m, callee, arguments);
}

/* class, arguments, keyword arguments */
static pix_status op_newobj_ex(machine *m) {
    pix_value *keywords;
    pix_status status = pop(m, &keywords);
    if (status)
        return status;
    if (keywords->kind != PIX_VALUE_DICT || keywords->list.count > 0)
        return malformed(m, "has keyword arguments");
    return op_call(m);
}

/* MARK, arguments; the class follows the opcode. */
static pix_status op_inst(machine *m) {
    pix_status status = push_marked(m, PIX_VALUE_TUPLE);
    if (!status)
        status = take_global(m);
    if (status)
        return status;
    pix_value *callee = m->stack[--m->depth];
    pix_value *arguments = m->stack[--m->depth];
    return call(m, callee, arguments);
}

/* MARK, class, arguments */
static pix_status op_obj(machine *m) {
    pix_value **items;
    size_t count;
    pix_status status = pop_mark(m, &items, &count);
    if (status)
        return status;
    if (count == 0)
        return malformed(m, "finds too little on the stack");
    pix_value *callee = items[0];
    status = push_list(m, PIX_VALUE_TUPLE, items + 1, count - 1);
    return status ? status : call(m, callee, m->stack[--m->depth]);
}

/* Gives an object its state.  An OrderedDict's, attributes such as _metadata, does not matter here.
 */
static pix_status op_build(machine *m) {
    pix_value *state = NULL, *object = NULL;
    pix_status status = pop(m, &state);
    if (!status)
        status = peek(m, &object);
    if (status)
        return status;
    if (object->kind == PIX_VALUE_OBJECT || object->kind == PIX_VALUE_CALL)
        object->call.state = state;
    else if (object->kind != PIX_VALUE_DICT)
        return malformed(m, "gives a state to something that has none");
    return PIX_OK;
}

static pix_status push_persistent(machine *m, const pix_value *id) {
    pix_value *value;
    pix_status status = push_new(m, PIX_VALUE_PERSISTENT, &value);
    if (!status)
        value->persistent_id = id;
    return status;
}

static pix_status op_binpersid(machine *m) {
    pix_value *id;
    pix_status status = pop(m, &id);
    return status ? status : push_persistent(m, id);
}

static pix_status op_persid(machine *m) {
    const char *data;
    size_t size;
    pix_status status = take_line(m, &data, &size);
    if (!status)
        status = push_text(m, PIX_VALUE_TEXT, data, size);
    return status ? status : op_binpersid(m);
}

/* ---- the machine ---- */

/* Python's Lib/pickletools.py names them so.  Those without a function are refused: extension codes
 * stand for names registered elsewhere, buffers for data outside the pickle. */
static const struct {
    const char *name;
    pix_status (*run)(machine *m);
} opcodes[256] = {
    ['I'] = {"INT", op_int},
    ['J'] = {"BININT", op_binint},
    ['K'] = {"BININT1", op_binint1},
    ['M'] = {"BININT2", op_binint2},
    ['L'] = {"LONG", op_long},
    [0x8A] = {"LONG1", op_long1},
    [0x8B] = {"LONG4", op_long4},
    ['S'] = {"STRING", op_string},
    ['T'] = {"BINSTRING", op_text4},
    ['U'] = {"SHORT_BINSTRING", op_text1},
    ['B'] = {"BINBYTES", op_bytes4},
    ['C'] = {"SHORT_BINBYTES", op_bytes1},
    [0x8E] = {"BINBYTES8", op_bytes8},
    [0x96] = {"BYTEARRAY8", op_bytes8},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
    ['N'] = {"NONE", op_none},
    [0x88] = {"NEWTRUE", op_true},
    [0x89] = {"NEWFALSE", op_false},
    ['V'] = {"UNICODE", op_unicode},
    [0x8C] = {"SHORT_BINUNICODE", op_text1},
    ['X'] = {"BINUNICODE", op_text4},
    [0x8D] = {"BINUNICODE8", op_text8},
    ['F'] = {"FLOAT", op_float},
    ['G'] = {"BINFLOAT", op_binfloat},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['a'] = {"APPEND", op_append},
    ['e'] = {"APPENDS", op_appends},
    ['l'] = {"LIST", op_list},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['t'] = {"TUPLE", op_tuple},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    ['d'] = {"DICT", op_dict},
    ['s'] = {"SETITEM", op_setitem},
    ['u'] = {"SETITEMS", op_setitems},
    [0x8F] = {"EMPTY_SET", op_empty_set},
    [0x90] = {"ADDITEMS", op_additems},
    [0x91] = {"FROZENSET", op_frozenset},
    ['0'] = {"POP", op_pop},
    ['2'] = {"DUP", op_dup},
    ['('] = {"MARK", op_mark},
    ['1'] = {"POP_MARK", op_pop_mark},
    ['g'] = {"GET", op_get},
    ['h'] = {"BINGET", op_binget},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['p'] = {"PUT", op_put},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    [0x94] = {"MEMOIZE", op_memoize},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    ['c'] = {"GLOBAL", take_global},
    [0x93] = {"STACK_GLOBAL", op_stack_global},
    ['R'] = {"REDUCE", op_call},
    ['b'] = {"BUILD", op_build},
    ['i'] = {"INST", op_inst},
    ['o'] = {"OBJ", op_obj},
    [0x81] = {"NEWOBJ", op_call},
    [0x92] = {"NEWOBJ_EX", op_newobj_ex},
    [0x80] = {"PROTO", op_proto},
    ['.'] = {"STOP", op_stop},
    [0x95] = {"FRAME", op_frame},
    ['P'] = {"PERSID", op_persid},
    ['Q'] = {"BINPERSID", op_binpersid},
};

static const char *opcode_name(uint8_t opcode) {
    return opcodes[opcode].name;
}

static pix_status run(machine *m) {
    while (!m->stopped) {
        if (m->at == m->size)
            return pix_fail(m->error, PIX_EFORMAT, "truncated pickle: no STOP in its %zu bytes",
                            m->size);
        m->opcode_at = m->at++;
        uint8_t opcode = m->data[m->opcode_at];
        if (!opcodes[opcode].name)
            return pix_fail(m->error, PIX_EFORMAT, "unknown pickle opcode 0x%02x at byte %zu",
                            opcode, m->opcode_at);
        if (!opcodes[opcode].run)
            return pix_fail(m->error, PIX_EUNSUPPORTED,
                            "pickle opcode %s at byte %zu is not allowed: weights do not need it",
                            opcodes[opcode].name, m->opcode_at);
        pix_status status = opcodes[opcode].run(m);
        if (status)
            return status;
    }
    return PIX_OK;
}

pix_status pix_pickle_load(const uint8_t *data, size_t size, pix_pickle **out, pix_error *error) {
    *out = NULL;
    pix_pickle *pickle = calloc(1, sizeof *pickle);
    if (!pickle)
        return pix_fail_memory(error);
    machine m = {.data = data, .size = size, .pickle = pickle, .error = error};
    pix_status status = run(&m);
    free((void *)m.stack);
    free(m.marks);
    free((void *)m.memo);
    if (status) {
        pix_pickle_free(pickle);
        return status;
    }
    *out = pickle;
    return PIX_OK;
}

void pix_pickle_free(pix_pickle *pickle) {
    if (!pickle)
        return;
    while (pickle->chunks) {
        chunk *next = pickle->chunks->next;
        free(pickle->chunks);
        pickle->chunks = next;
    }
    free(pickle);
}

const pix_value *pix_pickle_top(const pix_pickle *pickle) {
    return pickle->top;
}

const char *pix_value_kind_name(pix_value_kind kind) {
    static const char *const names[] = {
        [PIX_VALUE_NONE] = "None",
        [PIX_VALUE_BOOL] = "a truth value",
        [PIX_VALUE_INTEGER] = "an integer",
        [PIX_VALUE_BIG_INTEGER] = "a large integer",
        [PIX_VALUE_REAL] = "a number",
        [PIX_VALUE_TEXT] = "a text",
        [PIX_VALUE_BYTES] = "bytes",
        [PIX_VALUE_TUPLE] = "a tuple",
        [PIX_VALUE_LIST] = "a list",
        [PIX_VALUE_SET] = "a set",
        [PIX_VALUE_DICT] = "a dict",
        [PIX_VALUE_GLOBAL] = "a global",
        [PIX_VALUE_CALL] = "the result of a call",
        [PIX_VALUE_OBJECT] = "an object",
        [PIX_VALUE_PERSISTENT] = "a storage",
    };
    return names[kind];
}

bool pix_value_is_text(const pix_value *value, const char *text) {
    return value->kind == PIX_VALUE_TEXT && value->text.size == strlen(text) &&
           memcmp(value->text.data, text, value->text.size) == 0;
}

bool pix_value_is_global(const pix_value *value, const char *name) {
    return value->kind == PIX_VALUE_GLOBAL && strcmp(value->text.data, name) == 0;
}
